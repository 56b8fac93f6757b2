//! stratum-mining's file, alone and with MPOS's.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use mpos_stratum::config::{Endpoint, Grid, NodeLogin};

use crate::difficulties::{LITECOIN, with};
use crate::{Run, file, scratch};

/// What no old file of ours says.
const ANSWERS: [&str; 4] = ["--answer", "preset=litecoin", "--answer", "coin.fallback_worker=pool.fallback"];

fn imported(extra: &[&str]) -> Run {
    let path = file("config.py");
    Run::of(&[&["stratum-mining", &path], &ANSWERS[..], extra].concat())
}

#[test]
fn a_pool_moves_over_with_everything_that_counts() {
    let run = imported(&[]);
    let config = run.config();
    assert_eq!(config.daemon.log_level.to_string(), "warn");
    let [coin] = config.coins.as_slice() else { panic!("one coin") };
    assert_eq!((coin.name.as_str(), coin.instance, coin.fallback_worker.as_str()), ("litecoin", 31, "pool.fallback"));
    assert_eq!(coin.payout_address, "LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS");
    assert_eq!(coin.coinbase_text, "/example pool/");
    assert_eq!(coin.profile.form.template_rules, ["mweb", "segwit"], "the preset's, not the old file's");
    let nodes: Vec<(&str, u16)> = coin.nodes.iter().map(|node| (node.host.as_str(), node.port)).collect();
    assert_eq!(nodes, [("127.0.0.1", 9332), ("10.0.0.7", 9332)]);
    for node in &coin.nodes {
        let NodeLogin::Password { user, password } = &node.login else { panic!("a password") };
        assert_eq!((user.as_str(), password.reveal()), ("litecoinrpc", "rpc#secret's \"one\""));
    }
    let port = &coin.ports[0];
    let vardiff = port.vardiff.as_ref().unwrap();
    assert_eq!((port.listen.port(), port.difficulty.get()), (3334, 8.0));
    assert_eq!((vardiff.min.get(), vardiff.max.get(), vardiff.target.as_secs()), (8.0, 1024.0, 15));
    assert_eq!((vardiff.retarget.as_secs(), vardiff.double_steps, vardiff.grid), (120, true, Grid::Integer));
    assert_eq!((port.rules.invalid_ratio_max, port.transport.limits.ban.as_secs()), (0.33, 300));
    assert_eq!(coin.mpos.endpoint, Endpoint::Tcp("localhost".to_owned(), 3306));
    assert_eq!((coin.mpos.user.as_str(), coin.mpos.password.reveal()), ("stratum", "db\\secret"));
    assert_eq!(coin.mpos.database, "mpos_ltc");
    assert_eq!((coin.workers.check_password, coin.workers.auto_create), (true, false));
    assert_eq!(coin.ledger.batch_rows_max, 200);
    assert!(run.text.contains("[coin.update_block]\npassword_sha256 = \"5e88"));
    assert!(run.text.contains("from = [\"127.0.0.1\"]"));
    assert_eq!(coin.templates.refresh.as_secs(), 30, "not the old minute");
}

#[test]
fn every_option_says_what_became_of_it() {
    let run = imported(&[]);
    let text = std::fs::read_to_string(file("config.py")).unwrap();
    let assigned = text.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let options: Vec<&str> = assigned
        .filter(|name| {
            name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
        })
        .collect();
    assert!(options.len() > 100, "{}", options.len());
    for option in options {
        let fate = run.fate(option);
        assert_eq!(fate.contains("no option that is known"), option == "OWN_PATCH", "{fate}");
    }
    assert!(run.fate("LOG_SIZE").contains("dropped"), "behind a semicolon");
    for (option, fate) in [
        ("CENTRAL_WALLET", "line 7: CENTRAL_WALLET = \"LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS\": taken as payout_address"),
        ("COINDAEMON_TRUSTED_HOST_2", "dropped: the same node as one before"),
        ("MERKLE_REFRESH_INTERVAL", "adapted as templates.refresh_secs: 30"),
        ("INVALID_SHARES_PERCENT", "adapted as port.invalid_percent_max"),
    ] {
        assert!(run.fate(option).contains(fate), "{}", run.fate(option));
    }
    run.complains("config.py:4: the statement is not an assignment");
    run.complains("config.py:130: the statement is indented");
}

