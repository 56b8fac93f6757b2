//! The configuration file as an operator meets it: what is read, and what is said about mistakes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]
#![allow(clippy::float_cmp, reason = "powers of two are exact")]

#[path = "config/coins.rs"]
mod coins;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use mpos_stratum::config::{self, Config, Durability, Endpoint, NodeLogin, Problem};
use mpos_stratum::difficulty::mpos_factor;
use mpos_stratum::pow::by_time::{Growth, Steps};
use mpos_stratum::pow::{Algorithm, MemoryHard};
use proptest::prelude::*;

#[path = "config/algorithms.rs"]
mod algorithms;
#[path = "config/changes.rs"]
mod changes;
#[path = "config/nodes.rs"]
mod nodes;
#[path = "config/outside.rs"]
mod outside;
#[path = "config/presets.rs"]
mod presets;

/// A configuration with nothing in it that may be left out.
const LEAST: &str = r#"
[[coin]]
name = "litecoin"
preset = "litecoin"
payout_address = "Lpool"
fallback_worker = "pool.fallback"
[[coin.node]]
url = "http://127.0.0.1:9332"
user = "rpc"
password = "hunter2"
[[coin.port]]
listen = "0.0.0.0:3333"
difficulty = 16
[coin.mpos]
user = "mpos"
password = "hunter2"
database = "mpos"
"#;

/// `LEAST` with one passage replaced, which must occur once.
fn least(from: &str, to: &str) -> String {
    assert_eq!(LEAST.matches(from).count(), 1, "{from}");
    LEAST.replace(from, to)
}

/// A second coin beside the one of `LEAST`, in order as it stands.
const SECOND: &str = r#"
[[coin]]
name = "dogecoin"
preset = "dogecoin"
payout_address = "Dpool"
fallback_worker = "pool.fallback"
[[coin.node]]
url = "http://127.0.0.1:22555"
cookie_file = "doge.cookie"
[[coin.port]]
listen = "0.0.0.0:3334"
difficulty = 16
[coin.mpos]
user = "mpos"
password = "hunter2"
database = "mpos_doge"
"#;

fn second(from: &str, to: &str) -> String {
    assert_eq!(SECOND.matches(from).count(), 1, "{from}");
    format!("{LEAST}{}", SECOND.replace(from, to))
}

fn read(text: &str) -> Config {
    config::parse(Path::new("/etc/pool.toml"), text.to_owned()).unwrap_or_else(|error| panic!("{error}"))
}

fn problems(text: &str) -> Vec<Problem> {
    match config::parse(Path::new("/etc/pool.toml"), text.to_owned()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    }
}

