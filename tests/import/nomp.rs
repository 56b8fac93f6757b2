//! NOMP's folder.

use std::path::Path;

use mpos_stratum::config::{self, NodeLogin};
use mpos_stratum::pow::by_time::{Growth, Steps};
use mpos_stratum::pow::{Algorithm, MemoryHard};

use crate::{Run, file};

const ANSWER: [&str; 2] = ["--answer", "fallback_worker=pool.fallback"];

/// A copy of the folder, in which one file is another.
pub(super) fn copy(path: &str, content: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for inner in ["", "pool_configs", "coins"] {
        let from = file(&format!("nomp/{inner}"));
        std::fs::create_dir_all(folder.path().join(inner)).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                std::fs::copy(entry.path(), folder.path().join(inner).join(entry.file_name())).unwrap();
            }
        }
    }
    std::fs::write(folder.path().join(path), content).unwrap();
    folder
}

fn import(folder: &Path, extra: &[&str]) -> Run {
    Run::of(&[&["nomp", folder.to_str().unwrap()], &ANSWER[..], extra].concat())
}

#[test]
fn a_portal_moves_over_with_all_its_pools() {
    let run = import(Path::new(&file("nomp")), &[]);
    let config = run.config();
    assert_eq!((config.daemon.worker_threads, config.daemon.log_level.to_string()), (Some(4), "warn".to_owned()));
    let [doge, ltc] = config.coins.as_slice() else { panic!("two coins") };
    assert_eq!((doge.name.as_str(), ltc.name.as_str()), ("dogecoin", "litecoin"));
    assert_eq!((ltc.instance, ltc.emit_invalid_block_hashes, ltc.templates.poll.as_millis()), (7, true, 500));
    assert_eq!(ltc.profile.form.template_rules, ["mweb", "segwit"]);
    let shown = |port: &std::sync::Arc<mpos_stratum::config::Port>| {
        let vardiff = port.vardiff.as_ref().map(|vardiff| {
            format!("{} to {} in {} s, {}", vardiff.min, vardiff.max, vardiff.target.as_secs(), vardiff.double_steps)
        });
        format!("{}: {} {}", port.listen.port(), port.difficulty, vardiff.unwrap_or_default())
    };
    let ports: Vec<String> = ltc.ports.iter().map(shown).collect();
    let expected = ["3008: 8 ", "3032: 32 8 to 512 in 15 s, true", "3256: 256 256 to 4096 in 60 s, false"];
    assert_eq!(ports, expected);
    let port = &ltc.ports[0];
    assert_eq!((port.idle_timeout.as_secs(), port.rules.invalid_window_shares), (900, 200));
    assert_eq!((port.rules.invalid_ratio_max, port.transport.limits.ban.as_secs()), (0.4, 300));
    assert_eq!(port.transport.limits.ban_closes, 1, "the first window over the limit banned");
    let NodeLogin::Password { password, .. } = &ltc.nodes[1].login else { panic!("a password") };
    assert_eq!(password.reveal(), "123456", "a number in the place of a password");
    assert_eq!((ltc.mpos.database.as_str(), ltc.workers.check_password), ("mpos_ltc", true));
    // The pool of the first versions: by the coin's name, one daemon, stratumAuth, no bans.
    assert_eq!((doge.mpos.database.as_str(), doge.workers.check_password), ("mpos_doge", false));
    assert_eq!((doge.templates.refresh.as_secs(), doge.nodes[0].port), (20, 22555));
    assert_eq!((doge.ports[0].rules.invalid_ratio_max, doge.ports[0].idle_timeout.as_secs()), (1.0, 600));
}

