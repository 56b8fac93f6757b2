//! TLS towards a node behind HTTPS.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Largest file of certificates that is read; that of a whole system has about 250 KB.
const CA_BYTES_MAX: u64 = 4 << 20;

/// Shakes hands; the text says what is wrong. The file is read anew every time, as certificates change.
pub(super) async fn connect(stream: TcpStream, host: &str, ca: &Path) -> Result<TlsStream<TcpStream>, String> {
    let path = ca.to_owned();
    let config = tokio::task::spawn_blocking(move || config(&path)).await.map_err(|error| error.to_string())??;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} cannot be a certificate's name"))?;
    let advice = |error| format!("TLS: {error}; {} must hold a certificate that vouches for it", ca.display());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(advice)
}

fn config(ca: &Path) -> Result<ClientConfig, String> {
    let roots = roots(ca)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn roots(ca: &Path) -> Result<RootCertStore, String> {
    let unreadable = |error: std::io::Error| format!("cannot read the certificates {}: {error}", ca.display());
    if std::fs::metadata(ca).map_err(unreadable)?.len() > CA_BYTES_MAX {
        return Err(format!("{} is too large for a file of certificates", ca.display()));
    }
    let pem = std::fs::read(ca).map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    // One that is not understood among a system's hundred is no reason to trust none.
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if added == 0 {
        return Err(format!("{} holds no certificate", ca.display()));
    }
    Ok(roots)
}