/// The text has exactly one mistake, and the message about it holds all of `parts`.
#[track_caller]
fn one_mistake(text: &str, parts: &[&str]) {
    let problems = problems(text);
    let [problem] = problems.as_slice() else { panic!("{} problems: {problems:#?}\n{text}", problems.len()) };
    let message = problem.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn the_least_configuration_means_the_defaults() {
    let config = read(LEAST);
    assert_eq!(config.daemon.state_dir, Path::new("/var/lib/mpos-stratum"));
    assert_eq!(config.daemon.worker_threads, None);
    let coin = &config.coins[0];
    assert_eq!(coin.profile.algorithm, Algorithm::Scrypt { log_n: 10, r: 1 });
    assert_eq!(coin.nodes[0].name, "127.0.0.1:9332");
    assert_eq!((coin.nodes[0].host.as_str(), coin.nodes[0].port), ("127.0.0.1", 9332));
    assert_eq!(coin.templates.poll, Duration::from_secs(1));
    assert_eq!(coin.ports[0].vardiff, None);
    assert_eq!(coin.ports[0].extranonce2_bytes, 4);
    assert_eq!(coin.mpos.endpoint, Endpoint::Tcp("127.0.0.1".into(), 3306));
    assert_eq!((coin.mpos.accounts_database.as_str(), coin.mpos.workers_database.as_str()), ("mpos", "mpos"));
    assert_eq!(coin.mpos.password.reveal(), "hunter2");
    assert!(coin.workers.check_password && coin.workers.refuse_locked && !coin.workers.auto_create);
    assert_eq!(coin.ledger.durability, Durability::Process);
    assert_eq!(coin.ledger.spool_bytes_max, 2 << 30);
    assert_eq!(coin.ledger.keep_drained, Duration::from_secs(7 * 24 * 3600));
    assert_eq!(read(&second("22555", "22556")).coins.len(), 2);
}

#[test]
fn servers_to_go_on_with_and_tables_without_transactions() {
    let database = "database = \"mpos\"";
    let with = |line: &str| least(database, &format!("{database}\n{line}"));
    let tcp = |host: &str, port| Endpoint::Tcp(host.into(), port);
    let config = read(&with("failover = [\"db2\", \"192.0.2.8:3307\", \"[2001:db8::1]:3308\", \"[::1]\"]"));
    let mpos = &config.coins[0].mpos;
    let named = [tcp("db2", 3306), tcp("192.0.2.8", 3307), tcp("2001:db8::1", 3308), tcp("::1", 3306)];
    assert_eq!((&mpos.failover[..], mpos.allow_myisam), (&named[..], false));
    assert_eq!(mpos.failover[2].to_string(), "[2001:db8::1]:3308");
    for text in ["", "db2:", "db2:0", "db2:66666", ":3306", "2001:db8::1", "a b", "[::1", "/run/sock"] {
        one_mistake(&with(&format!("failover = [\"{text}\"]")), &["mpos.failover", ""]);
    }
    one_mistake(&with("failover = \"db2\""), &["must be a list"]);
    for twice in ["[\"127.0.0.1\"]", "[\"db2\", \"db2:3306\"]"] {
        one_mistake(&with(&format!("failover = {twice}")), &["names a server twice"]);
    }
    let config = read(&with("allow_myisam = \"at_least_once\""));
    assert!(config.coins[0].mpos.allow_myisam);
    assert!(config.warnings.iter().any(|warning| warning.what.contains("stored twice")), "{:?}", config.warnings);
    one_mistake(&with("allow_myisam = true"), &["at_least_once"]);
    let config = read(&with("ca_file = \"/etc/ssl/db.pem\""));
    assert_eq!(config.coins[0].mpos.ca_file.as_deref(), Some(std::path::Path::new("/etc/ssl/db.pem")));
    one_mistake(&with("socket = \"/run/db.sock\"\nca_file = \"/etc/ssl/db.pem\""), &["ca_file", "not encrypted"]);
    // A server that one coin goes on with and another one uses is one server.
    let other = "database = \"mpos\"\nhost = \"db2\"\nfailover = [\"localhost\"]";
    one_mistake(&second("database = \"mpos_doge\"", other), &["is the `shares` table of litecoin too"]);
}

#[test]
fn a_coin_may_be_described_without_a_preset() {
    let keys = "algorithm = \"keccak\"\nmpos_bits = 24\nblock_hash = \"pow\"\naddresses = { pubkey_hash = [110] }";
    let profile = read(&least("preset = \"litecoin\"", keys)).coins[0].profile.clone();
    assert_eq!(profile.algorithm, Algorithm::Keccak);
    assert_eq!(mpos_factor(profile.stratum_bits, profile.mpos_bits), 2.0);
    assert_eq!(profile.version_mask, 0);
    // Own keys override the preset, table keys one by one.
    let keys = "preset = \"bitcoin\"\nmpos_bits = 24\naddresses = { segwit = [\"xx\"] }";
    let profile = read(&least("preset = \"litecoin\"", keys)).coins[0].profile.clone();
    assert_eq!((profile.stratum_bits, profile.mpos_bits), (32, 24));
    assert_eq!((profile.form.addresses.segwit[0].as_str(), profile.form.addresses.pubkey_hash[0]), ("xx", 0));
}

#[test]
fn defaults_are_inherited_key_by_key() {
    let text = format!(
        "[defaults]\ninstance = 7\n[defaults.port]\nconnections_max = 5\nvardiff = {{ min = 1, max = 32 }}\n\
         [defaults.mpos]\nhost = \"db\"\nport = 3307\n[defaults.ledger]\nsync_interval_ms = 20\n{LEAST}\
         [coin.ledger]\nsegment_mib = 8\n[[coin.port]]\nlisten = \"[::1]:3335\"\ndifficulty = 64\nvardiff = false\n{}",
        SECOND.replace("[coin.mpos]", "[coin.mpos]\nsocket = \"/run/db.sock\"")
    );
    let config = read(&text);
    let (one, two) = (&config.coins[0], &config.coins[1]);
    assert_eq!((one.instance, two.instance), (7, 7));
    assert_eq!(one.ports[0].connections_max, 5);
    assert_eq!(one.ports[0].vardiff.as_ref().map(|vardiff| vardiff.max.get()), Some(32.0));
    assert_eq!(one.ports[1].vardiff, None, "`vardiff = false` switches the inherited table off");
    assert_eq!((one.ledger.segment_bytes, one.ledger.sync_interval), (8 << 20, Duration::from_millis(20)));
    assert_eq!(one.mpos.endpoint, Endpoint::Tcp("db".into(), 3307));
    assert_eq!(two.mpos.endpoint, Endpoint::Socket("/run/db.sock".into()), "an own socket displaces an inherited host");
    assert_eq!(two.nodes[0].login, NodeLogin::Cookie("/etc/doge.cookie".into()), "relative to the file's folder");
}

#[test]
fn a_preset_stands_below_the_layer_that_names_it() {
    // The coin names its preset, so an algorithm among the defaults does not reach it.
    let text = format!("[defaults]\nalgorithm = \"sha256d\"\n{LEAST}");
    assert_eq!(read(&text).coins[0].profile.algorithm, Algorithm::Scrypt { log_n: 10, r: 1 });
}

#[test]
fn mistakes_in_defaults_are_told_once_and_where_they_are_written() {
    let text = format!("[defaults.port]\nkeepalive_secs = 900\nkepalive_secs = 1\n{LEAST}{SECOND}");
    let messages: Vec<String> = problems(&text).iter().map(Problem::to_string).collect();
    assert_eq!(
        messages,
        [
            "/etc/pool.toml:2:18: defaults.port.keepalive_secs = 900: is out of bounds; choose a whole number from 1 to 55",
            "/etc/pool.toml:3:1: defaults.port.kepalive_secs: there is no such key here; did you mean `keepalive_secs`?",
        ]
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = LEAST
        .replace("difficulty = 16", "difficulty = -1\nidle_timeout_secs = \"long\"")
        .replace("database = \"mpos\"", "")
        .replace("pool.fallback", "fallback");
    let keys: Vec<String> = problems(&text).into_iter().map(|problem| problem.key).collect();
    assert_eq!(
        keys,
        [
            "coin[litecoin].fallback_worker",
            "coin[litecoin].port[0].difficulty",
            "coin[litecoin].port[0].idle_timeout_secs",
            "coin[litecoin].mpos.database",
        ]
    );
}

#[test]
fn syntax_mistakes_have_a_line_and_a_column() {
    one_mistake("[daemon]\nstate_dir = \"/x\"\nlog_level == 1\n", &["/etc/pool.toml:3:", "this is not TOML"]);
    one_mistake(&format!("{LEAST}user = \"twice\"\n"), &["/etc/pool.toml:18:1: ", "duplicate key", "keep one"]);
    let missing = config::load(Path::new("/nowhere/pool.toml")).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/pool.toml: the file cannot be read"), "{missing}");
}

#[test]
fn keys_that_are_missing_are_named_with_an_example() {
    one_mistake("", &["there is no coin", "[[coin]]"]);
    one_mistake(&least("payout_address = \"Lpool\"\n", ""), &["coin[litecoin].payout_address", "required", "[coin]"]);
    one_mistake(&least("difficulty = 16\n", ""), &["port[0].difficulty", "`difficulty = 16`", "[coin.port]"]);
    one_mistake(&least("preset = \"litecoin\"", "addresses.pubkey_hash = [1]"), &[".algorithm", "preset ="]);
    one_mistake(&least("[[coin.port]]\nlisten = \"0.0.0.0:3333\"\ndifficulty = 16\n", ""), &["no port"]);
    one_mistake(&least("user = \"rpc\"\npassword = \"hunter2\"\n", "user = \"rpc\"\n"), &["node[0].password"]);
    let text = least("user = \"rpc\"\npassword = \"hunter2\"\n", "password = \"hunter2\"\n");
    one_mistake(&text, &["node[0].user", "cookie_file"]);
    let keccak = "algorithm = \"keccak\"\nblock_hash = \"pow\"\naddresses.pubkey_hash = [1]";
    one_mistake(&least("preset = \"litecoin\"", keccak), &[".mpos_bits", "target_bits"]);
    let scrypt = "algorithm = \"scrypt\"\naddresses.pubkey_hash = [1]";
    one_mistake(&least("preset = \"litecoin\"", scrypt), &[".block_hash", "getblock"]);
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    one_mistake(&least("difficulty = 16", "difficulty = 16\nlisten_bytes_max = 4"), &["no such key", "config.example"]);
    one_mistake(&format!("{LEAST}durability = \"power\""), &["mpos.durability", "it belongs in [coin.ledger]"]);
    one_mistake(&format!("[deamon]\n{LEAST}"), &["deamon", "did you mean `daemon`?"]);
    one_mistake(&format!("{LEAST}[coin.template]\n"), &["coin[litecoin].template", "did you mean `templates`?"]);
}

#[test]
fn values_that_cannot_be_used() {
    let difficulty = |to: &str| least("difficulty = 16", to);
    for bad in ["0", "-1", "nan", "inf", "-inf", "1e31", "\"16\"", "true", "-0.0"] {
        one_mistake(&difficulty(&format!("difficulty = {bad}")), &["port[0].difficulty = ", bad, "above zero"]);
    }
    for bad in ["localhost:3333", "0.0.0.0", "0.0.0.0:65536", "224.0.0.1:3333", "255.255.255.255:1", ""] {
        one_mistake(&least("0.0.0.0:3333", bad), &["port[0].listen", bad, "[::]:3333"]);
    }
    for bad in
        ["127.0.0.1:9332", "ftp://127.0.0.1:9332", "http://127.0.0.1", "http://a b:1", "http://h:0", "http://h:1/w"]
    {
        one_mistake(&least("http://127.0.0.1:9332", bad), &["node[0].url", "http://"]);
    }
    for bad in ["pool", "pool.a.b", ".a", "pool.", "po ol.a"] {
        one_mistake(&least("pool.fallback", bad), &["fallback_worker", bad, "one dot"]);
    }
    for bad in ["Litecoin", "", "-a", "../x", "abcdefghijklmnopqrstuvwxyz0123456"] {
        let problems = problems(&least("name = \"litecoin\"", &format!("name = \"{bad}\"")));
        assert!(problems.iter().any(|problem| problem.to_string().contains("lower-case")), "{bad}: {problems:?}");
    }
    one_mistake(&least("Lpool", " "), &["payout_address", "is empty"]);
    one_mistake(&difficulty("difficulty = 16\nextranonce2_bytes = 1"), &["extranonce2_bytes = 1", "2 to 8"]);
    one_mistake(&difficulty("difficulty = 16\nextranonce2_bytes = 9"), &["extranonce2_bytes = 9", "2 to 8"]);
    let coin = |line: &str| least("payout_address", &format!("{line}\npayout_address"));
    one_mistake(&coin("version_mask = \"0x1fffe000\""), &["version_mask", "eight hexadecimal digits"]);
    one_mistake(&coin("coinbase_text = \"müll\""), &["coinbase_text", "printable ASCII"]);
    one_mistake(&coin(&format!("coinbase_text = \"{}\"", "x".repeat(33))), &["coinbase_text", "up to 32"]);
    one_mistake(&coin("instance = 65536"), &["instance = 65536", "0 to 65535"]);
    one_mistake(&coin("confirmations = 0"), &["confirmations = 0", "1 to 10000"]);
    one_mistake(&coin("templates = { refresh_secs = 60, stale_after_secs = 60 }"), &["stale_after_secs", "too old"]);
    one_mistake(&coin("ledger = { segment_mib = 64, spool_mib_max = 100 }"), &["spool_mib_max = 100", "four times"]);
    one_mistake(&coin("ledger = { durability = \"best\" }"), &["\"process\", \"power\""]);
    one_mistake(&least("preset = \"litecoin\"", "preset = \"bitcoin\"\nscrypt_r = 8"), &["scrypt_r", "sha256d"]);
    for table in ["templates", "addresses", "workers", "ledger"] {
        one_mistake(&coin(&format!("{table} = false")), &[table, "must be a table", &format!("[coin.{table}]")]);
    }
    one_mistake(&format!("daemon = false\n{LEAST}"), &["daemon", "must be a table"]);
    one_mistake(&least("[[coin.port]]", "[coin.port]"), &["coin[litecoin].port", "[[coin.port]]"]);
    one_mistake(&least("database = \"mpos\"", "database = \"a`b\""), &["database", "name of a database"]);
    for host in ["localhost:3306", "not a host/at all", "[::1]"] {
        one_mistake(
            &least("database = \"mpos\"", &format!("database = \"mpos\"\nhost = \"{host}\"")),
            &["host", "is not a host name or address", "its port as `port`"],
        );
    }
    one_mistake(
        &least("database = \"mpos\"", "database = \"mpos\"\nhost = \"h\"\nsocket = \"/s\""),
        &["socket", "host"],
    );
}

#[test]
fn a_wrong_preset_or_algorithm_is_answered_with_the_known_ones() {
    let messages = |text: &str| problems(text).iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    let preset = messages(&least("preset = \"litecoin\"", "preset = \"lightcoin\""));
    assert!(preset.contains("is not a known preset; choose one of auroracoin-groestl-myriad, "), "{preset}");
    let algorithm = messages(&least("preset = \"litecoin\"", "preset = \"litecoin\"\nalgorithm = \"cryptonight\""));
    assert!(algorithm.contains("is not a known algorithm; choose one of sha256d, "), "{algorithm}");
}

/// A coin of an algorithm that no preset has.
fn of_algorithm(name: &str, keys: &str) -> String {
    least(
        "payout_address",
        &format!("algorithm = \"{name}\"\nmpos_bits = 16\nblock_hash = \"pow\"\n{keys}\npayout_address"),
    )
}

#[test]
fn costs_that_grow_with_time_are_the_coins() {
    let algorithm = |name, keys: &str| {
        let accepted = format!("accept_unproven = true\n{keys}");
        read(&of_algorithm(name, &accepted)).coins[0].profile.algorithm
    };
    let steps = algorithm("scrypt-n", "scrypt_n_steps = [[8192, 300], [512, 0], [1024, 200]]");
    let expected = Steps::new([(9, 0), (10, 200), (13, 300)]).unwrap();
    assert_eq!(steps, Algorithm::MemoryHard(MemoryHard::ScryptN(expected)));
    assert_eq!(algorithm("scrypt-n", ""), Algorithm::MemoryHard(MemoryHard::ScryptN(Steps::VERTCOIN)));
    let keys = "scrypt_jane_start = 5\nscrypt_jane_factors = [6, 16]\nscrypt_jane_fixed = [1446336000, 14]";
    let growth = Growth { chain_start: 5, factor_min: 6, factor_max: 16, fixed_from: Some((1_446_336_000, 14)) };
    assert_eq!(algorithm("scrypt-jane", keys), Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)));
    let neoscrypt = algorithm("neoscrypt", "");
    assert_eq!(neoscrypt, Algorithm::MemoryHard(MemoryHard::NeoScrypt));
}

