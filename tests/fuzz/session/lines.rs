//! What miners say: well-formed lines of every method, the same with something wrong, and anything else.

use super::super::miner::job::{Choice, Job, Share};
use super::super::miner::{hash, hex, target};
use super::super::tape::Tape;
use super::link::{Asked, Link, Submit};

/// Names that are tried, the first more often known than not.
const NAMES: [&str; 8] = ["a.b", "c.d", "A.B", "e.f", "a%2Eb", "nodot", " a.b ", "x'; drop table shares;--.y"];
const PASSWORDS: [&str; 10] =
    ["x", "", "d=0.000000001", "x,fd=0.00000001", "th=0.000001", "d=1e300", "d=nan", "fd=-1", "x;d=4e-9 y", "d=,th=,"];
const AGENTS: [&str; 6] = ["cgminer/4.11", "NiceHash/1.0", "", "cpuminer/2.5", "bfgminer", "\u{1f980}\\\"\\u0000"];
/// Methods without much to them, and such as nobody knows.
const OTHERS: [&str; 10] = [
    "mining.ping",
    "mining.get_transactions",
    "mining.extranonce.subscribe",
    "mining.multi_version",
    "mining.capabilities",
    "mining.suggest_difficulty(0.00000001)",
    "mining.suggest_difficulty()",
    "eth_submitWork",
    "mining.set_difficulty",
    "",
];
const NUMBERS: [&str; 10] = ["1e-9", "0", "-1", "1e-300", "1e300", "\"0.000000002\"", "null", "[]", "3e-9", "true"];
const MASKS: [&str; 6] = ["1fffe000", "ffffffff", "00002000", "0", "0x1fffe000", "xyz"];
/// Nonces that are tried for a share.
const TRIES_MAX: u32 = 400;

/// The bytes of an id, of any kind; `None` for a notification.
fn id(tape: &mut Tape<'_>, link: &mut Link) -> Option<String> {
    link.next_id += 1;
    let number = link.next_id;
    match tape.roll(16) {
        0 => None,
        1 => Some("null".to_owned()),
        2 => Some(format!("\"{number}\"")),
        3 => Some(format!("{number}.50")),
        4 => Some(format!("[{number}, {{}}]")),
        5 => Some(format!("\"\\u00{:02x}\\\"\"", number % 256)),
        6 => Some(format!("-{number}e2")),
        7 => Some("1".to_owned()),
        _ => Some(number.to_string()),
    }
}

fn request(tape: &mut Tape<'_>, link: &mut Link, method: &str, params: &str) -> Vec<u8> {
    let id = id(tape, link).map_or_else(String::new, |id| format!("\"id\":{id},"));
    format!("{{{id}\"method\":\"{method}\",\"params\":{params}}}").into_bytes()
}

fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// `mining.subscribe`, perhaps to go on with a session.
pub fn subscribe(tape: &mut Tape<'_>, link: &mut Link, resumed: Option<&str>) -> Vec<u8> {
    let agent = text(AGENTS[tape.roll(AGENTS.len())]);
    let params = match (resumed, tape.roll(4)) {
        (Some(id), _) => format!("[{agent},{}]", text(id)),
        (None, 0) => "[]".to_owned(),
        (None, 1) => format!("[{agent},null,\"pool\",3333]"),
        (None, 2) => agent,
        (None, _) => format!("[{agent}]"),
    };
    request(tape, link, "mining.subscribe", &params)
}

/// `mining.authorize`.
pub fn authorize(tape: &mut Tape<'_>, link: &mut Link) -> Vec<u8> {
    let name = match tape.roll(4) {
        0 | 1 => text("a.b"),
        2 => text(NAMES[tape.roll(NAMES.len())]),
        _ => text(&format!("w.{}", tape.byte())),
    };
    let password = text(PASSWORDS[tape.roll(PASSWORDS.len())]);
    request(tape, link, "mining.authorize", &format!("[{name},{password}]"))
}

/// `mining.authorize` of a name with a number.
pub fn authorize_numbered(link: &mut Link, number: usize) -> Vec<u8> {
    request(&mut Tape::new(&[15]), link, "mining.authorize", &format!("[\"many.{number}\",\"x\"]"))
}

/// `mining.configure` and wishes for a difficulty.
pub fn wish(tape: &mut Tape<'_>, link: &mut Link) -> Vec<u8> {
    let (number, mask) = (NUMBERS[tape.roll(NUMBERS.len())], MASKS[tape.roll(MASKS.len())]);
    match tape.roll(5) {
        0 => request(tape, link, "mining.suggest_difficulty", &format!("[{number}]")),
        1 => {
            let zeros = "0".repeat(2 * tape.roll(33));
            request(tape, link, "mining.suggest_target", &format!("[\"{zeros}ff\"]"))
        }
        2 => request(tape, link, "mining.configure", number),
        3 => {
            let params = format!("[[\"minimum-difficulty\",\"info\"],{{\"minimum-difficulty.value\":{number}}}]");
            request(tape, link, "mining.configure", &params)
        }
        _ => {
            let params = format!("[[\"version-rolling\"],{{\"version-rolling.mask\":\"{mask}\"}}]");
            request(tape, link, "mining.configure", &params)
        }
    }
}