#[test]
fn every_option_says_what_became_of_it() {
    let run = import(Path::new(&file("nomp")), &[]);
    for (option, fate) in [
        ("logLevel", "taken as daemon.log_level"),
        ("logColors", "dropped"),
        ("cliPort", "adapted as daemon.nomp_listen"),
        ("clustering.forks", "taken as worker_threads"),
        ("defaultPoolConfigs.blockRefreshInterval", "taken as poll_ms"),
        ("defaultPoolConfigs.jobRebroadcastTimeout", "adapted as templates.refresh_secs"),
        ("defaultPoolConfigs.connectionTimeout", "taken as idle_timeout_secs"),
        ("defaultPoolConfigs.validateWorkerUsername", "dropped: always"),
        ("defaultPoolConfigs.banning.enabled", "adapted as port.ban_closes: 1"),
        ("defaultPoolConfigs.banning.time", "taken as ban_secs"),
        ("defaultPoolConfigs.banning.purgeInterval", "dropped"),
        ("defaultPoolConfigs.redis", "dropped: no Redis"),
        ("website", "dropped: MPOS is the web site"),
        ("switching.switch1.enabled", "dropped"),
        ("switching.switch2.enabled", "LOOK AT THIS"),
        ("profitSwitch", "dropped"),
        ("paymentProcessing", "dropped: MPOS pays"),
        ("rewardRecipients.LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", "taken as recipient.percent"),
        ("ports.3256.varDiff.targetTime", "adapted as target_secs"),
        ("ports.3256.varDiff.maxJump", "dropped"),
        ("daemons[1].password", "taken as node.password"),
        ("p2p.host", "taken as node.p2p"),
        ("p2p.disableTransactions", "dropped"),
        ("mposMode.autoCreateWorker", "taken as workers.auto_create"),
        ("shareProcessing.mpos.stratumAuth", "taken as workers.check_password"),
        ("shareProcessing.internal", "dropped"),
        ("ownPatch", "no option that is known"),
        ("peerMagic", "taken as p2p_magic"),
        ("mposDiffMultiplier", "adapted as mpos_bits"),
    ] {
        assert!(run.fate(option).contains(fate), "{}", run.fate(option));
    }
    let unknown = run.text.lines().filter(|line| line.contains("no option that is known")).count();
    assert_eq!(unknown, 1, "{}", run.text);
    run.complains("broken.json:4: expected a comma or }, found '\"': this pool is left out");
    run.complains("pool_configs/idle.json: not enabled");
    for secret in ["notify-secret", "web-secret", "payment-secret", "patch-secret"] {
        assert!(!run.text.contains(secret) && !run.complaints.contains(secret), "{secret}");
    }
    for secret in ["rpc-secret", "db-secret", "doge-secret"] {
        assert!(run.text.contains(secret) && !run.complaints.contains(secret), "{secret}");
    }
}

#[test]
fn every_option_that_a_pool_lacks_is_taken_from_the_portal_s_defaults() {
    let text = std::fs::read_to_string(file("nomp/config.json")).unwrap();
    let defaults = "\"defaultPoolConfigs\": {\n\"instanceId\": 9, \"shareProcessing\": {},\n\
                    \"paymentProcessing\": {\"enabled\": false}, \"enabled\": false, \"rewardRecipients\": {\"x\": 1},\n";
    let folder = copy("config.json", &text.replace("\"defaultPoolConfigs\": {", defaults));
    let run = import(folder.path(), &[]);
    let config = run.config();
    assert_eq!(config.coins.iter().map(|coin| coin.instance).collect::<Vec<_>>(), [9, 7], "litecoin.json has its own");
    assert!(run.fate("defaultPoolConfigs.instanceId").contains("line 9: "), "{}", run.text);
    for (option, fate) in [
        ("defaultPoolConfigs.instanceId", "taken as instance"),
        ("defaultPoolConfigs.paymentProcessing", "dropped: MPOS pays"),
        ("defaultPoolConfigs.rewardRecipients.x", "LOOK AT THIS"),
        ("defaultPoolConfigs.enabled", "no option that is known"),
    ] {
        assert!(run.fate(option).contains(fate), "{}", run.fate(option));
    }
}

#[test]
fn each_coin_has_the_mpos_whose_database_it_writes() {
    let (_folder, other) = crate::scratch(
        "doge.inc.php",
        "<?php\n$config['db']['name'] = 'mpos_doge';\n$config['db']['shared']['workers'] = 'mpos_ltc';\n",
    );
    let mpos = file("global.inc.php");
    let run = import(Path::new(&file("nomp")), &["--mpos", &mpos, "--mpos", other.to_str().unwrap()]);
    let config = run.config();
    let schemas: Vec<&str> = config.coins.iter().map(|coin| coin.mpos.workers_database.as_str()).collect();
    assert_eq!(schemas, ["mpos_ltc", "mpos_ltc"]);
    assert_eq!(config.coins[1].mpos.accounts_database, "mpos_accounts");
    run.complains("litecoin: MPOS tells its users port 3334, on which no port listens here");
}

