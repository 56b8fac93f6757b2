//! The user and the password at the database change under the daemon.

use mpos_stratum::config;
use mpos_stratum::mpos::login_proof::{Doubt, prove};

use crate::site::{Site, free_address, share};
use crate::stage::{self, SHA256D_EASY, rows_of};

/// As the first login is written.
const ROOT: &str = "user = \"root\"\npassword = \"\"";

fn login(site: &Site, user: &str, password: &str) -> String {
    let root = site.coins[0].mpos.clone();
    let changed = root.replace(ROOT, &format!("user = \"{user}\"\npassword = \"{password}\""));
    assert_ne!(changed, root);
    changed
}

/// Ends all connections of a user to a database but the tests' own.
async fn hang_up(site: &Site, database: &str, user: &str) {
    let open = format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{database}' AND user = '{user}' AND id <> CONNECTION_ID()"
    );
    for id in site.db.query::<u64>(database, &open).await {
        site.db.run_sql("mysql", &format!("KILL {id}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_user_changes_while_shares_flow() {
    let mut site = Site::open("reload_login", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_login", 1).await;
    for sql in [
        "CREATE USER 'second'@'localhost' IDENTIFIED BY 'hunter2'",
        "GRANT ALL ON reload_login.* TO 'second'@'localhost'",
    ] {
        site.db.run_sql("reload_login", sql).await;
    }
    site.coins[0].mpos = login(&site, "second", "hunter2");
    let told = site.reload().await;
    assert!(told.contains("mpos.user \"root\" -> \"second\"") && !told.contains("hunter2"), "{told}");
    share(&mut miner).await;
    rows_of(&site.db, "reload_login", 2).await;
    // Connections of before go on; when they end, the next ones are the other user's.
    hang_up(&site, "reload_login", "root").await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_login", 3).await;
    let users = "SELECT DISTINCT user FROM information_schema.processlist WHERE db = 'reload_login' \
                 AND id <> CONNECTION_ID()";
    assert_eq!(site.db.query::<String>("reload_login", users).await, ["second"]);
    let (mut again, _) = site.miner().await;
    share(&mut again).await;
    rows_of(&site.db, "reload_login", 4).await;
    assert!(!site.daemon.log().join("\n").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_the_server_refuses_changes_nothing() {
    let mut site = Site::open("reload_no_login", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    share(&mut miner).await;
    let good = site.coins[0].mpos.clone();
    for sql in [
        "CREATE USER 'weak'@'localhost' IDENTIFIED BY 'hunter3'",
        "GRANT SELECT ON reload_no_login.* TO 'weak'@'localhost'",
    ] {
        site.db.run_sql("reload_no_login", sql).await;
    }
    for (user, password, reason) in [
        ("root", "wrong-secret", "does not let the user in"),
        ("nobody-knows-him", "hunter3", "does not let the user in"),
        ("weak", "hunter3", "GRANT INSERT ON reload_no_login.shares TO 'weak'@'localhost';"),
    ] {
        site.coins[0].mpos = good.clone();
        site.coins[0].mpos = login(&site, user, password);
        let why = site.refused().await;
        assert!(why.contains(reason) && why.contains(user), "{why}");
        assert!(!why.contains(password), "{why}");
    }
    // The old login goes on, also for new connections.
    site.coins[0].mpos = good;
    hang_up(&site, "reload_no_login", "root").await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_no_login", 2).await;
    // Rights that are not needed at once are a warning.
    for sql in [
        "GRANT INSERT, UPDATE ON reload_no_login.shares TO 'weak'@'localhost'",
        "GRANT INSERT, UPDATE ON reload_no_login.mpos_stratum_cursor TO 'weak'@'localhost'",
        "GRANT INSERT, UPDATE ON reload_no_login.mpos_stratum_spool TO 'weak'@'localhost'",
        "GRANT INSERT, UPDATE ON reload_no_login.mpos_stratum_block TO 'weak'@'localhost'",
    ] {
        site.db.run_sql("reload_no_login", sql).await;
    }
    site.coins[0].mpos = login(&site, "weak", "hunter3");
    let output = site.try_reload().await;
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && warned.contains("GRANT UPDATE (difficulty)"), "{warned}");
    hang_up(&site, "reload_no_login", "root").await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_no_login", 3).await;
}

#[tokio::test]
async fn a_server_that_is_away_leaves_the_login_in_doubt() {
    let text = stage::configuration(&[])
        + &format!(
            "[[coin]]\nname = \"bitcoin\"\npreset = \"bitcoin\"\npayout_address = \"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\"\n\
         fallback_worker = \"a.b\"\n[[coin.node]]\nurl = \"http://127.0.0.1:1\"\nuser = \"u\"\npassword = \"p\"\n\
         [[coin.port]]\nlisten = \"127.0.0.1:0\"\ndifficulty = 1\n\
         [coin.mpos]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"u\"\npassword = \"p\"\ndatabase = \"pool\"\n",
            free_address().port()
        );
    let config = config::parse("pool.toml".as_ref(), text).unwrap();
    let coin = &config.coins[0];
    let doubt = prove(&coin.mpos, &coin.workers, "").await.unwrap_err();
    assert!(matches!(&doubt, Doubt::Unasked(_)), "{doubt}");
}
