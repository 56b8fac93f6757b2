//! Which difficulty a share is judged by, and what else is forgiven.

use crate::work::job::Choice;
use std::sync::atomic::Ordering;

use super::*;
use crate::difficulty::Target;
use crate::work::extranonce::Extranonce2;

fn ready_on(port: Port, bits: u32) -> Miner {
    let mut miner = Miner::on(port, bits, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    miner.grant(0, "a.b");
    miner
}

/// A share of a sent job whose hash meets one difficulty and misses another.
fn share_between(miner: &Miner, job_id: (u32, u8), meets: f64, misses: f64) -> String {
    let sent = miner.session.jobs.iter().find(|sent| sent.key() == job_id).unwrap();
    let extranonce2 = Extranonce2::from_hex(b"00000000", 4).unwrap();
    let target = |difficulty| Target::for_share(Difficulty::new(difficulty).unwrap(), 32);
    let found = (0..1_000_000u32).find(|nonce| {
        let extranonce1 = [0xaa, 0xbb, 0xcc, 0xdd];
        let choice = Choice { version: 0x2000_0000, time: 0x6553_f100, nonce: *nonce, vote: 0 };
        let made = sent.job.assemble(&sent.announcement, extranonce1, &extranonce2, choice);
        let pow = crate::pow::sha256d(&made.header);
        target(meets).is_met_by(&pow) && !target(misses).is_met_by(&pow)
    });
    format!("{:08x}", found.unwrap())
}

fn set_difficulty(miner: &mut Miner, difficulty: f64) {
    miner.session.difficulty = Difficulty::new(difficulty).unwrap();
    let (moment, board) = (miner.moment(), miner.board.clone());
    miner.session.repeat_work(moment, &board, false);
    miner.settle();
}

const ONE: f64 = 1.0 / 4_294_967_296.0;

#[test]
fn w08_shares_around_a_change_of_difficulty() {
    let mut miner = ready_on(Port { difficulty: Difficulty::new(64.0 * ONE).unwrap(), ..port() }, HARD);
    let (weak, strong) =
        (share_between(&miner, (1, 0), ONE * 4.0, ONE * 9.0), share_between(&miner, (1, 0), ONE * 64.0, ONE * 1e6));
    assert_eq!(miner.submit(1, "a.b", "0000000100", &weak)[0]["error"][0], 23);
    miner.now = Duration::from_secs(10);
    set_difficulty(&mut miner, 4.0 * ONE);
    // A miner that works by the new difficulty at once, and one that does not: the same credit.
    for nonce in [&weak, &strong] {
        assert_eq!(miner.submit(1, "a.b", "0000000100", nonce)[0]["result"], true);
        assert_eq!(miner.rows.last().unwrap().assigned.get(), 4.0 * ONE);
    }
    assert_eq!(miner.session.terms.memory.counters.raced.load(Ordering::Relaxed), 2);
    // The window ends.
    miner.now = Duration::from_secs(41);
    let weak = share_between(&miner, (1, 0), ONE * 10.0, ONE * 60.0);
    assert_eq!(miner.submit(1, "a.b", "0000000100", &weak)[0]["error"][0], 23);
    // A raised difficulty changes nothing for older jobs.
    set_difficulty(&mut miner, 64.0 * ONE);
    let old = share_between(&miner, (1, 1), ONE * 4.0, ONE * 60.0);
    assert_eq!(miner.submit(1, "a.b", "0000000101", &old)[0]["result"], true);
    assert_eq!(miner.rows.last().unwrap().assigned.get(), 4.0 * ONE);
    let new = share_between(&miner, (1, 2), ONE * 4.0, ONE * 60.0);
    assert_eq!(miner.submit(1, "a.b", "0000000102", &new)[0]["error"][0], 23);
}

#[test]
fn w09_a_share_within_the_tolerance_counts_at_the_issued_difficulty() {
    for (tolerance, accepted) in [(5000, true), (0, false)] {
        let rules = Rules { share_tolerance_ppm: tolerance, ..Rules::default() };
        let mut miner = ready_on(Port { difficulty: Difficulty::new(16.0 * ONE).unwrap(), rules, ..port() }, HARD);
        let near = share_between(&miner, (1, 0), ONE * 16.0 / 1.0049, ONE * 16.0);
        assert_eq!(miner.submit(1, "a.b", "0000000100", &near)[0]["result"] == true, accepted);
        assert_eq!(miner.rows[0].assigned.get(), 16.0 * ONE);
        let counted = miner.session.terms.memory.counters.tolerated.load(Ordering::Relaxed);
        assert_eq!(counted, u64::from(accepted));
        let far = share_between(&miner, (1, 0), ONE * 15.0, ONE * 16.0 / 1.0051);
        assert_eq!(miner.submit(1, "a.b", "0000000100", &far)[0]["error"][0], 23);
    }
}

#[test]
fn late_shares_count_only_within_the_grace() {
    let rules = Rules { stale_grace: Duration::from_secs(2), ..Rules::default() };
    let mut miner = ready_on(Port { rules, ..port() }, HARD);
    miner.now = Duration::from_secs(100);
    miner.board(job(2, 2, HARD));
    miner.now = Duration::from_millis(101_900);
    assert_eq!(miner.submit(1, "a.b", "0000000100", "00000001")[0]["result"], true);
    assert_eq!(miner.submit(1, "a.b", "0000000100", "00000001")[0]["error"][0], 22);
    miner.now = Duration::from_secs(102);
    assert_eq!(miner.submit(1, "a.b", "0000000100", "00000002")[0]["error"][0], 21);
    assert_eq!(miner.session.terms.memory.counters.late.load(Ordering::Relaxed), 1);
    // Work two tips old is not late but unknown.
    miner.board(job(3, 3, HARD));
    miner.board(job(4, 4, HARD));
    assert_eq!(miner.submit(1, "a.b", "0000000100", "00000003")[0]["error"][0], 21);
}

#[test]
fn w10_a_block_with_forbidden_version_bits_is_a_candidate() {
    let mut miner = ready_on(port(), EASY);
    let mut verdicts = (0..64).map(|nonce| {
        let line = format!(
            r#"{{"id":1,"method":"mining.submit","params":["a.b","0000000100","00000000","{TIME}","{nonce:08x}","00002000"]}}"#
        );
        assert_eq!(miner.say(&line)[0]["error"][0], 20);
        let row = miner.rows.last().unwrap();
        assert_eq!(row.verdict, Err(Reject::VersionBits));
        row.is_candidate()
    });
    assert!(verdicts.any(|candidate| candidate));
}

#[test]
fn hashes_of_ordinary_shares_are_handed_on_only_if_asked_for() {
    for wanted in [false, true] {
        let mut miner = ready_on(port(), HARD);
        let mut terms = (*miner.session.terms).clone();
        terms.emit_invalid_block_hashes = wanted;
        miner.session.terms = Arc::new(terms);
        miner.submit(1, "a.b", "0000000100", "00000001");
        let work = miner.rows[0].work.as_ref().unwrap();
        assert_eq!(work.block_hash, wanted.then(|| crate::pow::sha256d(&work.header)));
        assert!(work.candidate.is_none());
    }
}
