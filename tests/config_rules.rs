//! What a configuration says about what is asked of miners and granted to them.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test that cannot go on should stop there")]

use std::path::Path;
use std::time::Duration;

use mpos_stratum::config::{self, AgentDifficulty, ColumnUse, Config, ConfigError, Grid, Rules};
use mpos_stratum::difficulty::Difficulty;

/// A configuration with these keys of its only port, and of its workers.
fn read_with(port: &str, workers: &str) -> Result<Config, ConfigError> {
    let text = format!(
        "[[coin]]\nname = \"litecoin\"\npreset = \"litecoin\"\npayout_address = \"Lpool\"\n\
         fallback_worker = \"pool.fallback\"\n[[coin.node]]\nurl = \"http://127.0.0.1:9332\"\nuser = \"rpc\"\n\
         password = \"x\"\n[[coin.port]]\nlisten = \"[::]:3333\"\ndifficulty = 16\n{port}\n[coin.mpos]\nuser = \"mpos\"\n\
         password = \"x\"\ndatabase = \"mpos\"\n[coin.workers]\n{workers}\n"
    );
    config::parse(Path::new("/etc/pool.toml"), text)
}

fn read(port: &str) -> Config {
    read_with(port, "").unwrap_or_else(|error| panic!("{error}"))
}

fn rules(port: &str) -> Rules {
    read(port).coins[0].ports[0].rules.clone()
}

