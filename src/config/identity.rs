//! A certificate and its key from their files. The configuration is checked with it, and the daemon
//! reads them with it again when it is told to.

use std::path::Path;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsFiles;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadIdentity {
    /// Whether it is the key's file rather than the certificate's.
    pub in_key: bool,
    /// What is wrong, with the file's name.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

impl std::fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

const READABLE: &str = "let the daemon's user read it, or name the right file";
const CHAIN: &str = "name a PEM file with the pool's certificate first and those that vouch for it after it";
const KEY: &str = "name the PEM file with the private key of the certificate, not encrypted";
const MATCH: &str = "name the key that the certificate was made for; after a renewal both files change";

/// Reads a certificate chain and its key, and makes sure that they belong together.
///
/// # Errors
/// A file cannot be read, holds something else, or the two do not match.
pub fn load(files: &TlsFiles) -> Result<CertifiedKey, BadIdentity> {
    let wrong = |in_key, what: String, remedy| BadIdentity { in_key, what, remedy };
    let chain_bytes = read(&files.certificate, false)?;
    let key_bytes = read(&files.key, true)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain_bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(false, format!("{} is not PEM: {error}", files.certificate.display()), CHAIN))?;
    if chain.is_empty() {
        return Err(wrong(false, format!("{} holds no certificate", files.certificate.display()), CHAIN));
    }
    let key = PrivateKeyDer::from_pem_slice(&key_bytes)
        .map_err(|error| wrong(true, format!("{} holds no private key: {error}", files.key.display()), KEY))?;
    let key = ring::sign::any_supported_type(&key).map_err(|error| {
        wrong(true, format!("{} holds a key that cannot be used: {error}", files.key.display()), KEY)
    })?;
    let identity = CertifiedKey::new(chain, key);
    identity.keys_match().map_err(|error| {
        let (key, certificate) = (files.key.display(), files.certificate.display());
        wrong(true, format!("{key} is not the key of {certificate}: {error}"), MATCH)
    })?;
    Ok(identity)
}

fn read(path: &Path, in_key: bool) -> Result<Vec<u8>, BadIdentity> {
    std::fs::read(path).map_err(|error| BadIdentity {
        in_key,
        what: format!("{} cannot be read: {error}", path.display()),
        remedy: READABLE,
    })
}
