//! Every key of the format is changed once, alone, and the list of changes says so with the right effect.

use std::collections::BTreeSet;
use std::path::Path;

use mpos_stratum::config::change::{Change, Effect, Plan, plan};
use mpos_stratum::config::{self, Config};
use toml::{Table, Value};

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// What all changes are made to. `DIR` has certificates and passwords.
const BASE: &str = r#"
[daemon]
state_dir = "/var/lib/pool"
[[coin]]
name = "litecoin"
preset = "litecoin"
payout_address = "Lpool"
fallback_worker = "pool.fallback"
accept_unproven = true
accept_expensive = true
p2p_magic = "fbc0b6db"
[[coin.node]]
url = "http://127.0.0.1:9332"
name = "home"
user = "rpc"
password = "hunter2"
p2p = "127.0.0.1:9333"
[[coin.port]]
listen = "0.0.0.0:3333"
difficulty = 16
[coin.port.vardiff]
min = 1
max = 65536
[coin.mpos]
user = "mpos"
password = "hunter2"
database = "mpos"
"#;

/// Key, value, what becomes of it; behind `with`, separated by `&`, what both files have beside, or with `<-` only the
/// changed one. `!` takes a key away.
const CHANGES: &str = r#"
daemon.state_dir = "/other" | restart
daemon.runtime_dir = "/other" | restart
daemon.nomp_listen = "127.0.0.1:17117" | restart
daemon.worker_threads = 4 | restart
daemon.hasher_threads = 3 | restart
daemon.log_level = "debug" | now
daemon.log_level = "info,stratum=debug" | now
daemon.log_file = "/var/log/mpos-stratum/daemon.log" | now
daemon.connections_max = 100 | now
metrics.listen = "127.0.0.1:9100" | restart
metrics.allow_remote = true | nothing
tls.certificate_file = "DIR/b.pem" | new | with tls.certificate_file = "DIR/a.pem" & tls.key_file = "DIR/a.key" & coin.port.tls = "required" & tls.key_file <- "DIR/b.key"
tls.key_file = "DIR/a2.key" | new | with tls.certificate_file = "DIR/a.pem" & tls.key_file = "DIR/a.key" & coin.port.tls = "required"
tls.handshakes_max = 10 | now
tls.handshake_timeout_secs = 6 | now
coin.name = "other" | coin
coin.preset = "dogecoin" | restart
coin.algorithm = "x11" | restart | with coin.stratum_bits = 32 & coin.mpos_bits = 32
coin.scrypt_log_n = 11 | restart
coin.scrypt_r = 2 | restart
coin.scrypt_n_steps = [[2048, 0], [4096, 1456415082]] | restart | with coin.algorithm = "scrypt-n" & coin.block_hash = "sha256d" & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.scrypt_jane_start = 1367991201 | restart | with coin.algorithm = "scrypt-jane" & coin.scrypt_jane_factors = [4, 10] & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.scrypt_jane_factors = [4, 11] | restart | with coin.algorithm = "scrypt-jane" & coin.scrypt_jane_start = 1367991200 & coin.scrypt_jane_factors = [4, 10] & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.scrypt_jane_fixed = [1446336000, 9] | restart | with coin.algorithm = "scrypt-jane" & coin.scrypt_jane_start = 1367991200 & coin.scrypt_jane_factors = [4, 10] & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.odocrypt_epoch_secs = 86400 | restart | with coin.algorithm = "odocrypt" & coin.mpos_bits = 32 & coin.stratum_bits = 32
coin.argon2d_t = 3 | restart | with coin.algorithm = "argon2d-dyn" & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.argon2d_m_kib = 250 | restart | with coin.algorithm = "argon2d-dyn" & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.argon2d_lanes = 4 | restart | with coin.algorithm = "argon2d-dyn" & coin.mpos_bits = 16 & coin.stratum_bits = 16
coin.stratum_bits = 17 | restart
coin.mpos_bits = 17 | restart
coin.block_hash = "pow" | restart
coin.transaction_hash = "sha256" | restart
coin.header = "lbry" | restart
coin.vote_max = 8 | restart | with coin.header = "heavycoin"
coin.accept_unproven = false | nothing
coin.accept_expensive = false | nothing
coin.version_mask = "1fffe000" | restart
coin.allow_ntime_rolling = false | restart
coin.template_rules = ["segwit", "other"] | restart
coin.bare_template_requests = true | restart
coin.template_algorithm = "scrypt" | restart
coin.algorithm_bits_mask = "00000f00" | restart
coin.algorithm_bits = "00000600" | restart | with coin.algorithm_bits_mask = "00000f00"
coin.payee_members = ["fund"] | restart
coin.ignored_members = ["fund"] | restart
coin.payees_beside_value = true | restart
coin.transaction_time = true | restart
coin.block_signature = true | restart
coin.pays_public_key = true | restart | with !coin.node.p2p
coin.transaction_messages = true | restart
coin.transaction_message = "x" | restart | with coin.transaction_messages = true
coin.lock_to_height = true | restart
coin.several_algorithms = true | restart
coin.fixed_output_required = false | nothing
coin.payout_address = "Lother" | restart
coin.coinbase_text = "/other/" | restart
coin.instance = 1 | restart
coin.fallback_worker = "pool.other" | restart
coin.confirmations = 121 | restart
coin.chain = "litecoin" | nothing
coin.emit_invalid_block_hashes = true | now
coin.extranonce2_bytes = 5 | restart
coin.p2p_magic = "fbc0b6dc" | now
coin.p2p_port = 9444 | now | with coin.node.p2p = "127.0.0.1"
coin.addresses.pubkey_hash = [48] | restart
coin.addresses.script_hash = [5] | restart
coin.addresses.segwit = ["x"] | restart
coin.addresses.cash = ["x"] | restart
coin.fixed_output.addresses = ["script:52"] | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.percent = 5
coin.fixed_output.percent = 6 | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.percent = 5
coin.fixed_output.amount = 6 | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.amount = 5
coin.fixed_output.from_height = 6 | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.amount = 5
coin.fixed_output.to_height = 6 | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.amount = 5
coin.fixed_output.unless_members = ["treasury"] | restart | with coin.fixed_output.addresses = ["script:51"] & coin.fixed_output.amount = 5
coin.recipient.address = "script:52" | restart | with coin.recipient.address = "script:51" & coin.recipient.percent = 1.5
coin.recipient.percent = 2.5 | restart | with coin.recipient.address = "script:51" & coin.recipient.percent = 1.5
coin.node.url = "http://127.0.0.1:9334" | now
coin.node.ca_file = "DIR/b.pem" | now | with coin.node.url = "https://127.0.0.1:9332" & coin.node.ca_file = "DIR/a.pem"
coin.node.name = "other" | now
coin.node.user = "other" | now
coin.node.password = "other" | now
coin.node.password_file = "DIR/other" | now | with !coin.node.password & coin.node.password_file = "DIR/word"
coin.node.cookie_file = "/other" | now | with !coin.node.password & !coin.node.user & coin.node.cookie_file = "/one"
coin.node.timeout_secs = 31 | now
coin.node.p2p = "127.0.0.1:9444" | now
coin.node.p2p_push_blocks = false | now
coin.node.p2p_version = 70016 | now
coin.node.wallet = "pool" | now
coin.node.zmq = "tcp://127.0.0.1:28332" | now
coin.schedule.retarget_blocks = 2017 | restart | with coin.schedule.retarget_blocks = 2016 & coin.schedule.halving_blocks = 210000 & coin.schedule.first_subsidy = 5000000000
coin.schedule.halving_blocks = 210001 | restart | with coin.schedule.retarget_blocks = 2016 & coin.schedule.halving_blocks = 210000 & coin.schedule.first_subsidy = 5000000000
coin.schedule.first_subsidy = 5000000001 | restart | with coin.schedule.retarget_blocks = 2016 & coin.schedule.halving_blocks = 210000 & coin.schedule.first_subsidy = 5000000000
coin.templates.poll_ms = 500 | now
coin.templates.refresh_secs = 31 | now
coin.templates.longpoll = false | now
coin.templates.empty_block_after_ms = 200 | now | with coin.schedule.retarget_blocks = 2016 & coin.schedule.halving_blocks = 210000 & coin.schedule.first_subsidy = 5000000000
coin.templates.stale_after_secs = 121 | now
coin.update_block.password = "other" | now | with coin.update_block.password = "one"
coin.update_block.password_file = "DIR/other" | now | with coin.update_block.password_file = "DIR/word"
coin.update_block.password_sha256 = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d9" | now | with coin.update_block.password_sha256 = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
coin.update_block.from = ["10.0.0.0/8"] | now | with coin.update_block.password = "one"
coin.port.listen = "0.0.0.0:3334" | port
coin.port.difficulty = 32 | now
coin.port.extranonce2_bytes = 5 | restart
coin.port.connections_max = 10 | now
coin.port.line_bytes_max = 9000 | new
coin.port.subscribe_timeout_secs = 16 | now
coin.port.idle_timeout_secs = 601 | now
coin.port.write_timeout_secs = 11 | now
coin.port.keepalive_secs = 40 | now
coin.port.tls = "detect" | new | with coin.port.tls = "required" & coin.port.tls_certificate_file = "DIR/a.pem" & coin.port.tls_key_file = "DIR/a.key"
coin.port.tls_certificate_file = "DIR/a2.pem" | new | with coin.port.tls = "required" & coin.port.tls_certificate_file = "DIR/a.pem" & coin.port.tls_key_file = "DIR/a.key"
coin.port.tls_key_file = "DIR/a2.key" | new | with coin.port.tls = "required" & coin.port.tls_certificate_file = "DIR/a.pem" & coin.port.tls_key_file = "DIR/a.key"
coin.port.proxy_protocol = "optional_from_trusted" | new | with coin.port.proxy_protocol = "required" & coin.port.trusted_proxies = ["10.0.0.1"]
coin.port.trusted_proxies = ["10.0.0.2"] | new | with coin.port.proxy_protocol = "required" & coin.port.trusted_proxies = ["10.0.0.1"]
coin.port.proxy_timeout_secs = 6 | new | with coin.port.proxy_protocol = "required" & coin.port.trusted_proxies = ["10.0.0.1"]
coin.port.connections_per_address_max = 10 | now
coin.port.connections_per_sec = 51 | now
coin.port.connections_burst = 201 | now
coin.port.messages_per_sec = 101 | now
coin.port.messages_burst = 401 | now
coin.port.failed_authorizations_per_min = 6 | now
coin.port.authorization_delay_secs = 61 | now
coin.port.ban_closes = 3 | now
coin.port.ban_window_secs = 601 | now
coin.port.ban_secs = 601 | now
coin.port.exempt = [] | new
coin.port.share_tolerance_percent = 0.6 | now
coin.port.stale_grace_secs = 1 | now
coin.port.race_window_secs = 31 | now
coin.port.start_difficulty_from = ["password"] | new
coin.port.agent_difficulties = [{ agent = "x", difficulty = 5 }] | new
coin.port.apply = "next_job" | now
coin.port.jobs_before_auth = false | new
coin.port.authorize_timeout_secs = 61 | new
coin.port.invalid_percent_max = 51 | now
coin.port.junk_lines_max = 4 | now
coin.port.failed_logins_max = 4 | now
coin.port.workers_max = 255 | now
coin.port.jobs_max = 15 | now
coin.port.unsent_bytes_max = 262143 | now
coin.port.invalid_window_shares = 501 | now
coin.port.invalid_window_secs = 601 | now
coin.port.resume_window_secs = 601 | now
coin.port.reconnect_on_stop = true | now
coin.port.advertise = "pool.example.org:3333" | now
coin.port.message = "Welcome" | new
coin.port.ask_version = true | new
coin.port.vardiff.min = 2 | now
coin.port.vardiff.max = 65537 | now
coin.port.vardiff.target_secs = 16 | now
coin.port.vardiff.retarget_secs = 91 | now
coin.port.vardiff.variance_percent = 31 | now
coin.port.vardiff.max_jump_percent = 100 | now
coin.port.vardiff.double_steps = true | now
coin.port.vardiff.grid = "integer" | now
coin.mpos.host = "192.0.2.1" | restart
coin.mpos.port = 3307 | restart
coin.mpos.socket = "/run/mysqld/mysqld.sock" | restart
coin.mpos.user = "other" | new
coin.mpos.password = "other" | new
coin.mpos.password_file = "DIR/other" | new | with !coin.mpos.password & coin.mpos.password_file = "DIR/word"
coin.mpos.database = "other" | restart
coin.mpos.accounts_database = "other" | restart
coin.mpos.workers_database = "other" | restart
coin.mpos.failover = ["192.0.2.8:3306"] | restart
coin.mpos.allow_myisam = "at_least_once" | restart
coin.mpos.ca_file = "DIR/a.pem" | restart
coin.workers.check_password = false | restart
coin.workers.auto_create = true | restart
coin.workers.refuse_locked = false | restart
coin.workers.cache_secs = 61 | restart
coin.workers.negative_cache_secs = 11 | restart
coin.workers.remember_hours = 169 | restart
coin.workers.recheck_secs = 601 | now
coin.workers.pool_worker_difficulty = "off" | restart
coin.ledger.durability = "power" | restart
coin.ledger.sync_interval_ms = 51 | restart
coin.ledger.segment_mib = 17 | restart
coin.ledger.spool_mib_max = 2049 | restart
coin.ledger.keep_drained_hours = 169 | restart
coin.ledger.drained_mib_max = 1025 | restart
coin.ledger.batch_rows_max = 501 | restart
"#;

