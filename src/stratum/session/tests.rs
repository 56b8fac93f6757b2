//! The session without a socket: lines in, bytes and effects out.

mod carried;
mod judging;
mod limits;
mod stage;
mod start;

use crate::work::job::Choice;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use self::stage::{Miner, port, vardiff};
use super::answers::Ticket;
use super::effects::{CloseReason, CoinMemory, Effect, Moment, Peer, Terms};
use super::*;
use crate::coin::profile::BlockHash;
use crate::config::{Grid, Port, Rules, Vardiff};
use crate::pow::Algorithm;
use crate::stratum::desk::JudgedShare;
use crate::work::job::tests::job;
use crate::work::reject::Reject;
use crate::worker::directory::Denial;

/// Every second hash meets it.
const EASY: u32 = 0x207f_ffff;
/// No hash of a test meets it.
const HARD: u32 = 0x1d00_ffff;
const TIME: &str = "6553f100";

#[test]
fn the_subscribe_answer_comes_first_then_difficulty_then_work() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    let lines = miner.say(r#"{"id":"s","method":"mining.subscribe","params":["cg/1"]}"#);
    assert_eq!(lines[0]["id"], "s");
    assert_eq!(lines[0]["result"][1], "aabbccdd");
    assert_eq!(lines[0]["result"][2], 4);
    assert_eq!(lines[1]["method"], "mining.set_difficulty");
    assert_eq!(lines[2]["method"], "mining.notify");
    assert_eq!(lines[2]["params"][8], true);
    // Again: the same extranonce, and work with another id.
    let again = miner.say(r#"{"id":2,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(again[0]["result"][1], "aabbccdd");
    assert_eq!(again[1]["method"], "mining.set_difficulty");
    assert_ne!(again[2]["params"][0], lines[2]["params"][0]);
    assert_eq!(again[2]["params"][8], true);
}

#[test]
fn memory_hard_work_is_not_given_to_strangers() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Scrypt { log_n: 10, r: 1 });
    let lines = miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert!(lines.iter().all(|line| line["method"] != "mining.notify"));
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    let lines = miner.grant(0, "a.b");
    assert_eq!(lines.last().unwrap()["method"], "mining.notify");
    miner.submit(3, "a.b", "0000000100", "00000001");
    assert_eq!(miner.hashes.len(), 1);
    let (ticket, header) = miner.hashes[0];
    miner.session.on_hash(miner.moment(), ticket, crate::pow::sha256d(&header));
    assert_eq!(miner.settle()[0]["id"], 3);
    // A refusal is answered as soon as the hash is known, too.
    miner.submit(4, "c.d", "0000000100", "00000002");
    let (ticket, header) = miner.hashes[1];
    miner.session.on_hash(miner.moment(), ticket, crate::pow::sha256d(&header));
    assert_eq!(miner.settle()[0]["error"][0], 24);
}

#[test]
fn an_accepted_share_is_a_row_in_the_stored_spelling() {
    let mut miner = Miner::ready(HARD);
    let answers = miner.submit(4, "a.b", "0000000100", "00000001");
    assert_eq!(answers, [json!({"id":4,"result":true,"error":null})]);
    let row = &miner.rows[0];
    assert_eq!((row.worker.as_deref(), row.verdict), (Some("A.b"), Ok(())));
    assert!(!row.is_candidate());
    // The same work in upper case, and once more as it was.
    let upper = r#"["a.b","0000000100","00000000","6553F100","00000001"]"#;
    assert_eq!(miner.code(upper), 22);
    assert_eq!(miner.submit(5, "a.b", "0000000100", "00000001")[0]["error"][0], 22);
    assert_eq!(miner.rows.len(), 3);
    assert!(miner.rows[1..].iter().all(|row| row.verdict == Err(Reject::Duplicate)));
}