/// There is exactly one mistake, and its message holds all of `parts`.
#[track_caller]
fn one_mistake(port: &str, parts: &[&str]) {
    let Err(ConfigError { problems }) = read_with(port, "") else { panic!("there is no mistake in {port}") };
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let message = problem.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn the_defaults_are_those_of_the_types() {
    assert_eq!(rules(""), Rules::default());
    let config = read("");
    let (port, workers) = (&config.coins[0].ports[0], &config.coins[0].workers);
    assert!(port.keepalive <= Duration::from_secs(55), "mining programs give a silent pool up after a minute");
    assert_eq!(rules("").stale_grace, Duration::ZERO, "late work is refused unless the operator says otherwise");
    assert_eq!((workers.recheck, workers.pool_worker_difficulty), (Duration::from_secs(600), ColumnUse::Write));
    let read = read_with("", "recheck_secs = 60\npool_worker_difficulty = \"read\"").unwrap();
    let workers = &read.coins[0].workers;
    assert_eq!((workers.recheck, workers.pool_worker_difficulty), (Duration::from_secs(60), ColumnUse::Read));
}

#[test]
fn every_rule_can_be_set() {
    let rules = rules(
        "share_tolerance_percent = 1\nstale_grace_secs = 2\nrace_window_secs = 0\nstart_difficulty_from = [\"agent\"]\n\
         agent_difficulties = [{ agent = \"NiceHash\", difficulty = 500000, least = true }, { agent = \"cpuminer\", difficulty = 0.1 }]\n\
         apply = \"next_job\"\njobs_before_auth = false\nauthorize_timeout_secs = 5\njunk_lines_max = 9\nfailed_logins_max = 4\nworkers_max = 5\n\
         jobs_max = 6\nunsent_bytes_max = 65536\ninvalid_percent_max = 100\n\
         invalid_window_shares = 20\ninvalid_window_secs = 10\nresume_window_secs = 0\nreconnect_on_stop = true\n\
         advertise = \"[2001:db8::1]:3333\"\nmessage = \"Hello\"\nask_version = true",
    );
    let listed = |agent: &str, difficulty, least| AgentDifficulty {
        agent: agent.to_owned(),
        difficulty: Difficulty::new(difficulty).unwrap(),
        least,
    };
    let secs = Duration::from_secs;
    let from = rules.start_from;
    assert!(from.agent && !(from.password || from.database || from.suggested || from.remembered));
    let expected = Rules {
        share_tolerance_ppm: 10_000,
        stale_grace: secs(2),
        race_window: secs(0),
        start_from: from,
        agent_difficulties: vec![listed("nicehash", 500_000.0, true), listed("cpuminer", 0.1, false)],
        apply_at_next_job: true,
        jobs_before_auth: false,
        authorize_timeout: secs(5),
        junk_lines_max: 9,
        failed_logins_max: 4,
        workers_max: 5,
        jobs_max: 6,
        unsent_bytes_max: 65_536,
        invalid_ratio_max: 1.0,
        invalid_window_shares: 20,
        invalid_window: secs(10),
        resume_window: secs(0),
        reconnect_on_stop: true,
        advertise: Some(("[2001:db8::1]".to_owned(), 3333)),
        message: Some("Hello".to_owned()),
        ask_version: true,
    };
    assert_eq!(rules, expected);
}

#[test]
fn what_the_predecessors_called_otherwise_is_all_there() {
    let vardiff = "[coin.port.vardiff]\nmin = 8\nmax = 512\ntarget_secs = 20\nretarget_secs = 60\n\
                   variance_percent = 25\nmax_jump_percent = 100\ndouble_steps = true\ngrid = \"power_of_two\"";
    let config = read(vardiff);
    let vardiff = config.coins[0].ports[0].vardiff.as_ref().unwrap();
    assert_eq!((vardiff.min.get(), vardiff.max.get()), (8.0, 512.0));
    assert_eq!((vardiff.target.as_secs(), vardiff.retarget.as_secs(), vardiff.variance), (20, 60, 0.25));
    assert_eq!((vardiff.max_jump, vardiff.double_steps, vardiff.grid), (Some(2.0), true, Grid::PowerOfTwo));
}

#[test]
fn rules_that_cannot_be_used() {
    for (bad, parts) in [
        ("share_tolerance_percent = 11", &["share_tolerance_percent = 11", "0 to 10"][..]),
        ("share_tolerance_percent = -1", &["share_tolerance_percent = -1"]),
        ("stale_grace_secs = 11", &["stale_grace_secs = 11"]),
        ("keepalive_secs = 56", &["keepalive_secs = 56"]),
        ("extranonce2_bytes = 9", &["extranonce2_bytes = 9", "2 to 8"]),
        ("start_difficulty_from = [\"guess\"]", &["guess", "password, database"]),
        ("agent_difficulties = [\"x\"]", &["agent_difficulties", "least = true"]),
        ("agent_difficulties = [{ agent = \"x\" }]", &["without agent or difficulty"]),
        ("agent_difficulties = [{ agent = \"\", difficulty = 1 }]", &["empty"]),
        ("agent_difficulties = [{ agent = \"x\", difficulty = 0 }]", &["above zero"]),
        ("agent_difficulties = [{ agent = \"x\", difficulty = 1, most = true }]", &["other keys"]),
        ("apply = \"later\"", &["\"now\", \"next_job\""]),
        ("invalid_percent_max = 0", &["invalid_percent_max = 0"]),
        ("invalid_window_shares = 19", &["invalid_window_shares = 19"]),
        ("advertise = \"pool.example.org\"", &["advertise", "pool.example.org:3333"]),
        ("advertise = \"a\\\"b:1\"", &["advertise"]),
        ("message = \"\"", &["message", "200"]),
        ("message = \"say \\\"hi\\\"\"", &["message", "no quotes"]),
        ("message = \"Grüße\"", &["message", "ASCII"]),
        ("ask_version = 1", &["ask_version"]),
        ("[coin.port.vardiff]\nmin = 1\nmax = 64\nmax_jump_percent = 0", &["max_jump_percent = 0"]),
        ("[coin.port.vardiff]\nmin = 1\nmax = 64\ngrid = \"prime\"", &["\"off\", \"integer\", \"power_of_two\""]),
    ] {
        one_mistake(bad, parts);
    }
    assert!(read_with("", "recheck_secs = 0").is_err() && read_with("", "pool_worker_difficulty = \"both\"").is_err());
}