/// The table that a path leads to, and the key in it.
fn at<'t>(table: &'t mut Table, path: &str) -> (&'t mut Table, String) {
    let mut parts: Vec<&str> = path.split('.').collect();
    let key = parts.pop().unwrap().to_owned();
    let mut table = table;
    for part in parts {
        let is_list = matches!(part, "coin" | "node" | "port" | "recipient" | "fixed_output");
        let fresh =
            || if is_list { Value::Array(vec![Value::Table(Table::new())]) } else { Value::Table(Table::new()) };
        table = match table.entry(part).or_insert_with(fresh) {
            Value::Array(items) => items[0].as_table_mut().unwrap(),
            Value::Table(table) => table,
            other => panic!("{path}: {other}"),
        };
    }
    (table, key)
}

/// Carries out `path = value`, or `!path`.
fn set(table: &mut Table, setting: &str) {
    match setting.trim().strip_prefix('!') {
        Some(path) => {
            let (table, key) = at(table, path);
            table.remove(&key);
        }
        None => {
            let (path, value) = setting.split_once(" = ").unwrap();
            let (table, key) = at(table, path.trim());
            let value: Table = format!("value = {value}").parse().unwrap_or_else(|error| panic!("{setting}: {error}"));
            table.insert(key, value["value"].clone());
        }
    }
}