#[test]
fn difficulties_that_miners_and_nomp_count_differently_are_asked_for() {
    let coin = r#"{"name": "Oldcoin", "symbol": "OLD", "algorithm": "keccak", "peerMagic": "x"}"#;
    let folder = copy("coins/litecoin.json", coin);
    let run = import(folder.path(), &["--answer", "oldcoin.preset=none"]);
    assert_eq!(run.code, 1);
    run.complains("QUESTION oldcoin.old_difficulty_bits");
    run.complains(
        "NOMP demanded 2^24 hashes for this algorithm, its miners count 2^25. 25 makes 8 of the old 8, 24 makes 4",
    );
    run.complains("QUESTION oldcoin.mpos_bits");
    run.complains("QUESTION oldcoin.addresses.pubkey_hash");
    let answers = [
        "oldcoin.preset=none",
        "oldcoin.old_difficulty_bits=25",
        "oldcoin.mpos_bits=24",
        "oldcoin.block_hash=sha256d",
        "oldcoin.addresses.pubkey_hash=48,111",
        "oldcoin.addresses.script_hash=5",
    ];
    let answers: Vec<&str> = answers.iter().flat_map(|answer| ["--answer", answer]).collect();
    let config = import(folder.path(), &answers).config();
    let coin = config.coins.iter().find(|coin| coin.name == "oldcoin").unwrap();
    assert_eq!((coin.ports[0].difficulty.get(), coin.profile.mpos_bits), (8.0, 24));
    assert_eq!(coin.profile.form.addresses.pubkey_hash, [48, 111]);
}

#[test]
fn a_wrong_multiplier_is_not_copied() {
    let coin = r#"{"name": "Litecoin", "algorithm": "scrypt", "mposDiffMultiplier": 256}"#;
    let run = import(copy("coins/litecoin.json", coin).path(), &[]);
    assert_eq!(run.code, 1);
    run.complains("QUESTION litecoin.mpos_bits");
    run.complains("MPOS's own class for this algorithm has 16; the old server wrote rows by 8");
}

#[test]
fn a_proxy_is_believed_only_by_its_address() {
    let text = std::fs::read_to_string(file("nomp/config.json")).unwrap();
    let folder = copy("config.json", &text.replace("\"tcpProxyProtocol\": false", "\"tcpProxyProtocol\": true"));
    let run = import(folder.path(), &[]);
    assert_eq!(run.code, 1);
    run.complains("QUESTION litecoin.trusted_proxies");
    let run = import(folder.path(), &["--answer", "trusted_proxies=192.0.2.10,10.0.0.0/8"]);
    let proxy = run.config().coins[0].ports[0].transport.proxy.clone().unwrap();
    assert_eq!((proxy.required, proxy.trusted.len()), (true, 2));
}

#[test]
fn what_is_broken_or_missing_is_told() {
    let run = import(copy("config.json", "{\n\"a\": 1,,\n}").path(), &[]);
    assert_eq!((run.code, run.text.as_str()), (78, ""));
    run.complains("config.json:2: expected a name in double quotes or }, found ','");
    assert_eq!(import(Path::new("/nowhere"), &[]).code, 78);
    // A coin file outside of its folder is none.
    let folder = copy("pool_configs/dogecoin.json", "{\"enabled\": true, \"coin\": \"../config.json\"}");
    let run = import(folder.path(), &[]);
    run.complains("pool_configs/dogecoin.json:1: coin: there is no such file or coin in coins/");
    // Two pools of one coin: NOMP refused to start.
    let text = std::fs::read_to_string(file("nomp/pool_configs/litecoin.json")).unwrap();
    import(copy("pool_configs/twice.json", &text).path(), &[]).complains("another pool has this coin too");
    // A broken coin takes its pool with it, not the others.
    let run = import(copy("coins/litecoin.json", "{\"name\": \"Litecoin\",\n ^}").path(), &[]);
    run.complains("litecoin.json:2: expected a name in double quotes or }, found '^'");
    assert_eq!(run.config().coins.len(), 1);
}

