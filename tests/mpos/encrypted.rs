//! Connections to the database that nobody on the way can read.

use std::path::Path;

use mpos_stratum::config::secret::Secret;
use mpos_stratum::config::{Endpoint, Mpos};
use mpos_stratum::mpos::connect::{ask, hosts, open};
use mpos_stratum::mpos::limits::Limits;

use crate::support::mariadb::MariaDb;

/// The cipher of a connection; empty: it is not encrypted.
async fn cipher(mpos: &Mpos) -> Result<String, String> {
    let mut conn = open(&hosts(mpos)[0].now(), &Limits::default()).await.map_err(|error| error.to_string())?;
    let rows: Vec<(String, String)> = ask(&mut conn, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", ()).await.unwrap();
    Ok(rows.into_iter().next().unwrap().1)
}

/// A user of the network, and how he connects.
async fn by_network(db: &MariaDb, ca_file: Option<&Path>) -> Mpos {
    db.run_sql("mysql", "CREATE OR REPLACE USER 'writer'@'127.0.0.1' IDENTIFIED BY 'secret'").await;
    db.run_sql("mysql", "GRANT ALL ON sealed.* TO 'writer'@'127.0.0.1'").await;
    Mpos {
        endpoint: Endpoint::Tcp("127.0.0.1".into(), db.port()),
        user: "writer".into(),
        password: Secret::new("secret"),
        ca_file: ca_file.map(Path::to_owned),
        ..db.mpos("sealed")
    }
}

#[tokio::test]
async fn a_server_proves_itself_by_the_certificates_that_are_trusted_or_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (file("cert.pem", made.cert.pem()), file("key.pem", made.signing_key.serialize_pem()));
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let stranger = file("stranger.pem", stranger.cert.pem());
    let options = [format!("--ssl-cert={}", certificate.display()), format!("--ssl-key={}", key.display())];
    let db = MariaDb::start_with(&[&options[0], &options[1]]);
    db.create_database("sealed").await;
    assert!(!cipher(&by_network(&db, Some(&certificate)).await).await.unwrap().is_empty());
    assert_eq!(cipher(&by_network(&db, None).await).await, Ok(String::new()), "only who asks for it");
    let refused = cipher(&by_network(&db, Some(&stranger)).await).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(cipher(&by_network(&db, Some(&folder.path().join("nowhere.pem"))).await).await.is_err());

    // A server that cannot encrypt is not spoken to in clear.
    let plain = MariaDb::start_with(&["--skip-ssl"]);
    plain.create_database("sealed").await;
    assert_eq!(cipher(&by_network(&plain, None).await).await, Ok(String::new()));
    assert!(cipher(&by_network(&plain, Some(&certificate)).await).await.is_err());
}