fn read(table: &Table, why: &str) -> Config {
    config::parse(Path::new("/etc/pool.toml"), toml::to_string(table).unwrap())
        .unwrap_or_else(|error| panic!("{why}: {error}"))
}

/// Two certificates, each key twice, and two passwords.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for copy in ["", "2"] {
            std::fs::write(folder.path().join(format!("{name}{copy}.pem")), made.cert.pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}{copy}.key")), made.signing_key.serialize_pem()).unwrap();
        }
    }
    for word in ["word", "other"] {
        std::fs::write(folder.path().join(word), word).unwrap();
    }
    folder
}

/// What became of a change, in a word.
fn word(change: &Change) -> &'static str {
    match change {
        Change::CoinAdded { .. } | Change::CoinRemoved { .. } => "coin",
        Change::PortAdded { .. } | Change::PortRemoved { .. } => "port",
        change => match change.effect() {
            Effect::AtOnce => "now",
            Effect::NewConnections => "new",
            Effect::Restart(_) => "restart",
        },
    }
}

#[test]
fn every_key_is_known_to_a_reload() {
    let folder = files();
    let folder = folder.path().display().to_string();
    let mut seen = BTreeSet::new();
    for line in CHANGES.trim().lines() {
        let line = line.replace("DIR", &folder);
        let mut parts = line.split(" | ");
        let (setting, expected) = (parts.next().unwrap(), parts.next().unwrap());
        let mut before: Table = BASE.parse().unwrap();
        let with = parts.next().and_then(|with| with.strip_prefix("with ")).unwrap_or_default();
        let with: Vec<&str> = with.split(" & ").filter(|with| !with.is_empty()).collect();
        with.iter().filter(|with| !with.contains(" <- ")).for_each(|with| set(&mut before, with));
        let mut after = before.clone();
        with.iter().filter(|with| with.contains(" <- ")).for_each(|with| set(&mut after, &with.replace(" <- ", " = ")));
        set(&mut after, setting);
        seen.insert(setting.split_once(" = ").unwrap().0.to_owned());
        let (before, after) = (read(&before, &line), read(&after, &line));
        let Plan { changes, config } = plan(&before, after.clone());
        let words: BTreeSet<&str> = changes.iter().map(word).collect();
        let wanted: BTreeSet<&str> = if expected == "nothing" { BTreeSet::new() } else { [expected].into() };
        assert_eq!(words, wanted, "{line}: {changes:?}");
        // What is in force is the old one where a restart is needed, and the new one else.
        let debug = |config: &Config| format!("{:?} {:?}", config.daemon, config.coins);
        let in_force = if expected == "restart" { &before } else { &after };
        assert_eq!(debug(&config), debug(in_force), "{line}");
        assert!(changes.iter().all(|change| !change.to_string().contains("hunter2")), "{changes:?}");
        assert_eq!(plan(&config, config.clone()).changes, [], "{line}");
    }
    let known = config::known_keys(Path::new("config.example.toml"), EXAMPLE.replace("\n#[", "\n["));
    let tables = ["coin", "daemon", "defaults", "metrics", "tls"];
    let is_table = |key: &str| seen.iter().any(|other| other.starts_with(&format!("{key}."))) || tables.contains(&key);
    let forgotten: Vec<&String> = known.keys().filter(|key| !seen.contains(*key) && !is_table(key)).collect();
    assert!(forgotten.is_empty(), "add them to the list above: {forgotten:?}");
}