/// The first pool of the folder with another coin, whose presets are not wanted, and all that is asked then.
fn as_coin(coin: &str, keys: &[&str]) -> Run {
    let (name, addresses) = ("oldcoin", ["addresses.pubkey_hash=48,111", "addresses.script_hash=5", "preset=none"]);
    let keys = keys.iter().chain(&addresses).map(|answer| format!("{name}.{answer}"));
    let answers: Vec<String> = keys.flat_map(|answer| ["--answer".to_owned(), answer]).collect();
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    import(copy("coins/litecoin.json", coin).path(), &answers)
}

#[test]
fn fees_become_recipients() {
    let text = std::fs::read_to_string(file("nomp/pool_configs/litecoin.json")).unwrap();
    let one = r#""rewardRecipients": {"LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9": 1.5}"#;
    assert!(text.contains(one));
    let hash = "22851477d63a085dbc2398c8430af1c09e7343f6";
    let several = format!(
        r#""rewardRecipients": {{"LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9": 1.5, "{hash}": 0.12345, "DoNotPay": 3,
            "LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS": 2, "3333333333333333333333333333333333333333": 99}}"#
    );
    let run = import(copy("pool_configs/litecoin.json", &text.replace(one, &several)).path(), &[]);
    let coin = run.config().coins.into_iter().find(|coin| coin.name == "litecoin").unwrap();
    let shares: Vec<(&str, u32)> =
        coin.recipients.iter().map(|recipient| (recipient.written.as_str(), recipient.share_ppm)).collect();
    assert_eq!(shares, [("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", 15_000), (hash, 1_234)]);
    for (option, fate) in [
        ("LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9", "taken as recipient.percent"),
        (hash, "adapted as recipient.percent"),
        ("DoNotPay", "LOOK AT THIS: has no share any more"),
        ("LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS", "dropped: it is the pool's own address"),
        ("3333333333333333333333333333333333333333", "LOOK AT THIS: has no share any more"),
    ] {
        let fate_is = run.fate(&format!("rewardRecipients.{option}"));
        assert!(fate_is.contains(fate), "{fate_is}");
    }
}

/// What was written, with an algorithm that no chain has proven accepted.
fn accepted(run: &Run) -> String {
    run.text.replace("[[coin]]\nname = \"oldcoin\"", "[[coin]]\nname = \"oldcoin\"\naccept_unproven = true")
}

