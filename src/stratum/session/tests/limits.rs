//! What must hold when something is late, full or gone.

use super::*;
use crate::work::duplicates::{DUPLICATES_MAX, Reserved, ShareKey};
use crate::work::extranonce::Extranonce2;

fn adjusting(start: f64) -> Port {
    Port { difficulty: Difficulty::new(start).unwrap(), vardiff: Some(vardiff(1e6)), ..port() }
}

fn subscribed(port: Port) -> Miner {
    let mut miner = Miner::on(port, HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner
}

#[test]
fn work_follows_the_subscription_s_answer_even_behind_a_slow_authorisation() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.authorize","params":["a.b","x"]}"#);
    assert!(miner.say(r#"{"id":2,"method":"mining.subscribe","params":[]}"#).is_empty());
    assert!(miner.board(job(2, 2, HARD)).is_empty());
    let lines = miner.answer(0, Answer::Unavailable);
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!(lines[2]["method"], "mining.set_difficulty");
    assert_eq!((&lines[3]["method"], &lines[3]["params"][0]), (&json!("mining.notify"), &json!("0000000200")));
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_session_that_asked_for_its_end_has_no_deadline_that_is_over() {
    let mut silent = Miner::on(port(), HARD, Algorithm::Sha256d);
    silent.say(r#"{"id":1,"method":"mining.authorize","params":["a.b","x"]}"#);
    silent.tick_at(15);
    assert_eq!(silent.closed, Some(CloseReason::NotSubscribed));
    assert!(silent.session.deadline() > silent.now);
    let mut idle = Miner::ready(HARD);
    idle.tick_at(600);
    assert!(idle.session.deadline() > idle.now);
    idle.closed = None;
    idle.tick_at(601);
    assert_eq!(idle.closed, None, "once is enough");
}

#[test]
fn miners_hear_something_while_there_is_no_work() {
    let mut miner = Miner::ready(HARD);
    miner.board.job = None;
    for secs in [50, 100] {
        assert!(miner.session.deadline() <= Duration::from_secs(secs));
        let lines = miner.tick_at(secs);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["method"], "mining.set_difficulty");
    }
    // Nor does one wait in silence that has no work because it is not authorised.
    let mut stranger = Miner::on(port(), HARD, Algorithm::Scrypt { log_n: 10, r: 1 });
    stranger.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    assert_eq!(stranger.tick_at(50)[0]["method"], "mining.set_difficulty");
}

#[test]
fn refused_shares_are_not_remembered_and_may_be_tried_again() {
    let mut miner = Miner::ready(HARD);
    let share = r#"["a.b","0000000100","00000000","6553f100","00000001"]"#;
    let stranger = r#"["c.d","0000000100","00000000","6553f100","00000001"]"#;
    assert_eq!(miner.code(stranger), 24);
    let job = miner.board.job.take();
    assert_eq!(miner.code(share), 20, "no work: try again");
    miner.board.job = job;
    assert_eq!(miner.code(share), 0);
    assert_eq!(miner.code(share), 22);

    let mut hard = Miner::on(Port { difficulty: Difficulty::new(1e6).unwrap(), ..port() }, HARD, Algorithm::Sha256d);
    hard.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    hard.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    hard.grant(0, "a.b");
    for _ in 0..2 {
        assert_eq!(hard.code(share), 23);
    }
}

#[test]
fn a_block_is_found_although_no_further_share_can_be_remembered() {
    let mut miner = Miner::ready(EASY);
    let (block, share) = (nonce(&miner, (1, 0), true), nonce(&miner, (1, 0), false));
    miner.session.duplicates.on_tip(1);
    let extranonce2 = Extranonce2::from_hex(b"00000000", 4).unwrap();
    for other in 0..DUPLICATES_MAX as u32 {
        let key = ShareKey::new((9, 9), &extranonce2, 0, other, 0);
        assert_eq!(miner.session.duplicates.reserve(key), Reserved::New);
    }
    assert_eq!(miner.submit(4, "a.b", "0000000100", &share)[0]["error"][0], 20);
    assert_eq!(miner.submit(5, "a.b", "0000000100", &block)[0]["result"], true);
    assert!(miner.rows[1].is_candidate());
    assert_eq!(miner.submit(6, "a.b", "0000000100", &block)[0]["error"][0], 22);
    assert_eq!(miner.rows.len(), 2);
}

#[test]
fn work_of_the_tip_before_the_last_is_unknown_before_new_work_was_sent() {
    let mut miner = Miner::ready(EASY);
    let block = nonce(&miner, (1, 0), true);
    assert_eq!(miner.submit(4, "a.b", "0000000100", &block)[0]["result"], true);
    // The tip moved twice while the session slept: what it remembered of the first is gone.
    for tip_seq in [2, 3] {
        miner.board = JobBoard { tip_seq, job: Some(job(tip_seq as u32, tip_seq, EASY)) };
        miner.submit(5, "a.b", "0000000199", "00000000");
        miner.session.duplicates.on_tip(tip_seq);
    }
    assert_eq!(miner.submit(6, "a.b", "0000000100", &block)[0]["error"][0], 21);
    assert!(miner.rows[1..].iter().all(|row| !row.is_candidate()), "one block, one candidate");
}

#[test]
fn a_refused_share_names_the_difficulty_of_its_job() {
    let mut miner = Miner::ready(HARD);
    let share = r#"["a.b","0000000100","00000000","6553f100","00000001"]"#;
    assert_eq!(miner.code(share), 0);
    miner.session.difficulty = Difficulty::new(1e6).unwrap();
    assert_eq!(miner.code(share), 22);
    assert_eq!(miner.rows[1].assigned.get(), 1e-12);
}

#[test]
fn a_difficulty_that_was_asked_for_comes_at_once_with_work_of_its_own() {
    let mut miner = Miner::on(adjusting(1024.0), 0x1900_ffff, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    let lines = miner.say(r#"{"id":3,"method":"mining.suggest_difficulty","params":[16]}"#);
    assert_eq!(lines[0]["result"], true);
    assert_eq!((&lines[1]["method"], &lines[1]["params"][0]), (&json!("mining.set_difficulty"), &json!(16)));
    assert_eq!((&lines[2]["params"][0], &lines[2]["params"][8]), (&json!("0000000101"), &json!(false)));
    // The same wish again changes nothing.
    assert_eq!(miner.say(r#"{"id":4,"method":"mining.suggest_difficulty","params":[16]}"#).len(), 1);
    let line =
        r#"{"id":5,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":64}]}"#;
    let lines = miner.say(line);
    assert_eq!((&lines[0]["result"]["minimum-difficulty"], &lines[1]["params"][0]), (&json!(true), &json!(64)));
    assert_eq!(lines[2]["params"][0], "0000000102");
    let lines = miner.say(r#"{"id":6,"method":"mining.suggest_difficulty","params":[1]}"#);
    assert_eq!(lines.len(), 1, "the floor holds");
}

#[test]
fn an_outage_of_the_nodes_is_no_evidence_of_a_slow_miner() {
    let mut miner = subscribed(adjusting(1024.0));
    let work = miner.board.job.take();
    for secs in (5..3600).step_by(5) {
        miner.session.active_at = Duration::from_secs(secs);
        miner.tick_at(secs);
    }
    assert_eq!(miner.session.difficulty.get(), 1024.0);
    miner.board.job = work;
    let lines = miner.board(job(2, 1, HARD));
    assert_eq!(lines[0]["method"], "mining.notify");
}

#[test]
fn a_flood_of_refused_shares_is_answered_but_not_written_down() {
    let mut miner = Miner::ready(HARD);
    let share = r#"["a.b","0000000100","00000000","6553f100","00000001"]"#;
    assert_eq!(miner.code(share), 0);
    for _ in 0..600 {
        assert_eq!(miner.code(share), 22);
    }
    assert_eq!(miner.rows.len(), 501);
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000002"]"#), 0);
    assert_eq!(miner.rows.last().unwrap().verdict, Ok(()));
}

#[test]
fn the_number_of_unanswered_requests_is_bounded() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    for id in 0..answers::OUTSTANDING_MAX {
        assert!(miner.session.may_read());
        miner.say(&format!(r#"{{"id":{id},"method":"mining.authorize","params":["a.b","x"]}}"#));
    }
    assert!(!miner.session.may_read());
}

#[test]
fn a_time_that_no_block_may_have_is_not_hashed_where_it_decides_the_cost() {
    for (algorithm, hashed) in
        [(Algorithm::Odocrypt { epoch_secs: 864_000 }, 0), (Algorithm::Scrypt { log_n: 10, r: 1 }, 1)]
    {
        let mut miner = Miner::on(port(), HARD, algorithm);
        miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
        miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.grant(0, "a.b");
        let job =
            miner.session.jobs.back().map(|sent| crate::work::job::job_id(sent.job.serial, sent.announcement.variant));
        let job = job.unwrap();
        // 2106, and before the template's least time.
        for (id, time) in [(3, "ffffffff"), (4, "00000001")] {
            let lines = miner.say(&format!(
                r#"{{"id":{id},"method":"mining.submit","params":["a.b","{job}","00000000","{time}","0000000{id}"]}}"#
            ));
            let refused = lines.iter().any(|line| line["id"] == id && line["error"][0] == 20);
            assert_eq!(refused, hashed == 0, "{lines:?}");
        }
        assert_eq!(miner.hashes.len(), 2 * hashed);
    }
}

#[test]
fn w20_a_hundred_thousand_repeats_and_worthless_shares_leave_nothing_behind() {
    let rules = Rules { invalid_ratio_max: 1.0, ..Rules::default() };
    let mut miner = Miner::on(Port { rules, ..port() }, HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    miner.grant(0, "a.b");
    let job = r#""a.b","0000000100""#;
    let first = format!(r#"{{"id":3,"method":"mining.submit","params":[{job},"000000ab","6553f100","0000000c"]}}"#);
    assert_eq!(miner.say(&first)[0]["result"], true);
    let rows = miner.rows.len();
    let repeats = [
        format!(r#"{{"id":4,"method":"mining.submit","params":[{job},"000000AB","6553F100","0000000C"]}}"#),
        format!(r#"{{"id":"x","method":"mining.submit","params":[{job},"000000aB","6553f100",12,"00000000"]}}"#),
        format!(r#"{{"method":"mining.submit","params":[{job},"000000ab",1700000000,"0000000c"]}}"#),
        first,
    ];
    let mut flood = |line: &str| {
        miner.session.on_line(miner.moment(), line.as_bytes(), &miner.board);
        for effect in miner.session.take_effects() {
            let Effect::Record { ticket: None, share } = effect else { panic!("{line}: {effect:?}") };
            miner.rows.push(*share);
        }
        let answer = miner.session.out().len();
        assert!(answer < 100, "one refusal: {answer} bytes");
        miner.session.out().advance(answer);
    };
    for nth in 0..100_000 {
        flood(&repeats[nth % repeats.len()]);
    }
    // Work that is nobody's, each another one.
    for nonce in 0..20_000 {
        flood(&format!(
            r#"{{"id":5,"method":"mining.submit","params":["c.d","0000000100","00000000","6553f100","{nonce:08x}"]}}"#
        ));
    }
    assert_eq!(miner.session.terms.memory.keys.get(), 1, "only what counted is remembered");
    assert!(miner.rows.len() - rows <= allowance::REFUSED_ROWS_MAX as usize, "{}", miner.rows.len());
    assert!(miner.session.answers.is_empty() && miner.session.out().is_empty());
}

#[test]
fn junk_beyond_the_end_is_heard_out_and_no_more() {
    let mut miner = Miner::ready(HARD);
    (0..2000).for_each(|_| drop(miner.say("x")));
    assert_eq!(miner.closed, Some(CloseReason::Junk));
}

#[test]
fn unknown_methods_are_answered_and_count_as_junk_only_when_there_are_many() {
    let unknown = r#"{"id":1,"method":"mining.dance","params":[]}"#;
    let mut miner = Miner::ready(HARD);
    for _ in 0..200 {
        assert_eq!(miner.say(unknown)[0]["error"][0], -3);
        miner.say(r#"{"id":2,"method":"mining.ping","params":[]}"#);
    }
    assert_eq!(miner.closed, None, "between others they are put up with");
    (0..200).for_each(|_| drop(miner.say(unknown)));
    assert_eq!(miner.closed, Some(CloseReason::Junk));
}

#[test]
fn whoever_waits_for_the_pool_s_own_answer_is_not_late() {
    let mut port = port();
    port.rules.authorize_timeout = Duration::from_secs(3);
    let mut miner = Miner::on(port, HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    miner.tick_at(4);
    assert_eq!(miner.closed, None);
    assert_eq!(miner.grant(0, "a.b")[0]["result"], true);
    miner.tick_at(5);
    assert_eq!(miner.closed, None);
    // Nobody else may be late.
    let mut silent =
        Miner::on(Port { rules: miner.session.terms.port.rules.clone(), ..self::port() }, HARD, Algorithm::Sha256d);
    silent.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    silent.tick_at(4);
    assert_eq!(silent.closed, Some(CloseReason::NotAuthorised));
}

#[test]
fn a_login_that_is_tried_another_way_is_not_refused_yet() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","pw,d=64"]}"#);
    let wrong = || Answer::Denied(Denial::WrongPassword);
    let mut heard = |index: usize, answer| {
        let (ticket, moment) = (miner.authorisations[index].0, miner.moment());
        let refused = miner.session.on_authorised(moment, ticket, answer, &miner.board);
        miner.settle();
        refused
    };
    assert!(!heard(0, wrong()), "the whole of it may be the password");
    assert!(heard(1, wrong()));
}

#[test]
fn a_share_waits_ten_seconds_for_the_login_of_its_worker_and_does_not_speak_against_it() {
    let mut miner = Miner::ready(HARD);
    miner.say(r#"{"id":3,"method":"mining.authorize","params":["a.c","x"]}"#);
    assert!(miner.submit(4, "a.c", "0000000100", "00000001").is_empty());
    miner.tick_at(9);
    assert!(miner.session.has_unjudged());
    miner.tick_at(10);
    assert!(!miner.session.has_unjudged());
    let lines = miner.grant(1, "a.c");
    let refused = lines.iter().find(|line| line["id"] == 4).unwrap();
    assert_eq!(refused["error"][0], 24);
    assert!(!miner.session.has_misbehaved());
}

#[test]
fn logins_do_not_keep_a_connection_alive_on_which_nothing_counts() {
    let mut miner = Miner::ready(HARD);
    for secs in (100..=600).step_by(100) {
        assert_eq!(miner.closed, None, "{secs}");
        miner.tick_at(secs);
        let last = miner.authorisations.len();
        miner.say(r#"{"id":3,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.grant(last, "a.b");
    }
    assert_eq!(miner.closed, Some(CloseReason::Idle));
}

#[test]
fn work_that_never_was_speaks_against_the_miner_and_old_work_does_not() {
    let mut miner = Miner::ready(HARD);
    for _ in 0..30 {
        assert_eq!(miner.code(r#"["a.b","00ffff0000","00000000","6553f100","00000001"]"#), 21);
    }
    assert!(!miner.session.has_misbehaved());
    for _ in 0..31 {
        assert_eq!(miner.code(r#"["a.b","nonsense","00000000","6553f100","00000001"]"#), 21);
    }
    assert!(miner.session.has_misbehaved(), "even if it leaves before the window is over");
}

fn ruled(rules: Rules) -> Miner {
    let mut miner = Miner::on(Port { rules, ..port() }, HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner
}

#[test]
fn a_port_says_how_many_workers_a_connection_may_have() {
    let mut miner = ruled(Rules { workers_max: 2, ..Rules::default() });
    for (index, name) in ["a.b", "c.d", "e.f"].iter().enumerate() {
        miner.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{name}","x"]}}"#));
        let answers = miner.grant(index, name);
        assert_eq!(answers[0]["error"].is_null(), index < 2, "{answers:?}");
    }
    assert_eq!(miner.code(r#"["c.d","0000000100","00000000","6553f100","00000001"]"#), 0);
    assert_eq!(miner.code(r#"["e.f","0000000100","00000000","6553f100","00000002"]"#), 24);
}

#[test]
fn a_port_says_how_many_jobs_a_connection_may_have() {
    let mut miner = ruled(Rules { jobs_max: 2, ..Rules::default() });
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
    miner.grant(0, "a.b");
    for serial in [2, 3] {
        miner.board(job(serial, 1, HARD));
    }
    assert_eq!(miner.code(r#"["a.b","0000000100","00000000","6553f100","00000001"]"#), 21);
    for known in ["0000000200", "0000000300"] {
        assert_eq!(miner.code(&format!(r#"["a.b","{known}","00000000","6553f100","00000001"]"#)), 0, "{known}");
    }
}

#[test]
fn a_port_says_how_many_logins_of_a_connection_may_fail() {
    for most in [1, 4] {
        let mut miner = ruled(Rules { failed_logins_max: most, ..Rules::default() });
        for index in 0..5 {
            miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","wrong"]}"#);
            if index < most as usize {
                miner.answer(index, Answer::Denied(Denial::WrongPassword));
            }
        }
        assert_eq!(miner.authorisations.len(), most as usize, "nobody is asked beyond that");
    }
}

#[test]
fn shares_of_a_name_that_could_not_be_looked_up_do_not_speak_against_the_miner() {
    let mut miner = Miner::on(port(), HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    let log_in = |miner: &mut Miner, answer| {
        let last = miner.authorisations.len();
        miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.answer(last, answer);
    };
    let mut nonce = 0;
    let mut unauthorised = |miner: &mut Miner, count| {
        for _ in 0..count {
            nonce += 1;
            let share = format!(r#"["a.b","0000000100","00000000","6553f100","{nonce:08x}"]"#);
            assert_eq!(miner.code(&share), 24);
        }
    };
    log_in(&mut miner, Answer::Unavailable);
    unauthorised(&mut miner, 100);
    assert!(!miner.session.has_misbehaved(), "the database is away: that is not its fault");
    log_in(&mut miner, Answer::Denied(Denial::UnknownWorker));
    unauthorised(&mut miner, 150);
    assert!(miner.session.has_misbehaved(), "now it knows");
}
