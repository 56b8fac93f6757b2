//! What MPOS's `global.inc.php` says, for commands that compare it with ours.

use std::path::Path;

use super::database::port_number;
use super::file;
use super::mpos::{self, target_bits};
use super::value::{Node, Value};
use super::wallet::Address;
use crate::config::secret::Secret;

/// Settings beside `algorithm` that some MPOS's file may compute.
const OTHERS: [&str; 9] = [
    "db",
    "db.name",
    "db.shared",
    "db.shared.accounts",
    "db.shared.workers",
    "wallet.host",
    "confirmations",
    "gettingstarted.stratumport",
    "payout_system",
];

/// The settings that both sides must agree on. What the file does not say is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct MposSettings {
    /// Schema with `shares`.
    pub(in crate::cli) database: Option<String>,
    /// Schemas with accounts and workers.
    pub(in crate::cli) accounts: Option<String>,
    pub(in crate::cli) workers: Option<String>,
    /// MPOS's class of coins; empty if it is not known.
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
    /// Settings of these that the file has, but not in a way that can be read, each with the reason.
    pub(in crate::cli) hidden: Vec<(&'static str, &'static str)>,
}

impl MposSettings {
    /// Why something that needs these settings cannot be said; `None`: it can.
    pub(in crate::cli) fn unknown(&self, settings: &[&str]) -> Option<String> {
        let (setting, why) = self.hidden.iter().find(|(setting, _)| settings.contains(setting))?;
        Some(format!("`{setting}` in MPOS's file {why}"))
    }
}

/// The RPC of MPOS's wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Wallet {
    pub(in crate::cli) https: bool,
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
    let (algorithm, why) = match mpos::algorithm(root) {
        Ok(name) => (name, None),
        Err(why) => (String::new(), Some(("algorithm", why))),
    };
    let computed = |setting: &'static str| match at(&setting.split('.').collect::<Vec<_>>())?.value {
        Value::Unread(why) => Some((setting, why)),
        _ => None,
    };
    let hidden = OTHERS.into_iter().filter_map(computed).chain(why).collect();
    let wallet = || {
        let kind = text(&["wallet", "type"]);
        let Address { https, host, port } = Address::read(kind.as_deref(), &text(&["wallet", "host"])?)?;
        let password = Secret::new(text(&["wallet", "password"]).unwrap_or_default());
        Some(Wallet { https, host, port: port?, user: text(&["wallet", "username"])?, password })
    };
    MposSettings {
        database: text(&["db", "name"]),
        accounts: text(&["db", "shared", "accounts"]),
        workers: text(&["db", "shared", "workers"]),
        bits: target_bits(&algorithm),
        algorithm,
        wallet: wallet(),
        confirmations: text(&["confirmations"]).and_then(|number| number.parse().ok()),
        stratum_port: text(&["gettingstarted", "stratumport"])
            .and_then(|number| number.parse().ok())
            .and_then(port_number),
        payout_system: text(&["payout_system"]).map(|name| name.to_ascii_lowercase()),
        hidden,
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

    #[test]
    fn what_a_file_computes_is_unknown_and_not_its_default() {
        let of_text = |text: &str| of(&super::super::php::read(text).unwrap().root);
        let settings = of_text(
            "<?php $config['algorithm'] = getenv('ALGO'); $config['db']['shared']['accounts'] = $x . '_accounts';",
        );
        assert_eq!((settings.algorithm.as_str(), settings.bits), ("", None));
        let why = "`algorithm` in MPOS's file is computed, and nothing is executed here";
        assert_eq!(settings.unknown(&["confirmations", "algorithm"]).as_deref(), Some(why));
        assert!(settings.unknown(&["db.name", "db.shared.accounts"]).is_some());
        assert_eq!(settings.unknown(&["confirmations"]), None);
        assert!(of_text("<?php $config['wallet']['host'] = f();").unknown(&["wallet.host"]).is_some());
        let wallet = "<?php $config['wallet'] = array('host' => 'https://localhost:19334', 'username' => 'u');";
        let wallet = of_text(wallet).wallet.unwrap();
        assert_eq!((wallet.https, wallet.host.as_str(), wallet.port), (true, "localhost", 19334));
        let absent = of_text("<?php $config['db']['name'] = 'mpos';");
        assert_eq!((absent.algorithm.as_str(), absent.bits, absent.hidden.len()), ("scrypt", Some(16), 0));
    }
}
