//! Each fault by itself.

use crate::catalogue::REMEDIES;
use crate::coin_node::Says;
use crate::pool::{OTHER_ADDRESS, POOL_ADDRESS, Pool};
use crate::ward::Ward;
use crate::{at_work, machine, server};

/// Faults in the database: what plants it, what takes it away again, the check, and its severity.
const IN_DATABASE: &[(&str, &str, &str, &str)] = &[
    (
        "SET GLOBAL sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES'",
        "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'",
        "db.sql_mode",
        "fault",
    ),
    ("SET GLOBAL sql_mode = ''", "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'", "db.sql_mode", "note"),
    ("SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "db.read_only", "fault"),
    ("SET GLOBAL time_zone = '+02:00'", "SET GLOBAL time_zone = '+00:00'", "db.time_zone", "note"),
    (
        "SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 60'",
        "SET GLOBAL init_connect = ''",
        "db.clock",
        "warning",
    ),
    (
        "REVOKE INSERT ON shares FROM mpos_stratum@localhost",
        "GRANT INSERT ON shares TO mpos_stratum@localhost",
        "db.grants",
        "fault",
    ),
    (
        "REVOKE UPDATE (difficulty) ON pool_worker FROM mpos_stratum@localhost",
        "GRANT UPDATE (difficulty) ON pool_worker TO mpos_stratum@localhost",
        "db.grants",
        "fault",
    ),
    (
        "GRANT DELETE ON shares TO mpos_stratum@localhost",
        "REVOKE DELETE ON shares FROM mpos_stratum@localhost",
        "db.grants_excess",
        "note",
    ),
    (
        "ALTER TABLE mpos_stratum_block RENAME COLUMN share_row TO old",
        "ALTER TABLE mpos_stratum_block RENAME COLUMN old TO share_row",
        "db.own_tables",
        "fault",
    ),
    ("ALTER TABLE shares ENGINE=MyISAM", "ALTER TABLE shares ENGINE=InnoDB", "db.engine", "fault"),
    ("ALTER TABLE blocks ENGINE=MyISAM", "ALTER TABLE blocks ENGINE=InnoDB", "db.engine", "warning"),
    (
        "ALTER TABLE shares MODIFY reason VARCHAR(20)",
        "ALTER TABLE shares MODIFY reason VARCHAR(50)",
        "db.columns",
        "fault",
    ),
    (
        "ALTER TABLE blocks RENAME COLUMN worker_name TO name",
        "ALTER TABLE blocks RENAME COLUMN name TO worker_name",
        "db.columns",
        "fault",
    ),
    ("ALTER TABLE shares DROP KEY time", "ALTER TABLE shares ADD KEY time (time)", "db.indexes", "warning"),
    (
        "INSERT INTO settings (name, value) VALUES ('pps_last_share_id', '900')",
        "DELETE FROM settings WHERE name LIKE 'pps%'",
        "db.share_ids",
        "fault",
    ),
    (
        "ALTER TABLE shares AUTO_INCREMENT = 2000000000; ALTER TABLE shares_archive MODIFY share_id INT NOT NULL",
        "ALTER TABLE shares_archive MODIFY share_id BIGINT UNSIGNED NOT NULL; ALTER TABLE shares AUTO_INCREMENT = 4",
        "db.id_room",
        "warning",
    ),
    (
        "UPDATE settings SET value = '1.0.2' WHERE name = 'DB_VERSION'",
        "UPDATE settings SET value = '1.0.3' WHERE name = 'DB_VERSION'",
        "mpos.version",
        "warning",
    ),
    (
        "UPDATE settings SET value = '0.0.7' WHERE name = 'DB_VERSION'",
        "UPDATE settings SET value = '1.0.3' WHERE name = 'DB_VERSION'",
        "mpos.version",
        "fault",
    ),
    (
        "INSERT INTO settings (name, value) VALUES ('maintenance', '1')",
        "DELETE FROM settings WHERE name = 'maintenance'",
        "mpos.maintenance",
        "warning",
    ),
    (
        "UPDATE monitoring SET value = '1' WHERE name = 'findblock_disabled'",
        "UPDATE monitoring SET value = '0' WHERE name = 'findblock_disabled'",
        "mpos.cron_disabled",
        "fault",
    ),
    (
        "UPDATE monitoring SET value = '1' WHERE name = 'statistics_status'",
        "UPDATE monitoring SET value = '0' WHERE name = 'statistics_status'",
        "mpos.cron_failed",
        "warning",
    ),
    (
        "UPDATE monitoring SET value = UNIX_TIMESTAMP() - 3600 WHERE name = 'findblock_endtime'",
        "UPDATE monitoring SET value = UNIX_TIMESTAMP() WHERE name = 'findblock_endtime'",
        "mpos.cron_late",
        "warning",
    ),
    (
        "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time) VALUES (1, 'a', 5, 50, 1, UNIX_TIMESTAMP() - 700)",
        "DELETE FROM blocks",
        "mpos.unmatched_blocks",
        "warning",
    ),
    (
        "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, shares, share_id) VALUES (1, 'a', 5, 50, 1, UNIX_TIMESTAMP() - 4000, 1, 1)",
        "DELETE FROM blocks",
        "mpos.unpaid_blocks",
        "warning",
    ),
    (
        "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, shares, share_id, accounted) VALUES (1, 'a', 5, 50, 1, 1, 0, 1, 1)",
        "DELETE FROM blocks",
        "mpos.zero_rounds",
        "warning",
    ),
    (
        "INSERT INTO blocks (height, blockhash, confirmations, amount, difficulty, time, shares, share_id, accounted) SELECT seq, seq, 5, 50, 1, 1, 1000, 1, 1 FROM seq_1_to_8",
        "DELETE FROM blocks",
        "mpos.share_factor",
        "warning",
    ),
    (
        "INSERT INTO settings (name, value) VALUES ('last_accounted_block_id', '70000')",
        "DELETE FROM settings WHERE name LIKE 'last%'",
        "mpos.payout_mark",
        "fault",
    ),
    (
        "INSERT INTO mpos_stratum_block SET spool_id = 'a', seq = 1, share_id = 1, height = 2, hash = 'ff', coinbase_txid = 'a', header_time = 1, worker = 'alice.rig', accepted_time = 1, stored_at = UTC_TIMESTAMP() - INTERVAL 1 HOUR, verdict = 'accepted'",
        "DELETE FROM mpos_stratum_block",
        "mpos.lost_blocks",
        "fault",
    ),
    (
        "INSERT INTO mpos_stratum_block SET spool_id = 'a', seq = 1, share_id = 1, height = 2, hash = 'ff', coinbase_txid = 'a', header_time = 1, worker = 'alice.rig', accepted_time = 1, stored_at = UTC_TIMESTAMP() - INTERVAL 1 HOUR",
        "DELETE FROM mpos_stratum_block",
        "mpos.pending_blocks",
        "warning",
    ),
    (
        "UPDATE pool_worker SET username = 'pool.other' WHERE username = 'pool.fallback'",
        "UPDATE pool_worker SET username = 'pool.fallback' WHERE username = 'pool.other'",
        "workers.fallback",
        "warning",
    ),
    (
        "INSERT INTO pool_worker (account_id, username) VALUES (1, 'nodot')",
        "DELETE FROM pool_worker WHERE username = 'nodot'",
        "workers.odd_names",
        "warning",
    ),
    (
        "INSERT INTO pool_worker (account_id, username) VALUES (1, 'ghost.rig')",
        "DELETE FROM pool_worker WHERE username = 'ghost.rig'",
        "workers.without_account",
        "warning",
    ),
    (
        "INSERT INTO pool_worker (account_id, username) VALUES (1, 'bob.two')",
        "DELETE FROM pool_worker WHERE username = 'bob.two'",
        "workers.of_others",
        "warning",
    ),
    (
        "UPDATE accounts SET is_locked = 2 WHERE username = 'bob'",
        "UPDATE accounts SET is_locked = 0 WHERE username = 'bob'",
        "workers.locked",
        "note",
    ),
    (
        "UPDATE mpos_stratum_cursor SET seq = seq - 1",
        "UPDATE mpos_stratum_cursor SET seq = seq + 1",
        "spool.position",
        "fault",
    ),
    (
        "CREATE TABLE kept AS SELECT * FROM mpos_stratum_cursor; UPDATE mpos_stratum_cursor SET spool_id = REPEAT('f', 32), lease_at = UTC_TIMESTAMP(3)",
        "REPLACE INTO mpos_stratum_cursor SELECT * FROM kept",
        "writer.other",
        "fault",
    ),
    (
        "INSERT INTO shares (rem_host, username, our_result, upstream_result, solution, difficulty) VALUES ('', 'alice.rig', 'Y', 'N', '', 16)",
        "DELETE FROM shares WHERE difficulty = 16",
        "writer.strangers",
        "fault",
    ),
];

/// A fault of a node or of MPOS's wallet.
type AtNode = (&'static str, fn(&mut Says), &'static str, &'static str);

const AT_NODE: &[AtNode] = &[
    ("away", |says| says.answers = false, "node.reachable", "fault"),
    ("behind", |says| says.headers = 100, "node.synced", "fault"),
    ("catching up", |says| says.catching_up = true, "node.synced", "fault"),
    ("no template", |says| says.template_fails = true, "node.template", "fault"),
    (
        "another chain",
        |says| says.first = "11111111839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
        "node.profile",
        "fault",
    ),
    (
        "another network",
        |says| says.genesis = "22222222839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
        "node.one_chain",
        "fault",
    ),
    ("lonely", |says| says.peers = 0, "node.peers", "fault"),
    ("few peers", |says| says.peers = 2, "node.peers", "warning"),
    ("a warning", |says| says.warnings = "old version", "node.warnings", "note"),
    ("an unused publisher", |says| says.zmq = Some("tcp://127.0.0.1:28332"), "node.zmq", "note"),
];

const AT_WALLET: &[AtNode] = &[
    ("not its address", |says| says.owns.clear(), "wallet.payout_owned", "fault"),
    ("two outputs", |says| says.owns.push(OTHER_ADDRESS.to_owned()), "wallet.one_output", "fault"),
    ("locked", |says| says.locked = true, "wallet.unlocked", "note"),
];

/// Lines of MPOS's file.
const IN_MPOS_FILE: &[(&str, &str, &str)] = &[
    ("$config['algorithm'] = 'scrypt';", "mpos.algorithm", "fault"),
    ("$config['db']['shared']['accounts'] = 'elsewhere';", "mpos.database", "fault"),
    ("$config['confirmations'] = 240;", "mpos.confirmations", "warning"),
    ("$config['gettingstarted']['stratumport'] = '9';", "mpos.stratum_port", "note"),
    ("$config['payout_system'] = 'pps';", "mpos.pps", "warning"),
];

/// The same settings computed: nothing is said of what is not known.
const COMPUTED: &[(&str, &str)] = &[
    ("$config['algorithm'] = getenv('MPOS_ALGO');", "mpos.algorithm"),
    ("$config['db']['shared']['accounts'] = getenv('ACCOUNTS');", "mpos.database"),
];

#[tokio::test]
async fn acceptance_11_the_doctor_finds_each_planted_fault_and_nothing_in_a_healthy_pool() {
    let pool = Pool::healthy().await;
    pool.sql("SET GLOBAL time_zone = '+00:00'; SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES'").await;

    let (code, usual, value) = pool.found().await;
    assert_eq!(code, 0, "{value:#}");
    let notes: Vec<&str> = usual.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(notes, ["machine.daemon"], "{value:#}");
    assert!(value["fine"].as_u64().unwrap() > 55, "{value:#}");
    let text = String::from_utf8(pool.doctor(&[], &[]).await.stdout).unwrap();
    assert!(text.contains("nothing is wrong: 0 faults"), "{text}");
    let mut ward = Ward::new(pool, usual);
    ward.heed("a healthy pool", "machine.daemon", "note", &value);
    for (plant, mend, id, severity) in IN_DATABASE {
        ward.pool.sql(plant).await;
        ward.expect(plant, id, severity).await;
        ward.pool.sql(mend).await;
    }
    for (what, plant, id, severity) in AT_NODE {
        plant(&mut ward.pool.node.says.lock().unwrap());
        ward.expect(what, id, severity).await;
        *ward.pool.node.says.lock().unwrap() = Says::default();
    }
    for (what, plant, id, severity) in AT_WALLET {
        plant(&mut ward.pool.wallet.says.lock().unwrap());
        ward.expect(what, id, severity).await;
        *ward.pool.wallet.says.lock().unwrap() = Says { owns: vec![POOL_ADDRESS.to_owned()], ..Says::default() };
    }
    for (line, id, severity) in IN_MPOS_FILE {
        ward.pool.write_php(line);
        ward.expect(line, id, severity).await;
        ward.pool.write_php("");
    }
    for (line, id) in COMPUTED {
        ward.pool.write_php(line);
        let (code, found, _) = ward.pool.found().await;
        let news: Vec<_> = found.difference(&ward.usual).cloned().collect();
        assert_eq!((code, news), (1, vec![((*id).to_owned(), "could-not-look".to_owned())]), "{line}");
        ward.pool.write_php("");
    }
    machine::of_files(&mut ward).await;
    machine::of_the_machine(&mut ward).await;
    server::of_the_server(&mut ward).await;
    at_work::of_a_daemon(&mut ward).await;
    machine::away(&mut ward).await;
    assert!(ward.missed.is_empty(), "{}", ward.missed.join("\n\n"));
    let all = REMEDIES.iter().flat_map(|(id, words)| words.iter().map(move |word| (*id, *word)));
    let unheard: Vec<_> = all.filter(|heard| !ward.heard.contains(heard)).collect();
    assert!(unheard.is_empty(), "nobody plants what these remedies mend: {unheard:?}");
}