#[test]
fn costs_beyond_the_memory_of_a_hash_are_refused() {
    one_mistake(&of_algorithm("scrypt-jane", ""), &["algorithm", "not supported", "at most 67108864 bytes"]);
    one_mistake(&of_algorithm("scrypt", "scrypt_log_n = 20"), &["scrypt_log_n", "19"]);
    one_mistake(&of_algorithm("scrypt", "scrypt_r = 65"), &["scrypt_r", "64"]);
    one_mistake(
        &of_algorithm("scrypt", "scrypt_log_n = 19\nscrypt_r = 2"),
        &["algorithm", "log_n 19", "not supported"],
    );
    one_mistake(&of_algorithm("scrypt", "scrypt_log_n = 14\nscrypt_r = 33"), &["algorithm", "r 33", "not supported"]);
    for (log_n, r) in [(19, 1), (1, 64), (13, 64), (14, 32)] {
        let keys = format!("scrypt_log_n = {log_n}\nscrypt_r = {r}\naccept_unproven = true\naccept_expensive = true");
        let algorithm = read(&of_algorithm("scrypt", &keys)).coins[0].profile.algorithm;
        assert_eq!(algorithm, Algorithm::Scrypt { log_n, r });
    }
    one_mistake(&of_algorithm("scrypt-n", "scrypt_n_steps = [[1048576, 0]]"), &["log_n 20", "not supported"]);
    for bad in ["[]", "[[1000, 0]]", "[[1, 0]]", "[[2048, 0, 1]]", "[2048, 0]", "[[4294967296, 0]]"] {
        one_mistake(&of_algorithm("scrypt-n", &format!("scrypt_n_steps = {bad}")), &["scrypt_n_steps"]);
    }
    for bad in ["[6]", "[16, 6]", "[4, 31]", "4"] {
        one_mistake(&of_algorithm("scrypt-jane", &format!("scrypt_jane_factors = {bad}")), &["scrypt_jane_factors"]);
    }
    one_mistake(&of_algorithm("neoscrypt", "scrypt_jane_start = 5"), &["no meaning for neoscrypt", "scrypt-jane"]);
}