#[test]
fn only_names_authorised_here_are_credited() {
    let mut miner = Miner::ready(HARD);
    assert_eq!(miner.code(r#"["c.d","0000000100","00000000","6553f100","00000001"]"#), 24);
    assert!(miner.rows.is_empty());
    miner.say(r#"{"id":5,"method":"mining.authorize","params":["c.d","x"]}"#);
    miner.grant(1, "c.d");
    assert_eq!(miner.code(r#"["c.d","0000000100","00000000","6553f100","00000002"]"#), 0);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000003"]"#), 0);
    let names: Vec<_> = miner.rows.iter().filter_map(|row| row.worker.as_deref()).collect();
    assert_eq!(names, ["c.d", "A.b"]);
}

#[test]
fn fields_out_of_form_get_their_error_and_no_credit() {
    let mut miner = Miner::ready(HARD);
    for (params, code) in [
        (r#"[]"#, 20),
        (r#"["a.b","0000000100","00000000","6553f100"]"#, 20),
        (r#"[7,"0000000100","00000000","6553f100","00000001"]"#, 20),
        (r#"["a.b","0000000101","00000000","6553f100","00000001"]"#, 21),
        (r#"["a.b","'; drop table shares","00000000","6553f100","00000001"]"#, 21),
        (r#"["a.b","0000000100","000000","6553f100","00000001"]"#, 20),
        (r#"["a.b","0000000100","0000000000","6553f100","00000001"]"#, 20),
        (r#"["a.b","0000000100","0000000g","6553f100","00000001"]"#, 20),
        (r#"["a.b","0000000100","00000000","6553f1","00000001"]"#, 20),
        (r#"["a.b","0000000100","00000000",-1,"00000001"]"#, 20),
        (r#"["a.b","0000000100","00000000","6553f100",99999999999]"#, 20),
        (r#"["a.b","0000000100","00000000","6553f100",null]"#, 20),
        (r#"["a.b","0000000100","00000000","6553f100","00000001","00002000"]"#, 20),
        (r#"["a.b","0000000100","00000000","00000000","00000001"]"#, 20),
        (r#"["a.b","0000000100","00000000","ffffffff","00000001"]"#, 20),
    ] {
        assert_eq!(miner.code(params), code, "{params}");
    }
    assert!(miner.rows.iter().all(|row| row.verdict.is_err()));
    // Numbers are fine where odd miners send them.
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000",1700000000,7]"#), 0);
}

#[test]
fn difficulty_belongs_to_the_job() {
    let mut miner = Miner::ready(HARD);
    // As a retarget does it: another difficulty, then the next variant.
    miner.session.difficulty = Difficulty::new(1e6).unwrap();
    miner.tick_at(60);
    assert_eq!(miner.code(r#"["a.b","0000000101","00000000","6553f100","00000001"]"#), 23);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#), 0);
    let credited: Vec<f64> = miner.rows.iter().map(|row| row.assigned.get()).collect();
    assert_eq!(credited, [1e6, 1e-12]);
}

#[test]
fn a_new_tip_is_clean_and_makes_old_work_stale() {
    let mut miner = Miner::ready(HARD);
    let refreshed = miner.board(job(2, 1, HARD));
    assert_eq!(refreshed[0]["params"][8], false);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#), 0);
    let tip = miner.board(job(3, 2, HARD));
    assert_eq!(tip[0]["params"][8], true);
    assert_eq!(miner.code(r#"["a.b","0000000200","00000000","6553f100","00000002"]"#), 21);
    assert_eq!(miner.rows.last().unwrap().verdict, Err(Reject::Stale));
    miner.board(job(4, 3, HARD));
    assert_eq!(miner.code(r#"["a.b","0000000200","00000000","6553f100","00000003"]"#), 21);
    assert_eq!(miner.rows.last().unwrap().verdict, Err(Reject::UnknownJob));
    // No node confirms the tip any more.
    miner.board.job = None;
    assert_eq!(miner.code(r#"["a.b","0000000400","00000000","6553f100","00000004"]"#), 20);
}

/// A nonce whose header meets the easy target, or misses it.
fn nonce(miner: &Miner, job_id: (u32, u8), wanted: bool) -> String {
    let sent = miner.session.jobs.iter().find(|sent| sent.key() == job_id).unwrap();
    let extranonce2 = crate::work::extranonce::Extranonce2::from_hex(b"00000000", 4).unwrap();
    let found = (0..100u32).find(|nonce| {
        let choice = Choice { version: 0x2000_0000, time: 0x6553_f100, nonce: *nonce, vote: 0 };
        let made = sent.job.assemble(&sent.announcement, [0xaa, 0xbb, 0xcc, 0xdd], &extranonce2, choice);
        sent.job.template.target.is_met_by(&crate::pow::sha256d(&made.header)) == wanted
    });
    format!("{:08x}", found.unwrap())
}

#[test]
fn a_block_is_a_candidate_whoever_sends_it_and_however_late_but_once() {
    let mut miner = Miner::ready(EASY);
    let block = nonce(&miner, (1, 0), true);
    assert_eq!(miner.submit(4, "stranger.x", "0000000100", &block)[0]["error"][0], 24);
    assert_eq!(miner.rows.len(), 1);
    // Credited to the worker authorised last, but not as accepted work.
    assert_eq!((miner.rows[0].worker.as_deref(), miner.rows[0].verdict), (Some("A.b"), Err(Reject::Unauthorized)));
    assert!(miner.rows[0].is_candidate());
    assert_eq!(miner.submit(5, "a.b", "0000000100", &block)[0]["error"][0], 22);
    assert_eq!(miner.rows.len(), 1, "a repeated candidate is no second row");

    miner.board(job(2, 2, EASY));
    let late = format!("{:08x}", u32::from_str_radix(&block, 16).unwrap() + 1000);
    let before = miner.rows.len();
    let mut tries = (0..50u32).map(|step| format!("{:08x}", u32::from_str_radix(&late, 16).unwrap() + step));
    let candidate = tries.any(|nonce| {
        miner.submit(6, "a.b", "0000000100", &nonce);
        miner.rows.last().unwrap().is_candidate()
    });
    assert!(candidate && miner.rows[before..].iter().all(|row| row.verdict == Err(Reject::Stale)));
}

#[test]
fn a_candidate_of_nobody_goes_to_the_fallback_worker() {
    let mut miner = Miner::on(port(), EASY, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    let block = nonce(&miner, (1, 0), true);
    miner.submit(4, "a.b", "0000000100", &block);
    assert_eq!(miner.rows[0].worker, None);
    let share = nonce(&miner, (1, 0), false);
    miner.submit(5, "a.b", "0000000100", &share);
    assert_eq!(miner.rows.len(), 1);
}

#[test]
fn a_share_behind_its_own_authorisation_waits_for_it_and_answers_keep_their_order() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert!(miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#).is_empty());
    assert!(miner.submit(3, "a.b", "0000000100", "00000001").is_empty());
    assert!(miner.say(r#"{"id":4,"method":"mining.ping","params":[]}"#).is_empty());
    let ids: Vec<_> = miner.grant(0, "a.b").iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [2, 3, 4]);
    assert_eq!(miner.rows.len(), 1);
}

#[test]
fn a_candidate_waits_for_its_name_only_briefly() {
    let mut miner = Miner::on(port(), EASY, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    let block = nonce(&miner, (1, 0), true);
    miner.submit(3, "a.b", "0000000100", &block);
    assert!(miner.rows.is_empty());
    assert!(miner.session.deadline() <= Duration::from_millis(100));
    miner.tick_at(1);
    assert_eq!(miner.rows.len(), 1);
}

#[test]
fn what_could_not_be_written_down_is_refused_and_may_be_repeated() {
    let mut miner = Miner::ready(HARD);
    let line = br#"{"id":4,"method":"mining.submit","params":["a.b","0000000100","00000000","6553f100","00000001"]}"#;
    miner.session.on_line(miner.moment(), line, &miner.board);
    let Some(Effect::Record { ticket: Some(ticket), .. }) = miner.session.take_effects().pop() else { panic!() };
    miner.session.on_recorded(miner.moment(), ticket, None);
    assert_eq!(miner.settle()[0]["error"][0], 20);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#), 0);
}

#[test]
fn refused_authorisations_say_why() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    for (index, (answer, word)) in [
        (Answer::Denied(Denial::WrongPassword), "password"),
        (Answer::Denied(Denial::UnknownWorker), "Unknown worker"),
        (Answer::Denied(Denial::Locked), "locked"),
        (Answer::Unavailable, "try again"),
    ]
    .into_iter()
    .enumerate()
    {
        // Three a minute may fail.
        miner.now += Duration::from_secs(60);
        miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b"]}"#);
        assert_eq!(miner.authorisations[index].2, "");
        let lines = miner.answer(index, answer);
        assert_eq!((&lines[0]["result"], &lines[0]["error"][0]), (&json!(false), &json!(24)));
        assert!(lines[0]["error"][1].as_str().unwrap().contains(word));
    }
    assert_eq!(miner.say(r#"{"id":2,"method":"mining.authorize","params":[5]}"#)[0]["error"][0], 20);
    let long = format!(r#"{{"id":2,"method":"mining.authorize","params":["{}"]}}"#, "a".repeat(300));
    assert_eq!(miner.say(&long)[0]["result"], false);
    assert_eq!(miner.authorisations.len(), 4);
}

#[test]
fn configure_answers_every_extension_it_was_asked_about() {
    let mut miner = Miner::ready(HARD);
    let lines = miner.say(
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling","minimum-difficulty","subscribe-extranonce","info","x"],
        {"version-rolling.mask":"00c00000","version-rolling.min-bit-count":"2","minimum-difficulty.value":2048}]}"#
            .replace('\n', "")
            .as_str(),
    );
    let result = &lines[0]["result"];
    assert_eq!(result["version-rolling"], true);
    assert_eq!(result["version-rolling.mask"], "00c00000");
    // A fixed port below the wish cannot grant it.
    assert_eq!(result["minimum-difficulty"], false);
    assert_eq!(
        (&result["subscribe-extranonce"], &result["info"], &result["x"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001","00400000"]"#), 0);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001","00800000"]"#), 0);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001","01000000"]"#), 20);
    for params in ["[]", "{}", "[[]]", "[7]"] {
        let line = format!(r#"{{"id":1,"method":"mining.configure","params":{params}}}"#);
        assert_eq!(miner.say(&line)[0]["result"], json!({}));
    }
}

#[test]
fn every_other_method_is_answered_and_notifications_are_not() {
    let mut miner = Miner::ready(HARD);
    for (method, params, result) in [
        ("mining.extranonce.subscribe", "[]", json!(true)),
        ("mining.suggest_difficulty", "[5]", json!(true)),
        ("mining.suggest_difficulty", "[\"5.0\"]", json!(true)),
        ("mining.suggest_difficulty", "[]", json!(true)),
        ("mining.suggest_difficulty", "-1", json!(true)),
        ("mining.suggest_target", "[\"00\"]", json!(true)),
        ("mining.get_transactions", "[\"1\"]", json!([])),
        ("mining.multi_version", "[4]", json!(false)),
        ("mining.ping", "[]", json!("pong")),
    ] {
        let answers = miner.say(&format!(r#"{{"id":7,"method":"{method}","params":{params}}}"#));
        assert_eq!(answers[0]["result"], result, "{method}");
    }
    assert_eq!(miner.say(r#"{"id":7,"method":"no.such","params":[]}"#)[0]["error"][0], -3);
    assert!(miner.say(r#"{"id":null,"method":"no.such","params":[]}"#).is_empty());
    assert!(miner.say(r#"{"id":3,"result":true,"error":null}"#).is_empty());
}

#[test]
fn three_lines_of_junk_in_a_row_end_the_connection() {
    let mut miner = Miner::ready(HARD);
    for line in ["junk", "{}}", "[1]"] {
        assert!(miner.closed.is_none());
        assert_eq!(miner.say(line)[0]["error"][0], 20);
    }
    assert_eq!(miner.closed, Some(CloseReason::Junk));
    let mut miner = Miner::ready(HARD);
    for line in ["junk", "", r#"{"id":1,"method":"mining.ping"}"#, "junk", "junk"] {
        miner.say(line);
    }
    assert_eq!(miner.closed, None);
}

#[test]
fn silence_is_broken_with_new_work_and_ends_with_the_connection() {
    let mut miner = Miner::ready(HARD);
    let lines = miner.tick_at(50);
    assert_eq!(lines[0]["params"][0], "0000000101");
    assert_eq!(lines[0]["params"][8], false);
    assert!(miner.tick_at(60).is_empty());
    miner.tick_at(600);
    assert_eq!(miner.closed, Some(CloseReason::Idle));
    let mut silent = Miner::on(port(), HARD, Algorithm::Sha256d);
    silent.tick_at(15);
    assert_eq!(silent.closed, Some(CloseReason::NotSubscribed));
}

#[test]
fn vardiff_raises_a_fast_miner_at_once_with_work_of_its_own() {
    let mut miner = Miner::on(Port { vardiff: Some(vardiff(1e-6)), ..port() }, HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    miner.grant(0, "a.b");
    for nonce in 0..60 {
        miner.now = Duration::from_millis(100 * nonce);
        miner.submit(3, "a.b", "0000000100", &format!("{nonce:08x}"));
    }
    let lines = miner.tick_at(6);
    assert_eq!(lines[0]["method"], "mining.set_difficulty");
    assert!(lines[0]["params"][0].as_f64().unwrap() > 1e-11);
    assert_eq!((&lines[1]["params"][0], &lines[1]["params"][8]), (&json!("0000000101"), &json!(true)));
}