#[test]
fn what_is_kept_together_is_named_by_the_key_that_changed() {
    for (setting, named) in [
        ("coin.mpos.host = \"192.0.2.1\"", "mpos.host"),
        ("coin.mpos.port = 3307", "mpos.port"),
        ("coin.mpos.socket = \"/run/mysqld/mysqld.sock\"", "mpos.socket"),
        ("coin.node.wallet = \"pool\"", "wallet"),
        ("coin.node.p2p = \"127.0.0.1:9444\"", "p2p"),
        ("coin.node.zmq = \"tcp://127.0.0.1:28332\"", "zmq"),
        ("coin.template_rules = [\"segwit\", \"other\"]", "template_rules"),
        ("coin.bare_template_requests = true", "bare_template_requests"),
        ("coin.addresses.pubkey_hash = [48]", "addresses"),
        ("coin.header = \"lbry\"", "header"),
        ("coin.lock_to_height = true", "lock_to_height"),
    ] {
        let before: Table = BASE.parse().unwrap();
        let mut after = before.clone();
        set(&mut after, setting);
        let changes = plan(&read(&before, setting), read(&after, setting)).changes;
        let keys: Vec<&str> = changes
            .iter()
            .map(|change| match change {
                Change::Setting { key, .. } => *key,
                other => panic!("{setting}: {other}"),
            })
            .collect();
        assert_eq!(keys, [named], "{setting}");
    }
}