#[test]
fn vardiff_bounds_that_cannot_be_kept() {
    let vardiff = |keys: &str| least("difficulty = 16", &format!("difficulty = 16\nvardiff = {{ {keys} }}"));
    assert_eq!(problems(&vardiff("min = 16, max = 16")), []);
    one_mistake(&vardiff("min = 32, max = 64"), &["port[0].difficulty = 16", "outside vardiff's bounds, 32 to 64"]);
    one_mistake(&vardiff("min = 1, max = 8"), &["port[0].difficulty = 16", "outside vardiff's bounds, 1 to 8"]);
    one_mistake(&vardiff("min = 0, max = 64"), &["vardiff.min = 0", "above zero"]);
    one_mistake(&vardiff("min = 1, max = inf"), &["vardiff.max = inf"]);
    one_mistake(&vardiff("min = 1"), &["vardiff.max", "required"]);
    one_mistake(&vardiff("min = 1, max = 64, target_secs = 0"), &["vardiff.target_secs = 0"]);
    one_mistake(&vardiff("min = 1, max = 64, target_secs = 61"), &["target_secs = 61", "MPOS", "120 s", "600 s"]);
    one_mistake(&vardiff("min = 1, max = 64, retarget_secs = 0"), &["retarget_secs = 0"]);
    for bad in ["0", "100", "-5", "nan"] {
        one_mistake(&vardiff(&format!("min = 1, max = 64, variance_percent = {bad}")), &["variance_percent", bad]);
    }
    let swapped = problems(&vardiff("min = 64, max = 1"));
    assert!(swapped.iter().any(|problem| problem.what == "is above max, 1"), "{swapped:?}");
}