#[test]
fn secrets_go_into_the_file_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let output = path.to_str().unwrap();
    let run = imported(&["--mpos", &file("global.inc.php"), "--output", output]);
    assert_eq!((run.code, run.text.as_str()), (0, ""), "{}", run.complaints);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(text.contains("password = \"db\\\\secret\""), "{text}");
    let secrets = ["salt-that", "mail-secret", "secret-of-a-patch", "salt-of-mpos", "pepper", "wallet-secret"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is of no use to anybody");
    }
    for secret in ["rpc#", "db\\", "it's", "5e884898"].iter().chain(&secrets) {
        assert!(!run.complaints.contains(secret), "{secret} was shown");
    }
    for step in ["/mpos-stratum.sql\n  mysql < ", "/grants.sql\n", "check --online --config", "doctor --config"] {
        run.complains(step);
    }
    let check = Command::new(env!("CARGO_BIN_EXE_mpos-stratum")).args(["check", "--config", output]).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    let again = imported(&["--output", output]);
    assert_eq!(again.code, 69, "an existing file is never written over");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn passwords_are_looked_at_unless_the_file_says_no() {
    for (written, checks, fate) in [
        ("'enabled'", true, "LOOK AT THIS: Python takes it for true"),
        ("'no'", true, "LOOK AT THIS: Python takes it for true"),
        ("bool(1)", true, "LOOK AT THIS: its value is computed"),
        ("'yes'", true, "taken as workers.check_password"),
        ("1", true, "taken as workers.check_password"),
        ("''", false, "taken as workers.check_password"),
        ("None", false, "taken as workers.check_password"),
        ("False", false, "taken as workers.check_password"),
    ] {
        let option = format!("USERS_CHECK_PASSWORD = {written}");
        let run = with(&[("USERS_CHECK_PASSWORD = True", &option)], &LITECOIN);
        assert_eq!(run.config().coins[0].workers.check_password, checks, "{written}");
        assert!(run.fate("USERS_CHECK_PASSWORD").contains(fate), "{written}: {}", run.text);
        assert_eq!(run.complaints.contains("USERS_CHECK_PASSWORD"), fate.starts_with("LOOK"), "{}", run.complaints);
    }
    let run = with(&[("USERS_AUTOADD = False", "USERS_AUTOADD = 'perhaps'")], &LITECOIN);
    assert!(!run.config().coins[0].workers.auto_create);
    run.complains("USERS_AUTOADD = \"perhaps\": LOOK AT THIS: is neither yes nor no; false counts");
}

#[test]
fn mposs_own_file_is_compared_with_it() {
    let run = imported(&["--mpos", &file("global.inc.php")]);
    let coin = &run.config().coins[0];
    assert_eq!(
        (coin.mpos.accounts_database.as_str(), coin.mpos.workers_database.as_str()),
        ("mpos_accounts", "mpos_ltc")
    );
    assert_eq!((coin.mpos.user.as_str(), coin.confirmations), ("stratum", 100));
    assert!(run.fate("db.pass").contains("the stratum server has its own"));
    assert!(run.fate("motd").contains("MPOS's own matter"), "though it is not a literal");
    assert!(run.fate("SALT").contains("MPOS's own matter"));
    for agreed in ["one of them is wrong", "no node is the wallet", "no port listens here"] {
        assert!(!run.complaints.contains(agreed), "{}", run.complaints);
    }

    let other = std::fs::read_to_string(file("global.inc.php")).unwrap();
    let other = other.replace("'mpos_ltc'", "'mpos_old'").replace("9332", "9999").replace("3334", "3333");
    let (_folder, path) = scratch("global.inc.php", &other.replace("'scrypt'", "'sha256d'"));
    let run = imported(&["--mpos", path.to_str().unwrap()]);
    assert_eq!(run.code, 1);
    run.complains("the stratum server's database is not the one");
    run.complains("no node is the wallet");
    run.complains("MPOS tells its users port 3333");
    run.complains("QUESTION litecoin.mpos_bits");
    run.complains("MPOS's configuration names a class with 32; MPOS's own class for this algorithm has 16");
}

