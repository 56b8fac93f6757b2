//! TLS with a client that is not ours: tokio-rustls in front of the plain miner.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::site::{SUBSCRIBE, Site, served, turned_away};
use crate::stage::PASSWORD;
use crate::support::miner::{Algorithm, Miner, PATIENCE};

/// A certificate for this machine in files of `folder`; the answer is what clients have to trust.
pub fn renew(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("pool.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("pool.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Keys of a port with TLS.
pub fn keys(mode: &str) -> String {
    format!("tls = \"{mode}\"\ntls_certificate_file = \"pool.pem\"\ntls_key_file = \"pool.key\"")
}

async fn connect(
    port: SocketAddr,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(port).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, socket);
    timeout(PATIENCE, connecting).await.expect("the handshake does not end")
}

/// A local port whose connections go to the pool in TLS.
pub async fn tunnel(
    pool: SocketAddr,
    trusted: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut tls = connect(pool, &trusted, version).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut socket, &mut tls).await });
        }
    });
    address
}

async fn answered(tls: &mut TlsStream<TcpStream>) {
    tls.write_all(SUBSCRIBE).await.unwrap();
    let mut start = [0; 8];
    timeout(PATIENCE, tls.read_exact(&mut start)).await.expect("no answer").unwrap();
    assert!(start.starts_with(b"{\"id\":1,"));
}

#[tokio::test]
async fn miners_in_tls_are_miners_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let trusted = renew(home.path());
    let site = Site::start_in(home, "tls", "", &[&keys("required"), &keys("detect")]).await;
    let mut rows = 0;
    for port in [0, 1] {
        for version in [&TLS13, &TLS12] {
            rows += 1;
            let tunnel = tunnel(site.port(port), trusted.clone(), version).await;
            let (mut miner, job) = Miner::log_in(tunnel, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
            assert_eq!(site.stored_address(&mut miner, &job, rows).await, "127.0.0.1");
            site.node.new_tip();
            miner.wait_for_new_tip(&job).await.unwrap();
        }
    }
    // Plain miners are told apart where that is allowed, and only there.
    turned_away(site.say(0, SUBSCRIBE).await).await;
    served(&mut site.say(1, SUBSCRIBE).await).await;
    // What begins as TLS and is not ends.
    let mut broken = site.say(1, &[&[0x16, 3, 1, 0, 40][..], &[7; 40]].concat()).await;
    let mut words = Vec::new();
    let _end = timeout(PATIENCE, broken.read_to_end(&mut words)).await.expect("the pool does not hang up");
    assert!(!words.windows(2).any(|pair| pair == b"{\""), "{}", words.escape_ascii());
    // Who only looks whether the port is open is told so, within TLS and without.
    let mut tls = connect(site.port(0), &trusted, &TLS13).await.unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    tls.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let old = renew(home.path());
    let site = Site::start_in(home, "renewal", "", &[&keys("required")]).await;
    let port = site.port(0);
    let mut early = connect(port, &old, &TLS13).await.unwrap();
    let new = renew(site.home.path());
    answered(&mut connect(port, &old, &TLS12).await.unwrap()).await;
    site.daemon.signal(Signal::HUP).unwrap();
    site.daemon.wait_for_log("certificate read again").await.unwrap();
    answered(&mut connect(port, &new, &TLS13).await.unwrap()).await;
    assert_eq!(
        connect(port, &old, &TLS13).await.unwrap_err().kind(),
        ErrorKind::InvalidData,
        "it is not shown any more"
    );
    answered(&mut early).await;

    // The files of two renewals, half each.
    let certificate = std::fs::read(site.home.path().join("pool.pem")).unwrap();
    renew(site.home.path());
    std::fs::write(site.home.path().join("pool.pem"), certificate).unwrap();
    site.daemon.signal(Signal::HUP).unwrap();
    let line = site.daemon.wait_for_log("reload refused, nothing was changed").await.unwrap();
    assert!(line.contains("pool.key is not the key of") && line.contains("pool.pem"), "{line}");
    answered(&mut connect(port, &new, &TLS13).await.unwrap()).await;
}

#[tokio::test]
async fn stalled_handshakes_keep_nobody_out() {
    let home = tempfile::tempdir().unwrap();
    let trusted = renew(home.path());
    let tls = "\n[tls]\nhandshakes_max = 2\nhandshake_timeout_secs = 60\n";
    let site = Site::start_in(home, "handshakes", tls, &[&keys("required")]).await;
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1];
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(site.say(0, &hello).await);
    }
    // The oldest had to give way; there are two, and one gives way to an honest miner.
    turned_away(stalled.remove(0)).await;
    answered(&mut connect(site.port(0), &trusted, &TLS13).await.unwrap()).await;
    turned_away(stalled.remove(0)).await;
}
