//! Every check, and what its remedy names.

use std::collections::BTreeSet;
use std::process::Command;

/// Ids, and words of the remedies: each word is heard of a planted fault before the tests of the doctor pass.
pub const REMEDIES: &[(&str, &[&str])] = &[
    ("config.loads", &["mpos-stratum check"]),
    ("config.warnings", &["chmod o-rwx"]),
    ("machine.clock", &["set-ntp"]),
    ("machine.open_files", &["LimitNOFILE=356"]),
    ("machine.ports", &["ss -ltnp", "first work"]),
    ("machine.daemon", &["systemctl start"]),
    ("machine.notify", &["runtime_dir"]),
    ("spool.files", &["from a backup"]),
    ("spool.room", &["spool_mib_max"]),
    ("spool.inodes", &["df -i"]),
    ("spool.place", &["local disk"]),
    ("spool.modes", &["chmod go-w"]),
    ("spool.drain", &["spool status"]),
    ("spool.undrained", &["systemctl start"]),
    ("spool.bound", &["spool_mib_max"]),
    ("spool.quarantine", &["spool replay"]),
    ("spool.damage", &["spool verify"]),
    ("spool.position", &["spool rewind"]),
    ("spool.stray", &["failover", "one after the other"]),
    ("writer.other", &["spool adopt"]),
    ("writer.strangers", &["stop the other server"]),
    ("db.reachable", &["mariadb --host"]),
    ("db.read_only", &["SET GLOBAL read_only = 0"]),
    ("db.version", &["10.2.4", "to MariaDB"]),
    ("db.sql_mode", &["SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'", "recommends STRICT_TRANS_TABLES"]),
    ("db.time_zone", &["default_time_zone"]),
    ("db.clock", &["set-ntp"]),
    ("db.connections", &["SET GLOBAL max_connections = 20"]),
    (
        "db.grants",
        &[
            "GRANT INSERT ON pool.shares",
            "GRANT UPDATE (difficulty) ON pool.pool_worker",
            "GRANT SELECT ON pool.settings",
        ],
    ),
    ("db.grants_excess", &["REVOKE"]),
    ("db.own_tables", &["mpos-stratum.sql"]),
    ("db.mpos_tables", &["grants.sql"]),
    ("db.columns", &["MODIFY reason varchar(50)", "000_base_structure.sql"]),
    ("db.engine", &["ALTER TABLE shares ENGINE=InnoDB", "ALTER TABLE blocks ENGINE=InnoDB"]),
    ("db.indexes", &["ADD KEY (time)"]),
    ("db.share_ids", &["AUTO_INCREMENT = 901"]),
    ("db.id_room", &["BIGINT"]),
    ("db.size", &["tables_cleanup", "target_secs"]),
    ("mpos.version", &["run_upgrades.php"]),
    ("mpos.cron_disabled", &["findblock.php -f"]),
    ("mpos.cron_failed", &["statistics.php -v"]),
    ("mpos.cron_late", &["run-payout.sh"]),
    ("mpos.maintenance", &["Admin Panel"]),
    ("mpos.unmatched_blocks", &["audit --block 1"]),
    ("mpos.unpaid_blocks", &["pplns_payout.php"]),
    ("mpos.payout_mark", &["UPDATE settings"]),
    ("mpos.lost_blocks", &["audit --block 2"]),
    ("mpos.pending_blocks", &["audit --block 2"]),
    ("mpos.share_factor", &["mpos_bits"]),
    ("mpos.zero_rounds", &["mpos.version"]),
    ("workers.fallback", &["fallback_worker"]),
    ("workers.odd_names", &["account.worker"]),
    ("workers.without_account", &["DELETE FROM pool_worker"]),
    ("workers.of_others", &["rename them"]),
    ("workers.locked", &["refuse_locked"]),
    ("wallet.payout_owned", &["getnewaddress"]),
    ("wallet.one_output", &["another wallet"]),
    ("wallet.unlocked", &["walletpassphrase"]),
    ("mpos.file", &["--mpos"]),
    ("wallet.reachable", &["rpcpassword"]),
    ("mpos.algorithm", &["mpos_bits = 16"]),
    ("mpos.database", &["accounts_database = \"elsewhere\""]),
    ("mpos.confirmations", &["confirmations = 240"]),
    ("mpos.stratum_port", &["stratumport"]),
    ("mpos.pps", &["pplns"]),
    ("mpos.low_difficulty", &["vardiff.min"]),
    ("node.reachable", &["rpcallowip"]),
    ("node.synced", &["initialblockdownload"]),
    ("node.template", &["template_rules"]),
    ("node.profile", &["preset"]),
    ("node.one_chain", &["reindex"]),
    ("node.peers", &["addnode"]),
    ("node.warnings", &["newer one"]),
    ("node.zmq", &["zmq ="]),
];

#[test]
fn every_check_is_planted_and_nothing_is_planted_that_is_no_check() {
    let output = Command::new(env!("CARGO_BIN_EXE_mpos-stratum")).args(["doctor", "--list"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let listed: BTreeSet<&str> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    let planted: BTreeSet<&str> = REMEDIES.iter().map(|(id, _)| *id).collect();
    assert_eq!(planted.len(), REMEDIES.len(), "a check is here twice");
    let missing: Vec<_> = listed.difference(&planted).collect();
    assert!(missing.is_empty(), "checks that no test plants: give each its fault in tests/doctor: {missing:?}");
    let unknown: Vec<_> = planted.difference(&listed).collect();
    assert!(unknown.is_empty(), "planted, but no checks: {unknown:?}");
    assert!(REMEDIES.iter().all(|(_, words)| !words.is_empty()));
}