#[test]
fn what_comes_and_goes_is_named() {
    let before: Table = BASE.parse().unwrap();
    let mut after = before.clone();
    let port: Table = "listen = \"0.0.0.0:4444\"\ndifficulty = 1".parse().unwrap();
    let node: Table = "name = \"spare\"\nurl = \"http://127.0.0.1:1\"\nuser = \"u\"\npassword = \"p\"".parse().unwrap();
    for (list, item) in [("port", port), ("node", node)] {
        let (coin, _) = at(&mut after, "coin.name");
        coin[list].as_array_mut().unwrap().insert(0, Value::Table(item));
    }
    let (before, after) = (read(&before, "before"), read(&after, "after"));
    let said = |one: &Config, two: &Config| -> Vec<String> {
        plan(one, two.clone()).changes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(said(&before, &after), ["coin litecoin: node spare added", "coin litecoin: port 0.0.0.0:4444 added"]);
    assert_eq!(
        said(&after, &before),
        ["coin litecoin: node spare removed", "coin litecoin: port 0.0.0.0:4444 removed"]
    );
    let mut reordered = after.clone();
    let mut coin = (*reordered.coins[0]).clone();
    coin.nodes.reverse();
    reordered.coins[0] = coin.into();
    assert_eq!(
        said(&after, &reordered),
        ["coin litecoin: order of nodes [\"spare\", \"home\"] -> [\"home\", \"spare\"]"]
    );
    let plan = plan(&before, before.clone());
    assert!(plan.changes.is_empty());
    assert!(std::sync::Arc::ptr_eq(&plan.config.coins[0], &before.coins[0]), "nothing changes, nothing is replaced");
}