#[test]
fn algorithms_are_those_that_nomp_computed() {
    let keys = ["block_hash=pow", "mpos_bits=24"];
    let run = as_coin(r#"{"name": "Oldcoin", "algorithm": "keccak", "normalHashing": true}"#, &keys);
    assert!(accepted(&run).contains("algorithm = \"keccak-normal\""), "{}", run.text);
    assert!(run.fate("normalHashing").contains("adapted as algorithm: keccak-normal"));
    let run = as_coin(r#"{"name": "Oldcoin", "algorithm": "hefty1"}"#, &keys);
    assert!(run.text.contains("algorithm = \"hefty1-nomp\""), "{}", run.text);
    let run = as_coin(r#"{"name": "Oldcoin", "algorithm": "groestl", "normalHashing": true}"#, &keys);
    let profile = run.config().coins.into_iter().find(|coin| coin.name == "oldcoin").unwrap().profile.clone();
    assert_eq!(profile.transaction_hash, mpos_stratum::pow::ids::TransactionHash::Sha256d);
}

#[test]
fn costs_that_grow_with_time_keep_their_schedule() {
    let algorithm = |coin, keys: &[&str]| {
        let config = config::parse(Path::new("/nowhere/config.toml"), accepted(&as_coin(coin, keys))).unwrap();
        config.coins.into_iter().find(|coin| coin.name == "oldcoin").unwrap().profile.algorithm
    };
    let steps = Steps::new([(11, 0), (12, 1_400_000_000)]).unwrap();
    let coin = r#"{"name": "Oldcoin", "algorithm": "scrypt-n", "timeTable": {"4096": 1400000000, "2048": 0}}"#;
    assert_eq!(algorithm(coin, &["block_hash=sha256d"]), Algorithm::MemoryHard(MemoryHard::ScryptN(steps)));
    let growth = Growth { chain_start: 1_380_000_000, factor_min: 5, factor_max: 9, fixed_from: None };
    let coin = r#"{"name": "Oldcoin", "algorithm": "scrypt-jane", "chainStartTime": 1380000000, "nMin": 5, "nMax": 9}"#;
    let keys = ["block_hash=pow", "mpos_bits=16"];
    assert_eq!(algorithm(coin, &keys), Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)));
    let run =
        as_coin(r#"{"name": "Oldcoin", "algorithm": "scrypt-n", "timeTable": {"1000": 5}}"#, &["block_hash=sha256d"]);
    run.complains("timeTable.1000 = 5: LOOK AT THIS: is not a cost of scrypt");
}

#[test]
fn costs_of_scrypt_are_those_that_can_be_served() {
    let cost = |n: u64, r: u32| {
        as_coin(
            &format!(r#"{{"name": "Oldcoin", "algorithm": "scrypt", "nValue": {n}, "rValue": {r}}}"#),
            &["block_hash=sha256d"],
        )
    };
    let config = config::parse(Path::new("/nowhere/config.toml"), accepted(&cost(16, 64))).unwrap();
    let coin = config.coins.into_iter().find(|coin| coin.name == "oldcoin").unwrap();
    assert_eq!(coin.profile.algorithm, Algorithm::Scrypt { log_n: 4, r: 64 });
    assert!(cost(1 << 19, 1).text.contains("scrypt_log_n = 19"));
    let run = cost(1 << 20, 1);
    run.complains("nValue = 1048576: LOOK AT THIS: is not a cost of scrypt that can be served");
    assert!(!run.text.contains("scrypt_log_n = "));
    assert!(!cost(16, 65).text.contains("scrypt_r = 65"));
}

/// The versions of NOMP that pools run have the multiplier by algorithm, whatever the coin's file says.
#[test]
fn an_old_shift_of_difficulties_is_something_to_look_at() {
    let keys = ["block_hash=pow", "mpos_bits=24"];
    let shift = |shift: &str| {
        let coin =
            format!(r#"{{"name": "Oldcoin", "algorithm": "keccak", "normalHashing": true, "diffShift": {shift}}}"#);
        as_coin(&coin, &keys)
    };
    let run = shift("32");
    run.complains("diffShift = 32: LOOK AT THIS: was not read any more: NOMP demanded 2^24 hashes for difficulty 1");
    run.complains("If your miners count 2^32, write stratum_bits = 32");
    assert!(!run.text.contains("\nstratum_bits = "), "{}", run.text);
    assert!(shift("24").fate("diffShift").contains("dropped: is what counted for the algorithm anyway"));
    for none in ["24.5", "-1", "65", "\"many\""] {
        assert!(shift(none).fate("diffShift").contains("LOOK AT THIS: is not a number of bits"), "{none}");
    }
}

#[test]
fn coins_go_by_older_names() {
    let coin = r#"{"name": "Darkcoin", "algorithm": "x11", "mposDiffMultiplier": 256}"#;
    let text = std::fs::read_to_string(file("nomp/pool_configs/litecoin.json")).unwrap();
    let folder = copy("coins/litecoin.json", coin);
    let text = text.replace("LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS", "XmVqYKxNcrGUkmcHnwxrXVkjm7Jd2LaDR3");
    std::fs::write(folder.path().join("pool_configs/litecoin.json"), text).unwrap();
    assert!(import(folder.path(), &[]).text.contains("preset = \"dash\""));
}

/// The first pool of the folder with something changed in its file.
fn with(from: &str, to: &str) -> Run {
    let text = std::fs::read_to_string(file("nomp/pool_configs/litecoin.json")).unwrap();
    assert!(text.contains(from), "{from}");
    import(copy("pool_configs/litecoin.json", &text.replace(from, to)).path(), &[])
}

#[test]
fn what_is_asked_is_not_called_taken() {
    let run = with(r#""mpos_ltc""#, r#""l;tc""#);
    assert!(run.fate("mposMode.database").contains("needs an answer: mpos.database"), "{}", run.text);
    run.complains("QUESTION litecoin.mpos.database");
    let run = with(r#"{"host": "10.0.0.7", "port": 9332"#, r#"{"host": "10.0.0.7/rpc", "port": 9332"#);
    for option in ["daemons[1].host", "daemons[1].port"] {
        assert!(run.fate(option).contains("needs an answer: node.url"), "{}", run.fate(option));
    }
    run.complains("where is the coin's node?");
    let run = with(r#""minDiff": 8, "#, r#""minDiff": "low", "#);
    let fate = run.fate("ports.3032.varDiff");
    assert!(fate.contains("LOOK AT THIS: has no difficulties as minDiff and maxDiff"), "{fate}");
    assert!(run.fate("ports.3032.varDiff.targetTime").contains("dropped"), "{}", run.text);
    let run = with(r#""p2p": {"enabled": true"#, r#""p2p": 9333, "p2q": {"enabled": true"#);
    assert!(run.fate("p2p").contains("LOOK AT THIS: is not a table, so nothing in it was read"), "{}", run.text);
}

#[test]
fn every_port_of_the_old_file_has_its_line_and_stands_once() {
    let run = with(r#""3008": {"diff": 8}"#, r#""3008": 8"#);
    assert!(run.fate("ports.3008").contains("ports.3008 = 8: needs an answer: difficulty"), "{}", run.text);
    run.complains("QUESTION litecoin.difficulty");
    let run = with(r#""3008": {"#, r#""70000": {"#);
    assert!(run.fate("ports.70000").contains("needs an answer: listen"), "{}", run.text);
    run.complains(
        "QUESTION litecoin.listen: on which address and port do miners connect? The old file's ports.70000 gives",
    );
    for again in [r#""3008": {"diff": 1}, "3008": {"diff": 8}"#, r#""3008": {"diff": 8}, " 3008": {"diff": 1}"#] {
        let config = with(r#""3008": {"diff": 8}"#, again).config();
        let ports: Vec<String> =
            config.coins[1].ports.iter().map(|port| format!("{} {}", port.listen.port(), port.difficulty)).collect();
        assert_eq!(ports, ["3008 8", "3032 32", "3256 256"], "{again}");
    }
}

#[test]
fn the_first_versions_said_the_magic_in_the_pools_file() {
    let p2p = r#""port": 9333, "magic": "FBC0B6DB", "protocolVersion": 70002, "#;
    let text = std::fs::read_to_string(file("nomp/pool_configs/litecoin.json")).unwrap();
    let folder = copy("pool_configs/litecoin.json", &text.replace(r#""port": 9333, "#, p2p));
    let coin = r#"{"name": "Litecoin", "symbol": "LTC", "algorithm": "scrypt"}"#;
    std::fs::write(folder.path().join("coins/litecoin.json"), coin).unwrap();
    let run = import(folder.path(), &[]);
    let config = run.config();
    let peer = config.coins[1].nodes[0].ways.peer.as_ref().unwrap();
    assert_eq!((peer.port, peer.magic, peer.version), (9333, [0xfb, 0xc0, 0xb6, 0xdb], 70_002));
    assert!(run.fate("p2p.magic").contains("taken as p2p_magic"), "{}", run.text);
    assert!(run.fate("p2p.protocolVersion").contains("taken as p2p_version"), "{}", run.text);
    // Where both are said, the later version's file counts.
    let run = with(r#""port": 9333, "#, &p2p.replace("FBC0B6DB", "fcc1b7dc"));
    assert_eq!(run.config().coins[1].nodes[0].ways.peer.as_ref().unwrap().magic, [0xfb, 0xc0, 0xb6, 0xdb]);
    assert!(run.fate("p2p.magic").contains("dropped: the coin's peerMagic"), "{}", run.text);
    with(r#""port": 9333, "#, &p2p.replace("FBC0B6DB", "pchMessage"))
        .complains("p2p.magic = \"pchMessage\": LOOK AT THIS");
}

#[test]
fn passwords_are_looked_at_unless_the_portal_says_no() {
    let config = std::fs::read_to_string(file("nomp/config.json")).unwrap();
    let names = r#""validateWorkerUsername": true"#;
    assert!(config.contains(names));
    for (written, checks) in [("\"enabled\"", true), ("1", true), ("\"\"", false), ("null", false), ("false", false)] {
        let config = config.replace(names, &format!(r#""validateWorkerUsername": {written}"#));
        let run = import(copy("config.json", &config).path(), &[]);
        assert_eq!(run.config().coins[1].workers.check_password, checks, "{written}");
    }
    let run = with(r#""checkPassword": true"#, r#""checkPassword": "false""#);
    assert!(run.config().coins[1].workers.check_password);
    run.complains("mposMode.checkPassword: LOOK AT THIS: NOMP took any text for true");
}