#[test]
fn mpos_alone_is_a_beginning() {
    let path = file("global.inc.php");
    let run = Run::of(&["mpos", &path]);
    assert_eq!(run.code, 1);
    for question in ["preset", "payout_address", "fallback_worker", "difficulty"] {
        run.complains(&format!("QUESTION coin.{question}"));
    }
    run.complains("--answer coin.preset=litecoin");
    let answers = [
        "preset=litecoin",
        "payout_address=LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS",
        "fallback_worker=pool.fallback",
        "difficulty=16",
    ];
    let mut arguments = vec!["mpos", &path];
    arguments.extend(answers.iter().flat_map(|answer| ["--answer", answer]));
    let config = Run::of(&arguments).config();
    let coin = &config.coins[0];
    assert_eq!((coin.ports[0].listen.port(), coin.nodes[0].port), (3334, 9332));
    assert_eq!(coin.mpos.password.reveal(), "it's \"secret\"; really");
}

#[test]
fn a_wallet_behind_https_stays_there() {
    let text = std::fs::read_to_string(file("global.inc.php")).unwrap();
    let text = text.replace("'127.0.0.1:9332'", "'https://localhost:19334'");
    let (_folder, path) = scratch("global.inc.php", &text);
    let answers = ["payout_address=LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS", "fallback_worker=p.f", "difficulty=16"];
    let answers = answers.iter().chain(&["preset=litecoin"]).flat_map(|answer| ["--answer", answer]);
    let run = Run::of(&["mpos", path.to_str().unwrap()].into_iter().chain(answers).collect::<Vec<_>>());
    let node = &run.config().coins[0].nodes[0];
    assert_eq!((node.host.as_str(), node.port, node.ways.tls_ca.is_some()), ("localhost", 19334, true));
    assert!(
        run.text.contains("\nurl = \"https://localhost:19334\"\n") && run.text.contains("ca_file = "),
        "{}",
        run.text
    );
    assert!(run.fate("wallet.host").contains("adapted as node.url: by https"), "{}", run.fate("wallet.host"));

    let (_folder, path) = scratch("global.inc.php", &text.replace("'https://localhost:19334'", "'localhost'"));
    let run = Run::of(&["mpos", path.to_str().unwrap()]);
    assert!(run.fate("wallet.host").contains("needs an answer: node.url"), "{}", run.fate("wallet.host"));
    run.complains("where is the coin's node?");
}

#[test]
fn a_database_that_cannot_be_written_is_asked_for() {
    let run = with(&[("'mpos_ltc'", "'mpos ltc'")], &LITECOIN);
    assert!(run.fate("DB_MYSQL_DBNAME").contains("needs an answer: mpos.database"), "{}", run.text);
    let run = with(&[("DATABASE_DRIVER = 'mysql'", "DATABASE_DRIVER = 'none'")], &LITECOIN);
    run.complains("QUESTION litecoin.mpos.database");
    for option in ["DB_MYSQL_HOST", "DB_MYSQL_PASS", "DB_MYSQL_DBNAME"] {
        assert!(run.fate(option).contains("dropped: DATABASE_DRIVER named another database"), "{}", run.fate(option));
    }
    let text = std::fs::read_to_string(file("global.inc.php")).unwrap();
    let text =
        text.replace("'mpos_accounts'", "'mpos accounts'").replace("= 100;", "= 'many';").replace("'3334'", "'x'");
    let (_folder, path) = scratch("global.inc.php", &text);
    let run = Run::of(&["mpos", path.to_str().unwrap()]);
    for (option, fate) in [
        ("db.shared.accounts", "LOOK AT THIS: is not a name of a database"),
        ("db.shared.workers", "taken as mpos.workers_database"),
        ("confirmations", "LOOK AT THIS: is not a number"),
        ("gettingstarted.stratumport", "needs an answer: listen"),
    ] {
        assert!(run.fate(option).contains(fate), "{}", run.fate(option));
    }
    run.complains("The old file's gettingstarted.stratumport gives no port number.");
    let mpos = file("global.inc.php");
    let fate = imported(&["--mpos", &mpos]).fate("db.name").to_owned();
    assert!(fate.contains("taken as nothing: compared with the stratum server's"), "{fate}");
}