#[test]
fn addresses_of_the_daemons_own_stay_apart_from_the_ports() {
    let with = |table: &str| format!("{table}\n{LEAST}");
    for clash in ["127.0.0.1:3333", "[::1]:3333"] {
        // `0.0.0.0` leaves IPv6 alone.
        let parts = &["coin[litecoin].port[0].listen", clash, "give every port"];
        let metrics = with(&format!("[metrics]\nlisten = \"{clash}\"")).replace("0.0.0.0:3333", clash);
        one_mistake(&metrics, &[parts, &["of [metrics]"][..]].concat());
        let nomp = with(&format!("[daemon]\nnomp_listen = \"{clash}\"")).replace("0.0.0.0:3333", clash);
        one_mistake(&nomp, &[parts, &["of nomp_listen"][..]].concat());
    }
    one_mistake(&with("[metrics]\nlisten = \"127.0.0.1:3333\""), &["127.0.0.1:3333 of [metrics]"]);
    let both = "[daemon]\nnomp_listen = \"127.0.0.1:9\"\n[metrics]\nlisten = \"127.0.0.1:9\"";
    one_mistake(&with(both), &["daemon.nomp_listen = \"127.0.0.1:9\"", "clashes with 127.0.0.1:9 of [metrics]"]);
    assert_eq!(problems(&with(&both.replacen(":9", ":8", 1))), []);
}

