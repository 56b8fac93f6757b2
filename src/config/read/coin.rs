//! `[[coin]]`: the table itself and what it is put together from.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::transport::SharedFiles;
use super::{Presets, database, fixed_output, node, port, profile, recipient, transport};
use crate::bytes::hex;
use crate::bytes::sha256::sha256;
use crate::chain::destination::Destination;
use crate::coin::preset::PRESETS;
use crate::coin::profile::{BlockHash, Profile};
use crate::config::problem::{Report, nearest};
use crate::config::relations::CoinMarks;
use crate::config::section::{Layer, Section};
use crate::config::value::{Wrong, boolean, list, millis, nonempty, secs, sized, text, wrong};
use crate::config::{Coin, FixedOutput, Recipient, Templates, UpdateBlock};

/// Longest name of a coin; it becomes part of file names.
const NAME_BYTES_MAX: usize = 32;

/// Longest coinbase text: height, extranonces and flags need the rest of the 100 bytes that the
/// input script of a coinbase may have.
const COINBASE_TEXT_BYTES_MAX: usize = 32;

/// Longest name of a worker, MPOS's `pool_worker.username`.
const WORKER_BYTES_MAX: usize = 50;

/// Refuses names for ordinary shares where each would cost a hash of its own.
fn affordable_names(report: &Report, section: &Section<'_>, wanted: Option<bool>, profile: Option<&Profile>) {
    if wanted == Some(true) && profile.is_some_and(|profile| profile.block_hash == BlockHash::Scrypt) {
        let what = "would cost a scrypt hash for every share, on the thread that serves its miner";
        let remedy = "leave it out: MPOS takes only blocks from `solution`, and those are named anyway";
        report.problem(&section.place("emit_invalid_block_hashes"), what, remedy);
    }
}

/// Reads a coin, and besides what other coins must agree with, as far as that could be read.
pub(super) fn read<'a>(
    report: &'a Report,
    own: Section<'a>,
    defaults: Option<&Layer<'a>>,
    presets: &'a Presets,
    tls_files: &SharedFiles,
) -> (Option<Coin>, CoinMarks<'a>) {
    let mut section = own.with_below(defaults.cloned());
    if let Some(name) = section.optional("name", name) {
        section.rename(format!("coin[{name}]"));
    }
    // Without its preset nothing of a coin can be judged.
    let Some(section) = with_preset(report, section, presets) else { return (None, CoinMarks::default()) };

    let name = section.required("name", "name = \"litecoin\"", name);
    let profile = profile::read(report, &section);
    let Paid { payout, fixed_outputs, recipients } = paid(report, &section, profile.as_ref());
    let coinbase_text = section.or("coinbase_text", "\"/mpos-stratum/\"", coinbase_text);
    let instance = section.or("instance", "0", sized(0..=u64::from(u16::MAX)));
    let example = "fallback_worker = \"pool.fallback\"";
    let fallback_worker = section.required("fallback_worker", example, fallback_worker);
    let confirmations = section.or("confirmations", "120", sized(1..=10_000));
    let emit_invalid_block_hashes = section.or("emit_invalid_block_hashes", "false", boolean);
    affordable_names(report, &section, emit_invalid_block_hashes, profile.as_ref());
    let chain = section.optional("chain", nonempty);
    let nodes = node::read_all(report, &section, profile.as_ref());
    let templates = templates(report, section.table("templates"), profile.as_ref());
    let update_block = update_block(&section);
    let (ports, listens) = port::read_all(report, &section, profile.as_ref(), tls_files);
    let mpos = database::mpos(section.table("mpos"));
    let workers = database::workers(section.table("workers"));
    let ledger = database::ledger(report, section.table("ledger"));

    let marks = CoinMarks {
        name: name.clone().map(|name| (name, section.place("name"))),
        payout: payout
            .as_ref()
            .map(|(written, _)| written.clone())
            .zip(instance)
            .map(|payout| (payout, section.place("payout_address"))),
        shares: mpos.clone().zip(ledger.clone()).map(|shares| (shares, section.place("mpos"))),
        chain,
        listens,
    };
    section.finish();
    let coin = || {
        let (payout_address, payout) = payout?;
        Some(Coin {
            name: name?,
            profile: profile?,
            nodes: nodes?,
            templates: templates?,
            payout_address,
            payout,
            fixed_outputs: fixed_outputs?,
            recipients: recipients?,
            coinbase_text: coinbase_text?,
            instance: instance?,
            fallback_worker: fallback_worker?,
            confirmations: confirmations?,
            emit_invalid_block_hashes: emit_invalid_block_hashes?,
            update_block: update_block?,
            ports: ports?.into_iter().map(Arc::new).collect(),
            mpos: mpos?,
            workers: workers?,
            ledger: ledger?,
        })
    };
    (coin(), marks)
}

/// Whom a coin's blocks pay, as far as it could be read.
struct Paid {
    payout: Option<(String, Destination)>,
    fixed_outputs: Option<Vec<FixedOutput>>,
    recipients: Option<Vec<Recipient>>,
}

