//! Workers that are deleted, renamed or locked while they mine.

use super::*;

/// The session's extranonce ends in 0xdd, so it looks its workers up again after 600 * (256 + 0xdd) / 512.
const PAUSE_SECS: u64 = 559;

fn denied(denial: Denial) -> Answer {
    Answer::Denied(denial)
}

#[test]
fn workers_are_looked_up_again_within_the_configured_time() {
    let mut miner = Miner::ready(HARD);
    miner.tick_at(PAUSE_SECS - 1);
    assert!(miner.rechecks.is_empty());
    assert!(miner.session.deadline() <= Duration::from_secs(PAUSE_SECS));
    miner.tick_at(PAUSE_SECS);
    assert_eq!(miner.rechecks, ["a.b".into()]);
    // While the answer is under way nobody asks again.
    miner.tick_at(PAUSE_SECS + 1);
    assert_eq!(miner.rechecks.len(), 1);
    miner.session.on_rechecked("a.b", Answer::Unavailable);
    assert_eq!(
        miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#),
        0,
        "nobody can tell: it mines on"
    );
    // Nobody is heard of any more after ten minutes of silence; this one talks.
    miner.tick_at(2 * PAUSE_SECS);
    assert_eq!(miner.rechecks.len(), 2);
    assert_eq!(miner.closed, None);
}

#[test]
fn a_worker_that_is_gone_earns_nothing_more_and_the_others_do() {
    let mut miner = Miner::ready(HARD);
    miner.say(r#"{"id":5,"method":"mining.authorize","params":["c.d","x"]}"#);
    miner.grant(1, "c.d");
    miner.session.on_rechecked("a.b", denied(Denial::UnknownWorker));
    miner.session.on_rechecked("c.d", Answer::Granted("C.renamed".into()));
    miner.session.on_rechecked("e.f", denied(Denial::UnknownWorker));
    miner.settle();
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#), 24);
    assert_eq!(miner.code(r#"["c.d","0000000100","00000000","6553f100","00000002"]"#), 0);
    let names: Vec<_> = miner.rows.iter().filter_map(|row| row.worker.as_deref()).collect();
    assert_eq!((names, miner.closed), (vec!["C.renamed"], None));
    // A miner without any worker is let go, to be told why when it comes back.
    miner.session.on_rechecked("c.d", denied(Denial::Locked));
    miner.settle();
    assert_eq!(miner.closed, Some(CloseReason::NoWorker));
}