/// Anything but work.
pub fn other(tape: &mut Tape<'_>, link: &mut Link) -> Vec<u8> {
    match tape.roll(6) {
        0 => tape.take(tape.clone().roll(64)).to_vec(),
        1 => vec![b' '; tape.roll(4)],
        2 => b"{\"id\":\"version\",\"result\":\"\\u00fc-miner 1.0\",\"error\":null}".to_vec(),
        3 => b"nonsense".to_vec(),
        _ => {
            let (method, number) = (OTHERS[tape.roll(OTHERS.len())], NUMBERS[tape.roll(NUMBERS.len())]);
            request(tape, link, method, number)
        }
    }
}

/// Work for a job and the name it is for.
fn work(tape: &mut Tape<'_>, job: &Job) -> Share {
    let [a, b] = [tape.byte(), tape.byte()];
    let mut extranonce2 = vec![0; job.extranonce2_bytes];
    extranonce2.iter_mut().take(1).for_each(|byte| *byte = a & 3);
    let time = if tape.one_in(8) { job.time.wrapping_add_signed(*tape.pick(&[1, -599, -601, 8000])) } else { job.time };
    let version_bits = tape.one_in(4).then(|| u32::from(tape.byte()) << 13);
    let choice = Choice { extranonce2, time, nonce: u32::from(b) << 10, version_bits, vote: None };
    if tape.one_in(6) {
        return job.share(choice);
    }
    let (mut header, target) = (job.share(choice.clone()).header, job.share_target());
    let found = (choice.nonce..choice.nonce + TRIES_MAX).find(|nonce| {
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        target::is_met(&target, &hash::sha256d(&header))
    });
    job.share(Choice { nonce: found.unwrap_or(choice.nonce), ..choice })
}

/// The share of an honest miner; `None` without work.
pub fn submit(tape: &mut Tape<'_>, link: &mut Link) -> Option<(Vec<u8>, String, Share)> {
    let newest = !tape.one_in(4);
    let index = if newest { link.jobs.len() } else { 1 + tape.roll(link.jobs.len().max(1)) };
    let mut job = link.jobs.get(index.checked_sub(1)?)?.clone();
    // What is in force now counts, not what was when the job came.
    job.version_mask = link.in_force.version_mask;
    job.extranonce1.clone_from(&link.in_force.extranonce1);
    job.extranonce2_bytes = link.in_force.extranonce2_bytes;
    let name = if tape.one_in(4) { NAMES[tape.roll(NAMES.len())] } else { "a.b" };
    let share = work(tape, &job);
    let line = request(tape, link, "mining.submit", &share.submit_params(name).to_string());
    Some((line, name.to_owned(), share))
}

/// A share that was submitted before, spelt otherwise.
pub fn repeat(tape: &mut Tape<'_>, link: &mut Link) -> Option<(Vec<u8>, Share)> {
    let nth = tape.roll(link.shares.len().max(1));
    let (name, share) = link.shares.get(nth)?.clone();
    let params = share.submit_params(&name).to_string();
    let params = match tape.roll(3) {
        0 => params.replace("\"a.b\"", "\" a%2eb \""),
        1 => params.replace(&format!("\"{:08x}\"", share.choice.nonce), &share.choice.nonce.to_string()),
        _ => params
            .replace(&hex::encode(&share.choice.extranonce2), &hex::encode(&share.choice.extranonce2).to_uppercase()),
    };
    Some((request(tape, link, "mining.submit", &params), share))
}

/// A submit with something wrong.
pub fn spoilt(tape: &mut Tape<'_>, link: &mut Link) -> Vec<u8> {
    let job = link.jobs.back().map_or_else(|| "0000000100".to_owned(), |job| job.id.clone());
    // The next variant may have been taken back before it was read.
    let guess = u64::from_str_radix(&job, 16).unwrap_or(0) + tape.roll(3) as u64;
    let mut fields = [
        text("a.b"),
        format!("\"{guess:010x}\""),
        format!("\"{}\"", "0".repeat(2 * link.in_force.extranonce2_bytes)),
        link.jobs.back().map_or_else(|| "0".to_owned(), |job| format!("\"{:08x}\"", job.time)),
        format!("\"{:08x}\"", tape.byte()),
        "\"00000000\"".to_owned(),
    ];
    let odd = ["7", "null", "\"\"", "\"zzzzzzzz\"", "\"FFFFFFFF\"", "[]", "1.5", "-1", "\"0000000000000000\""];
    if tape.one_in(2) {
        fields[tape.roll(6)] = odd[tape.roll(odd.len())].to_owned();
    }
    let count = *tape.pick(&[5, 6, 5, 4, 0]);
    request(tape, link, "mining.submit", &format!("[{}]", fields[..count].join(",")))
}

/// What is known of a share before it is judged; `None` if the pool may put another header together.
pub fn known(link: &Link, share: &Share, is_good: bool) -> Option<Submit> {
    let is_settled = !link.waits_for(&Asked::Configuration) && !link.waits_for(&Asked::Subscription);
    let is_ours = !link.in_force.extranonce1.is_empty() && is_settled;
    let in_mask = share.choice.version_bits.is_none_or(|bits| bits & !link.in_force.version_mask == 0);
    let header = super::books::header_of(&share.header);
    (is_ours && in_mask).then_some(Submit { header, is_block: share.meets_network_target, is_good })
}
