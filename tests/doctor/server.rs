//! Faults of the database that one statement cannot plant, or that keep other things from being looked at.

use std::time::Duration;

use crate::support::miner::PATIENCE;
use crate::ward::Ward;

/// The least that a server lets be set.
const CONNECTIONS_MAX: usize = 10;

pub async fn of_the_server(ward: &mut Ward) {
    for (table, to) in [("settings", "gone"), ("monitoring", "gone")] {
        ward.pool.sql(&format!("RENAME TABLE {table} TO {to}")).await;
        ward.expect_among(&format!("no table {table}"), "db.mpos_tables", "fault", &[]).await;
        ward.pool.sql(&format!("RENAME TABLE {to} TO {table}")).await;
    }
    ward.pool.sql("REVOKE SELECT ON settings FROM mpos_stratum@localhost").await;
    ward.expect_among("a table that is not ours to see", "db.mpos_tables", "fault", &[("db.grants", "fault")]).await;
    ward.pool.sql("GRANT SELECT ON settings TO mpos_stratum@localhost").await;
    size(ward).await;
    connections(ward).await;
    ward.expect_health("of the server").await;
    // The server's word for itself is an option of its own; everything else stays what it is.
    for (version, severity) in [("10.1.48-MariaDB", "note"), ("8.0.36", "fault")] {
        ward.pool.db.restart_with(&[&format!("--version={version}"), "--sql-mode=STRICT_TRANS_TABLES"]);
        ward.pool.sql("SET GLOBAL time_zone = '+00:00'").await;
        ward.expect(&format!("a server of version {version}"), "db.version", severity).await;
    }
    ward.pool.db.restart_with(&["--sql-mode=STRICT_TRANS_TABLES"]);
    ward.pool.sql("SET GLOBAL time_zone = '+00:00'").await;
    ward.expect_health("of the server's version").await;
}

/// Tables as they are after years, and after a flood.
async fn size(ward: &mut Ward) {
    for (table, rows) in [("shares", 20_000_000), ("shares_archive", 200_000_000)] {
        // The engine's own estimate may be set by hand; a new name makes it read that again.
        let sql = format!("UPDATE mysql.innodb_table_stats SET n_rows = {rows} WHERE table_name = '{table}'");
        ward.pool
            .sql(&format!("ANALYZE TABLE {table}; {sql}; RENAME TABLE {table} TO large; RENAME TABLE large TO {table}"))
            .await;
        ward.expect(&format!("many rows of {table}"), "db.size", "warning").await;
        ward.pool.sql(&format!("ANALYZE TABLE {table}")).await;
    }
    ward.pool.sql("ALTER TABLE shares AUTO_INCREMENT = 700000").await;
    ward.pool.shares(&["alice.rig"], 0);
    ward.pool.drain().await;
    ward.expect("a flood of shares", "db.size", "warning").await;
    // Long before: what was written since then came slowly.
    ward.pool.sql("UPDATE shares SET time = time - INTERVAL 1 DAY WHERE id < 700000").await;
    ward.expect_health("of the tables").await;
}

/// Nearly, and as good as, all connections are taken.
async fn connections(ward: &mut Ward) {
    ward.pool.sql(&format!("SET GLOBAL max_connections = {CONNECTIONS_MAX}")).await;
    let mut held = Vec::new();
    // The doctor takes one itself.
    for (count, severity) in [(CONNECTIONS_MAX - 3, "warning"), (CONNECTIONS_MAX - 1, "fault")] {
        while held.len() < count {
            held.push(ward.pool.db.conn(None).await);
        }
        settle(ward, count).await;
        ward.expect(&format!("{count} connections"), "db.connections", severity).await;
    }
    for conn in held {
        conn.disconnect().await.unwrap();
    }
    settle(ward, 0).await;
    ward.pool.sql("SET GLOBAL max_connections = 151").await;
}

/// A connection that was ended is counted until the server has noticed.
async fn settle(ward: &Ward, count: usize) {
    let settled = async {
        let wanted = (count + 1).to_string();
        loop {
            let mut conn = ward.pool.db.conn(None).await;
            let open = mysql_async::prelude::Queryable::query_first::<(String, String), _>(
                &mut conn,
                "SHOW GLOBAL STATUS LIKE 'Threads_connected'",
            );
            let is_settled = open.await.unwrap().unwrap().1 == wanted;
            conn.disconnect().await.unwrap();
            if is_settled {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("connections must end");
}