fn paid(report: &Report, section: &Section<'_>, profile: Option<&Profile>) -> Paid {
    let example = "payout_address = \"your pool's address\"";
    let payout = section.required("payout_address", example, recipient::destination);
    if let Some(payout) = &payout {
        recipient::judge(report, &section.place("payout_address"), payout, profile);
    }
    let recipients = recipient::read_all(report, section, payout.as_ref(), profile);
    let fixed_outputs = fixed_output::read_all(report, section, payout.as_ref(), recipients.as_deref(), profile);
    let is_required = section.or("fixed_output_required", "false", boolean) == Some(true);
    if is_required && fixed_outputs.as_ref().is_some_and(Vec::is_empty) {
        let what = "is missing, but blocks of this coin must pay somebody whom its nodes do not name \
                    (`fixed_output_required = true`): they would be refused";
        let remedy = "add a [[coin.fixed_output]] with the addresses and what they get, or write \
                      `fixed_output_required = false` if your node's templates name them";
        report.problem(&section.place("fixed_output"), what, remedy);
    }
    Paid { payout, fixed_outputs, recipients }
}

/// Puts the preset below the layer that names it. `None`: it names none that is known.
fn with_preset<'a>(report: &Report, section: Section<'a>, presets: &'a Presets) -> Option<Section<'a>> {
    if !section.has("preset") {
        return Some(section);
    }
    let name = section.optional("preset", text)?;
    if let Some(layer) = presets.layer(&name) {
        return Some(section.with_below_key("preset", layer));
    }
    let known = || PRESETS.iter().flat_map(|preset| [preset.name].into_iter().chain(preset.also.iter().copied()));
    let of_coin: Vec<&str> =
        known().filter(|known| known.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-'))).collect();
    let remedy = match (nearest(&name, known()), of_coin.is_empty()) {
        (Some(near), _) => format!("did you mean \"{near}\"?"),
        (None, false) => format!("choose one of {}", of_coin.join(", ")),
        (None, true) => {
            let all: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
            format!("choose one of {}, or write the profile's keys yourself: `algorithm = ...`", all.join(", "))
        }
    };
    report.problem(&section.place("preset"), "is not a known preset", remedy);
    None
}

/// `[coin.update_block]`; `Some(None)`: it is not there.
fn update_block(coin: &Section<'_>) -> Option<Option<UpdateBlock>> {
    let section = coin.table("update_block");
    // Asked for also where the table is missing: that makes them known.
    section.choose(&[&["password"], &["password_file"], &["password_sha256"]]);
    let from = section.or("from", "[\"127.0.0.0/8\", \"::1\"]", list(transport::network));
    if !coin.has("update_block") {
        return Some(None);
    }
    let digest = section.secret("password_sha256", |value| {
        hex::decode_array(text(value)?.to_ascii_lowercase().as_bytes())
            .map_or_else(|| wrong("is not a SHA-256", "write its 64 hexadecimal digits"), Ok)
    });
    let password_sha256 = match section.has("password_sha256") {
        true => digest,
        false => database::password(&section).map(|password| sha256(password.reveal().as_bytes())),
    };
    section.finish();
    Some(Some(UpdateBlock { password_sha256: password_sha256?, from: from? }))
}

fn templates(report: &Report, section: Section<'_>, profile: Option<&Profile>) -> Option<Templates> {
    let poll = section.or("poll_ms", "1000", millis(50..=60_000));
    let refresh = section.or("refresh_secs", "30", secs(1..=600));
    let longpoll = section.or("longpoll", "true", boolean);
    let stale_after = section.or("stale_after_secs", "120", secs(2..=3600));
    if let (Some(refresh), Some(stale_after)) = (refresh, stale_after)
        && stale_after < refresh + Duration::from_secs(1)
    {
        let what = "would make every template too old before it is refreshed";
        report.problem(&section.place("stale_after_secs"), what, "make it several times refresh_secs");
    }
    let empty_after = section.optional("empty_block_after_ms", millis(20..=10_000));
    if profile.is_some_and(|profile| profile.form.schedule.is_none()) && section.has("empty_block_after_ms") {
        let what = "cannot be done with this coin: its profile has no [coin.schedule], so what a block must have is known \
                    from the node's template alone";
        let remedy = "remove it; add the schedule only if the difficulty changes every so many blocks and the subsidy is \
                      halved, as Bitcoin's";
        report.problem(&section.place("empty_block_after_ms"), what, remedy);
    }
    section.finish();
    Some(Templates { poll: poll?, refresh: refresh?, longpoll: longpoll?, empty_after, stale_after: stale_after? })
}

fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value)?;
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('-') || !name.bytes().all(letter) {
        let remedy = format!("use up to {NAME_BYTES_MAX} lower-case letters, digits and -");
        return wrong("cannot be part of a file name", remedy);
    }
    Ok(name)
}

fn coinbase_text(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if text.len() > COINBASE_TEXT_BYTES_MAX || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        let remedy = format!("use up to {COINBASE_TEXT_BYTES_MAX} printable ASCII characters");
        return wrong("does not fit the coinbase", remedy);
    }
    Ok(text)
}

fn fallback_worker(value: &DeValue<'_>) -> Result<String, Wrong> {
    let worker = text(value)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let named = worker.split_once('.').is_some_and(|(account, name)| {
        !account.is_empty() && !name.is_empty() && !name.contains('.') && worker.bytes().all(letter)
    });
    if !named || worker.len() > WORKER_BYTES_MAX {
        return wrong(
            "is not a worker of MPOS: account, one dot, worker",
            "name a worker that exists in MPOS, such as \"pool.fallback\"; it earns blocks found by nobody who is authorised",
        );
    }
    Ok(worker)
}
