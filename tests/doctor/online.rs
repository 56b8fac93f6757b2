//! `check --online` asks the databases too, by what the doctor knows of them.

use crate::pool::Pool;

#[tokio::test(flavor = "multi_thread")]
async fn check_online_looks_at_the_database() {
    let pool = Pool::healthy().await;
    let (code, good) = pool.check_online().await;
    assert!(code == 0 && good.contains("\ndatabase of ") && good.contains(": version "), "{good}");
    assert!(good.contains("; tables and rights are as they must be") && !good.contains("WRONG"), "{good}");

    for (plant, mend, told) in [
        ("RENAME TABLE mpos_stratum_cursor TO gone", "RENAME TABLE gone TO mpos_stratum_cursor", "mpos_stratum_cursor"),
        ("ALTER TABLE shares ENGINE=MyISAM", "ALTER TABLE shares ENGINE=InnoDB", "MyISAM"),
        (
            "REVOKE INSERT ON shares FROM mpos_stratum@localhost",
            "GRANT INSERT ON shares TO mpos_stratum@localhost",
            "may not INSERT pool.shares",
        ),
    ] {
        pool.sql(plant).await;
        let (code, text) = pool.check_online().await;
        assert_eq!(code, 1, "{plant}: {text}");
        let wrong = text.lines().find(|line| line.contains("WRONG")).unwrap_or_default();
        assert!(wrong.contains(told), "{plant}: {text}");
        pool.sql(mend).await;
    }

    let config = std::fs::read_to_string(pool.config_path()).unwrap();
    std::fs::write(pool.config_path(), config.replace("\"change-me\"", "\"mistyped\"")).unwrap();
    let (code, text) = pool.check_online().await;
    assert!(code == 1 && text.contains("WRONG: ") && text.contains("Access denied"), "{text}");
    assert!(text.contains("user and password in [coin.mpos]") && !text.contains("mistyped"), "{text}");
}
