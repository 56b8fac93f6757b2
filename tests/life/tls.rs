//! Connections in TLS end with the daemon, in order, while plain ones go over.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::house::{House, port_at};
use crate::stage::{PASSWORD, SHA256D_EASY, rows_of};
use crate::support::miner::{Algorithm, EventKind, Miner, Wanted};
use crate::support::ports::free_port;

const WORKER: &str = "alice.rig1";

/// A local port whose connections go to the pool in TLS.
async fn tunnel(pool: SocketAddr, trusted: CertificateDer<'static>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let to_pool = TcpStream::connect(pool).await.unwrap();
                let name = ServerName::try_from("localhost").unwrap();
                let mut tls = connector.connect(name, to_pool).await.unwrap();
                copy_bidirectional(&mut socket, &mut tls).await
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_miners_are_told_and_take_their_session_up_again() {
    let mut house = House::new("life_tls", SHA256D_EASY).await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("pool.pem"), files.path().join("pool.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let encrypted = SocketAddr::from(([127, 0, 0, 1], free_port()));
    house.coin.ports.push(format!(
        "{}\nreconnect_on_stop = true\nadvertise = \"pool.example.org:3334\"\ntls = \"required\"\n\
         tls_certificate_file = \"{}\"\ntls_key_file = \"{}\"",
        port_at(encrypted, SHA256D_EASY),
        certificate.display(),
        key.display()
    ));
    let daemon = house.run().await;
    let inlet = tunnel(encrypted, made.cert.der().clone()).await;
    let (mut plain, job) = Miner::log_in(house.port, Algorithm::Sha256d, WORKER, PASSWORD).await.unwrap();
    let mut secret = Miner::connect(inlet, Algorithm::Sha256d).await.unwrap();
    secret.subscribe_with(json!(["cgminer/4.12"])).await.unwrap();
    assert!(secret.authorize(WORKER, PASSWORD).await.unwrap().is_true());
    let secret_job = secret.wait_for_job().await.unwrap();
    let share = secret.mine(&secret_job, Wanted::Share).unwrap();
    assert!(secret.submit(WORKER, &share).await.unwrap().is_true());

    assert!(daemon.stop().await.unwrap().success());
    secret.wait_for_close().await.unwrap();
    let said = |method: &str| {
        let is_it = |kind: &EventKind| matches!(kind, EventKind::Other(name, _) if name == method);
        secret.events.iter().any(|event| is_it(&event.kind))
    };
    assert!(said("client.show_message") && said("client.reconnect"), "{:?}", secret.events);
    let _daemon = house.run().await;
    let later = plain.mine(&job, Wanted::Share).unwrap();
    assert!(plain.submit(WORKER, &later).await.unwrap().is_true(), "the plain one goes on");
    let mut again = Miner::connect(inlet, Algorithm::Sha256d).await.unwrap();
    again.subscribe_with(json!(["cgminer/4.12", secret.subscription.clone().unwrap()])).await.unwrap();
    assert!(again.authorize(WORKER, PASSWORD).await.unwrap().is_true());
    assert_eq!(again.in_force.extranonce1, secret_job.extranonce1, "its session was kept");
    let reply = again.submit(WORKER, &share).await.unwrap();
    assert_eq!(reply.error.map(|error| error.code), Some(22), "and what it had submitted is known");
    rows_of(&house.db, house.database, 3).await;
}