#[test]
fn coins_that_get_in_each_others_way() {
    one_mistake(&second("\"dogecoin\"\npreset", "\"litecoin\"\npreset"), &["name of an earlier coin"]);
    for clash in ["127.0.0.1:3333", "[::]:3333", "0.0.0.0:3333"] {
        one_mistake(&second("0.0.0.0:3334", clash), &["coin[dogecoin].port[0].listen", "0.0.0.0:3333 of litecoin"]);
    }
    one_mistake(&second("Dpool", "Lpool"), &["coin[dogecoin].payout_address", "instance"]);
    assert_eq!(problems(&second("Dpool\"", "Lpool\"\ninstance = 1")), []);
    for host in ["localhost", "127.0.0.1"] {
        let same = format!("database = \"mpos\"\nhost = \"{host}\"");
        one_mistake(&second("database = \"mpos_doge\"", &same), &["coin[dogecoin].mpos", "same `chain ="]);
    }
    assert_eq!(problems(&second("database = \"mpos_doge\"", "database = \"mpos\"\nhost = \"other\"")), []);
    let chained = |one: &str, two: &str| {
        let text = LEAST.replace("Lpool\"", &format!("Lpool\"\nchain = \"{one}\""));
        text + &SECOND.replace("Dpool\"", &format!("Dpool\"\nchain = \"{two}\"")).replace("mpos_doge", "mpos")
    };
    assert_eq!(problems(&chained("x", "x")), []);
    one_mistake(&chained("x", "y"), &["coin[dogecoin].mpos", "`shares` table of litecoin"]);
    one_mistake(&(chained("x", "x") + "[coin.ledger]\nsegment_mib = 8"), &["one spool with litecoin", "the same"]);
}
