//! The certificates of all ports, which change while the ports are open.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tracing::{info, warn};

use crate::config::TlsFiles;
use crate::config::identity::load;

/// Every certificate in use, once for all the ports that use it.
#[derive(Debug, Default)]
pub struct Certificates {
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    files: TlsFiles,
    identity: Arc<Identity>,
    config: Arc<ServerConfig>,
}

/// What is shown to whoever connects now.
#[derive(Debug)]
struct Identity {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// What a port needs to accept TLS with the certificate in `files`.
    ///
    /// # Errors
    /// The certificate cannot be used; the text says why and what to do.
    pub fn server(&self, files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.iter().find(|entry| entry.files == *files) {
            return Ok(Arc::clone(&entry.config));
        }
        let identity = load(files).map_err(|bad| bad.to_string())?;
        let identity = Arc::new(Identity { current: RwLock::new(Arc::new(identity)) });
        let config = Arc::new(server(&identity).map_err(|error| format!("TLS cannot be set up: {error}"))?);
        entries.push(Entry { files: files.clone(), identity, config: Arc::clone(&config) });
        Ok(config)
    }

    /// Reads all files again. A certificate that cannot be used leaves the old one in use; open
    /// connections keep theirs either way.
    pub fn reload(&self) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for Entry { files, identity, .. } in &*entries {
            let certificate = files.certificate.display();
            match load(files) {
                Ok(new) => {
                    *identity.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                    info!(%certificate, "certificate read again");
                }
                Err(bad) => warn!(%certificate, %bad, "the new certificate is bad: the old one stays in use"),
            }
        }
    }
}

fn server(identity: &Arc<Identity>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(identity) as Arc<dyn ResolvesServerCert>);
    // A miner that comes back resumes by its ticket, and the pool remembers nothing for it.
    config.ticketer = ring::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}
