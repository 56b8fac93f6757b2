//! Who may say what difficulty a connection starts with.

use super::*;
use crate::config::{AgentDifficulty, StartFrom};
use crate::stratum::session::start::Source;

/// A chain on which no share of these tests is a block, and far above every difficulty here.
const VERY_HARD: u32 = 0x1900_ffff;

fn adjusting() -> Port {
    let vardiff = Vardiff { min: worth(16.0), max: worth(65536.0), ..vardiff(1e6) };
    let rules = Rules { agent_difficulties: vec![listed("hash", 512.0, false)], ..Rules::default() };
    Port { difficulty: worth(1024.0), vardiff: Some(vardiff), rules, ..port() }
}

fn listed(agent: &str, difficulty: f64, least: bool) -> AgentDifficulty {
    AgentDifficulty { agent: agent.to_owned(), difficulty: worth(difficulty), least }
}

fn worth(value: f64) -> Difficulty {
    Difficulty::new(value).unwrap()
}

/// The difficulty after a log-in with an agent, a suggestion and a password, in that order.
fn after_log_in(port: Port, agent: &str, suggested: Option<f64>, password: &str) -> Miner {
    let mut miner = Miner::on(port, VERY_HARD, Algorithm::Sha256d);
    miner.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["{agent}"]}}"#));
    if let Some(wish) = suggested {
        miner.say(&format!(r#"{{"id":2,"method":"mining.suggest_difficulty","params":[{wish}]}}"#));
    }
    miner.say(&format!(r#"{{"id":3,"method":"mining.authorize","params":["a.b","{password}"]}}"#));
    miner.grant(0, "a.b");
    miner
}

fn difficulty(port: Port, agent: &str, suggested: Option<f64>, password: &str) -> f64 {
    after_log_in(port, agent, suggested, password).session.difficulty.get()
}

#[test]
fn the_password_stands_above_the_wish_above_the_program_above_the_port() {
    for (agent, suggested, password, expected) in [
        ("cg/1", None, "x", 1024.0),
        ("NiceHash/1.0", None, "x", 512.0),
        ("NiceHash/1.0", Some(64.0), "x", 64.0),
        ("NiceHash/1.0", Some(64.0), "x,d=32", 32.0),
        ("cg/1", None, "fd=4096", 4096.0),
        ("cg/1", None, "d=32,fd=4096", 4096.0),
        // Two terahashes a second at one share in 15 s: 2e12 · 15 / 2^32.
        ("cg/1", None, "th=2", 2e12 * 15.0 / 4_294_967_296.0),
        // The port's bounds.
        ("cg/1", Some(1.0), "x", 16.0),
        ("cg/1", None, "d=1000000", 65536.0),
    ] {
        assert_eq!(difficulty(adjusting(), agent, suggested, password), expected, "{agent} {suggested:?} {password}");
    }
}

#[test]
fn every_source_can_be_switched_off() {
    let none = StartFrom { password: false, database: false, suggested: false, remembered: false, agent: false };
    let mut port = adjusting();
    port.rules.start_from = none;
    assert_eq!(difficulty(port.clone(), "NiceHash", Some(64.0), "d=32"), 1024.0);
    port.rules.start_from = StartFrom { suggested: true, ..none };
    assert_eq!(difficulty(port, "NiceHash", Some(64.0), "d=32"), 64.0);
}

#[test]
fn d_is_also_the_floor_and_fd_stays() {
    let mut miner = after_log_in(adjusting(), "cg", None, "d=256");
    miner.session.active_at = Duration::from_secs(100_000);
    for secs in (0..3600).step_by(5) {
        miner.tick_at(secs);
    }
    assert_eq!(miner.session.difficulty.get(), 256.0);
    let mut fixed = after_log_in(adjusting(), "cg", None, "fd=256");
    assert!(fixed.session.estimator.is_none());
    for (secs, nonce) in (0..200u64).enumerate() {
        fixed.now = Duration::from_millis(50 * secs as u64);
        fixed.submit(9, "a.b", "0000000101", &format!("{nonce:08x}"));
    }
    fixed.tick_at(20);
    assert_eq!(fixed.session.difficulty.get(), 256.0);
    // Later wishes do not count any more.
    fixed.say(r#"{"id":2,"method":"mining.suggest_difficulty","params":[64]}"#);
    assert_eq!(fixed.session.difficulty.get(), 256.0);
}

#[test]
fn on_a_port_of_fixed_difficulty_a_decided_one_may_only_be_higher() {
    let port = Port { difficulty: worth(64.0), ..port() };
    for (suggested, password, expected) in
        [(Some(512.0), "x", 64.0), (None, "d=512", 512.0), (None, "fd=512", 512.0), (None, "d=1", 64.0)]
    {
        assert_eq!(difficulty(port.clone(), "cg", suggested, password), expected);
    }
}

#[test]
fn the_network_s_difficulty_is_the_most() {
    let mut miner = Miner::on(adjusting(), HARD, Algorithm::Sha256d);
    miner.session.difficulty = worth(16.0);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.suggest_difficulty","params":[4096]}"#);
    assert_eq!(miner.session.difficulty.get(), 16.0, "the chain's own is 1, the port's least 16");
}

#[test]
fn a_wish_in_the_password_is_not_part_of_it_unless_it_is() {
    let mut miner = Miner::on(adjusting(), VERY_HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","secret,d=32"]}"#);
    assert_eq!(miner.authorisations[0].2, "secret");
    assert!(miner.answer(0, Answer::Denied(Denial::WrongPassword)).is_empty());
    assert_eq!(miner.authorisations[1].2, "secret,d=32");
    assert_eq!(miner.grant(1, "a.b")[0]["result"], true);
    assert_eq!(miner.session.difficulty.get(), 1024.0);
    // Neither is it: one answer.
    miner.say(r#"{"id":3,"method":"mining.authorize","params":["a.c","secret,d=32"]}"#);
    miner.answer(2, Answer::Denied(Denial::WrongPassword));
    assert_eq!(miner.answer(3, Answer::Denied(Denial::WrongPassword))[0]["result"], false);
}

#[test]
fn a_miner_that_comes_back_starts_where_it_was() {
    let mut first = after_log_in(adjusting(), "cg", None, "x");
    let memory = first.session.terms.memory.clone();
    first.session.difficulty = worth(8192.0);
    first.session.estimator.as_mut().unwrap().on_share(Duration::from_secs(1), worth(8192.0));
    first.session.on_end(first.moment());
    let again = |agent: &str, suggested: Option<f64>| {
        let mut miner = Miner::on(adjusting(), VERY_HARD, Algorithm::Sha256d);
        let mut terms = (*miner.session.terms).clone();
        terms.memory = memory.clone();
        miner.session.terms = Arc::new(terms);
        miner.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["{agent}"]}}"#));
        if let Some(wish) = suggested {
            miner.say(&format!(r#"{{"id":2,"method":"mining.suggest_difficulty","params":[{wish}]}}"#));
        }
        miner.say(r#"{"id":3,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.grant(0, "a.b");
        miner.session.difficulty.get()
    };
    assert_eq!(again("cg", None), 8192.0);
    assert_eq!(again("cg", Some(128.0)), 128.0);
    assert_eq!(again("other", None), 1024.0);
}

#[test]
fn a_difficulty_may_wait_for_the_next_job() {
    let mut port = adjusting();
    port.rules.apply_at_next_job = true;
    let mut miner = Miner::on(port, VERY_HARD, Algorithm::Sha256d);
    miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
    let answer = miner.say(r#"{"id":2,"method":"mining.suggest_difficulty","params":[64]}"#);
    assert_eq!(answer.len(), 1);
    let lines = miner.board(job(2, 1, VERY_HARD));
    assert_eq!((&lines[0]["params"][0], &lines[1]["params"][0]), (&json!(64), &json!("0000000200")));
    assert!(Source::Password > Source::Database && Source::Suggested > Source::Remembered);
}

#[test]
fn nothing_comes_between_a_subscription_and_its_answer() {
    // An authorisation before it holds the answer back; a listed program and a password set the difficulty meanwhile.
    for agent in ["cg/1", "NiceHash/1.0"] {
        let mut miner = Miner::on(adjusting(), VERY_HARD, Algorithm::Sha256d);
        miner.say(r#"{"id":1,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.say(r#"{"id":2,"method":"mining.authorize","params":["c.d","d=32"]}"#);
        let lines = miner.say(&format!(r#"{{"id":3,"method":"mining.subscribe","params":["{agent}"]}}"#));
        assert_eq!(lines, [json!(null); 0], "{agent}");
        assert_eq!(miner.grant(1, "c.d"), [json!(null); 0], "{agent}");
        let lines = miner.grant(0, "a.b");
        assert_eq!((&lines[0]["id"], &lines[1]["id"], &lines[2]["id"]), (&json!(1), &json!(2), &json!(3)), "{agent}");
        assert_eq!(
            (&lines[3]["method"], lines[3]["params"][0].as_f64()),
            (&json!("mining.set_difficulty"), Some(32.0))
        );
        assert_eq!(lines[4]["method"], "mining.notify");
        assert_eq!(lines.len(), 5, "{agent}");
    }
}

/// A connection to the coin of another one, on a port of its own.
fn beside(first: &Miner, port: Port) -> Miner {
    let mut miner = Miner::on(port, VERY_HARD, Algorithm::Sha256d);
    let mut terms = (*miner.session.terms).clone();
    terms.memory = first.session.terms.memory.clone();
    miner.session.terms = Arc::new(terms);
    miner
}

/// The difficulty with which a session is taken up on a port after a password with this wish.
fn resumed(port: Port, first_wish: &str, meanwhile: f64, second_wish: &str) -> Miner {
    let mut first = after_log_in(adjusting(), "cg", None, first_wish);
    first.session.difficulty = worth(meanwhile);
    let id = crate::bytes::hex::encode(&first.session.id);
    first.session.on_end(first.moment());
    let mut second = beside(&first, port);
    second.say(&format!(r#"{{"id":1,"method":"mining.subscribe","params":["cg","{id}"]}}"#));
    assert_eq!(second.session.id, first.session.id, "taken up");
    second.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["a.b","{second_wish}"]}}"#));
    second.grant(0, "a.b");
    second
}

#[test]
fn w10_nobody_gets_a_difficulty_above_the_network_s_by_asking_for_it() {
    let hard = |port: Port, line: &str, password: &str| {
        let mut miner = Miner::on(port, HARD, Algorithm::Sha256d);
        miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
        miner.say(line);
        miner.say(&format!(r#"{{"id":3,"method":"mining.authorize","params":["a.b","{password}"]}}"#));
        miner.grant(0, "a.b");
        miner.session.difficulty.get()
    };
    let fixed = || Port { difficulty: worth(0.001), ..port() };
    let adjusted = || Port { vardiff: Some(Vardiff { min: worth(0.001), ..vardiff(1e6) }), ..fixed() };
    let configure = r#"{"id":2,"method":"mining.configure","params":[["minimum-difficulty"],{"minimum-difficulty.value":1000000}]}"#;
    for password in ["d=1000000000000", "fd=1000000000000", "th=1000000"] {
        assert_eq!(hard(fixed(), "", password), 1.0, "{password}");
        assert_eq!(hard(adjusted(), "", password), 1.0, "{password}");
    }
    assert_eq!(hard(adjusted(), configure, "x"), 1.0);
    assert_eq!(hard(fixed(), configure, "x"), 0.001);
}

#[test]
fn a_session_taken_up_keeps_its_least_and_hears_of_another() {
    let floor = |miner: &Miner| miner.session.floor.map(Difficulty::get);
    let same = resumed(adjusting(), "d=256", 512.0, "d=256");
    assert_eq!((same.session.difficulty.get(), floor(&same)), (512.0, Some(256.0)));
    let other = resumed(adjusting(), "d=256", 512.0, "d=2048");
    assert_eq!((other.session.difficulty.get(), floor(&other)), (2048.0, Some(2048.0)));
    let lower = resumed(adjusting(), "d=256", 512.0, "d=64");
    assert_eq!((lower.session.difficulty.get(), floor(&lower)), (64.0, Some(64.0)));
    let fixed = resumed(adjusting(), "d=256", 512.0, "fd=64");
    assert_eq!((fixed.session.difficulty.get(), fixed.session.start.is_fixed()), (64.0, true));
    let none = resumed(adjusting(), "x", 512.0, "x");
    assert_eq!((none.session.difficulty.get(), floor(&none)), (512.0, None));
}

#[test]
fn a_session_taken_up_on_another_port_has_that_port_s_bounds() {
    let higher = Vardiff { min: worth(4096.0), max: worth(65536.0), ..vardiff(1e6) };
    let port_of = |difficulty, vardiff| Port { difficulty: worth(difficulty), vardiff, ..adjusting() };
    for (port, expected) in [(port_of(8192.0, Some(higher)), 4096.0), (port_of(2048.0, None), 2048.0)] {
        assert_eq!(resumed(port, "x", 512.0, "x").session.difficulty.get(), expected);
    }
}

#[test]
fn a_question_about_extensions_does_not_throw_away_what_is_known_of_the_rate() {
    let mut miner = after_log_in(adjusting(), "cg", None, "x");
    let present = miner.session.difficulty;
    miner.session.estimator.as_mut().unwrap().on_share(Duration::from_secs(1), present);
    for params in [r#"[["info"],{}]"#, r#"[["minimum-difficulty"],{"minimum-difficulty.value":16}]"#] {
        miner.say(&format!(r#"{{"id":4,"method":"mining.configure","params":{params}}}"#));
        assert!(miner.session.estimator.as_ref().unwrap().has_evidence(), "{params}");
    }
}

#[test]
fn a_least_difficulty_is_a_suggestion_that_can_be_switched_off_and_is_cut_to_the_port_s_most() {
    let line = |value: f64| {
        format!(
            r#"{{"id":4,"method":"mining.configure","params":[["minimum-difficulty"],{{"minimum-difficulty.value":{value}}}]}}"#
        )
    };
    let mut port = adjusting();
    port.rules.start_from.suggested = false;
    let mut miner = after_log_in(port, "cg", None, "x");
    assert_eq!(miner.say(&line(4096.0))[0]["result"]["minimum-difficulty"], json!(false));
    assert_eq!((miner.session.difficulty.get(), miner.session.floor), (1024.0, None));
    let mut miner = after_log_in(adjusting(), "cg", None, "x");
    assert_eq!(miner.say(&line(1e9))[0]["result"]["minimum-difficulty"], json!(true));
    assert_eq!((miner.session.difficulty.get(), miner.session.floor), (65536.0, Some(worth(65536.0))));
}
