//! What MPOS's `global.inc.php` says, for commands that compare it with ours.

use std::path::Path;

use super::database::port_number;
use super::file;
use super::mpos::{CLASSES, DEFAULT_ALGORITHM};
use super::value::{Node, Value};
use crate::config::secret::Secret;

/// The settings that both sides must agree on. What the file does not say is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct MposSettings {
    /// Schema with `shares`.
    pub(in crate::cli) database: Option<String>,
    /// Schemas with accounts and workers.
    pub(in crate::cli) accounts: Option<String>,
    pub(in crate::cli) workers: Option<String>,
    /// MPOS's class of coins.
    pub(in crate::cli) algorithm: String,
    /// Its `target_bits`; `None`: a class that MPOS does not ship.
    pub(in crate::cli) bits: Option<u8>,
    /// Its wallet.
    pub(in crate::cli) wallet: Option<Wallet>,
    pub(in crate::cli) confirmations: Option<u32>,
    /// The port that its users are told.
    pub(in crate::cli) stratum_port: Option<u16>,
    /// `prop`, `pplns` or `pps`.
    pub(in crate::cli) payout_system: Option<String>,
}

/// The RPC of MPOS's wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Wallet {
    pub(in crate::cli) host: String,
    pub(in crate::cli) port: u16,
    pub(in crate::cli) user: String,
    pub(in crate::cli) password: Secret,
}

/// Reads the file; nothing in it is executed. The text says why it cannot be read.
pub(in crate::cli) fn read(path: &Path) -> Result<MposSettings, String> {
    let settings = file::php(path).map_err(|unusable| unusable.to_string())?;
    Ok(of(&settings.root))
}

fn of(root: &Node) -> MposSettings {
    let at = |path: &[&str]| path.iter().try_fold(root, |node, name| node.get(name));
    let text = |path: &[&str]| match &at(path)?.value {
        Value::Text(text) | Value::Number(_, text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        _ => None,
    };
    let algorithm = text(&["algorithm"]).map_or(DEFAULT_ALGORITHM.to_owned(), |name| name.to_ascii_lowercase());
    let bits = CLASSES.iter().find(|(name, _)| *name == algorithm).map(|(_, bits)| *bits);
    let wallet = || {
        let host = text(&["wallet", "host"])?;
        let (host, port) = host.trim_start_matches("http://").trim_end_matches('/').rsplit_once(':')?;
        let password = Secret::new(text(&["wallet", "password"]).unwrap_or_default());
        Some(Wallet { host: host.to_owned(), port: port.parse().ok()?, user: text(&["wallet", "username"])?, password })
    };
    MposSettings {
        database: text(&["db", "name"]),
        accounts: text(&["db", "shared", "accounts"]),
        workers: text(&["db", "shared", "workers"]),
        bits,
        algorithm,
        wallet: wallet(),
        confirmations: text(&["confirmations"]).and_then(|number| number.parse().ok()),
        stratum_port: text(&["gettingstarted", "stratumport"])
            .and_then(|number| number.parse().ok())
            .and_then(port_number),
        payout_system: text(&["payout_system"]).map(|name| name.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_sides_must_agree_on_is_read() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/import/files/global.inc.php"));
        let settings = read(path).unwrap();
        assert_eq!(
            (settings.database.as_deref(), settings.accounts.as_deref()),
            (Some("mpos_ltc"), Some("mpos_accounts"))
        );
        assert_eq!(settings.workers.as_deref(), Some("mpos_ltc"), "it refers to another setting");
        assert_eq!((settings.algorithm.as_str(), settings.bits), ("scrypt", Some(16)));
        assert_eq!((settings.confirmations, settings.stratum_port), (Some(100), Some(3334)));
        assert_eq!(settings.payout_system.as_deref(), Some("pplns"));
        let wallet = settings.wallet.unwrap();
        assert_eq!((wallet.host.as_str(), wallet.port, wallet.user.as_str()), ("127.0.0.1", 9332, "litecoinrpc"));
        assert_eq!(wallet.password.reveal(), "wallet-secret");
        assert!(read(Path::new("/nowhere/global.inc.php")).unwrap_err().contains("cannot be read"));
    }
}