#[test]
fn every_missing_secret_is_a_question_of_its_own() {
    let missing = [
        ("COINDAEMON_TRUSTED_PASSWORD = ", "X_Y = "),
        ("COINDAEMON_TRUSTED_PASSWORD_1 = COINDAEMON_TRUSTED_PASSWORD\n", "\n"),
        ("DB_MYSQL_PASS = ", "X_Y = "),
        ("DB_MYSQL_USER = ", "X_Y = "),
    ];
    let run = with(&missing, &LITECOIN);
    assert_eq!(run.code, 1, "{}", run.complaints);
    for (id, asks) in [
        ("node.password", "what is the node's rpcpassword?"),
        ("node2.password", "what is the node's rpcpassword?"),
        ("mpos.password", "what is the password of the database's user?"),
        ("mpos.user", "which user of the database writes shares?"),
    ] {
        run.complains(&format!("QUESTION litecoin.{id}: {asks} (to be filled in)"));
        assert!(run.text.contains(&format!("\n#   litecoin.{id}\n")), "{}", run.text);
    }
}

#[test]
fn other_ways_in_are_told_of() {
    let chained = "LISTEN_HTTP_TRANSPORT = LISTEN_HTTPS_TRANSPORT = None";
    let changes = [
        (chained, "LISTEN_HTTP_TRANSPORT = 8000\nLISTEN_HTTPS_TRANSPORT = port()"),
        ("LISTEN_WS_TRANSPORT = None", "LISTEN_WS_TRANSPORT = 8001"),
        ("LISTEN_WSS_TRANSPORT = None", "LISTEN_WSS_TRANSPORT = 0"),
    ];
    let run = with(&changes, &LITECOIN);
    assert_eq!(run.code, 0);
    run.complains("LISTEN_HTTP_TRANSPORT = 8000: LOOK AT THIS: miners connect by stratum over TCP or TLS only");
    run.complains("LISTEN_WS_TRANSPORT = 8001: LOOK AT THIS: miners connect");
    run.complains("LISTEN_HTTPS_TRANSPORT: LOOK AT THIS: its value is computed");
    assert!(run.fate("LISTEN_WSS_TRANSPORT").contains("dropped"), "{}", run.text);
    assert!(!with(&[], &LITECOIN).complaints.contains("_TRANSPORT"));
}

#[test]
fn broken_files_are_told_with_line_and_reason() {
    for (name, content, what) in [
        ("config.py", "A = 1\nB = 'x\n".as_bytes(), "config.py:2: text begins here whose closing quote is missing"),
        ("config.py", b"A = 1\nB = '\xff'\n", "config.py:2: is not UTF-8 from here on"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let run = Run::of(&["stratum-mining", path.to_str().unwrap()]);
        assert_eq!((run.code, run.text.as_str()), (78, ""));
        run.complains(what);
    }
    let (_folder, path) = scratch("big.py", &"# \n".repeat(400_000));
    Run::of(&["stratum-mining", path.to_str().unwrap()]).complains("is larger than 1048576 bytes");
    Run::of(&["stratum-mining", "/dev/zero"]).complains("is not a regular file");
    assert_eq!(Run::of(&["mpos", "/nowhere/global.inc.php"]).code, 78);
    let (_folder, php) = scratch("global.inc.php", "<?php\n$config['a'] = array(1\n");
    let run = Run::of(&["stratum-mining", &file("config.py"), "--mpos", php.to_str().unwrap()]);
    assert_eq!(run.code, 78);
    run.complains("global.inc.php:2: an array begins here that is never closed");
}

#[test]
fn answers_that_make_no_sense_end_with_64() {
    for wrong in [
        &["--answer", "fallback_worker"][..],
        &["--answer", "colour=red"],
        &["--answer", "preset=lightcoin"],
        &["--answer", "old_difficulty_bits=many"],
        &["--known-miner", "fast"],
        &["--known-miner", "1M,16,900"],
        &["--colour"],
    ] {
        let run =
            Run::of(&[&["stratum-mining", &file("config.py"), "--answer", "coin.fallback_worker=p.f"], wrong].concat());
        assert_eq!((run.code, run.text.as_str()), (64, ""), "{wrong:?}: {}", run.complaints);
    }
}
