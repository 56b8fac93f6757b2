//! What the fake node says of addresses.

use serde_json::{Value, json};

use super::super::miner::hex;

/// What its wallet knows.
#[derive(Debug, Default)]
pub struct Wallet {
    /// Whether it owns every address that it is asked about; `None`: it does not say.
    pub owned: Option<bool>,
    /// It names no scripts, as nodes from before 2014.
    pub names_no_scripts: bool,
    /// The public key that it names, in hexadecimal, if any.
    pub public_key: Option<String>,
}

impl Wallet {
    /// The answer to `validateaddress`. Base58 is version byte, hash, checksum; but for Bitcoin's scripts it is taken for a
    /// public key's hash.
    pub fn says(&self, address: &str) -> Value {
        let decoded = bs58::decode(address).into_vec().unwrap_or_default();
        let (Some(version), Some(hash)) = (decoded.first(), decoded.get(1..21)) else {
            return json!({"isvalid": false});
        };
        let (is_script, hash) = (*version == 5, hex::encode(hash));
        let mut says = json!({"isvalid": true, "address": address, "isscript": is_script});
        if !self.names_no_scripts {
            says["scriptPubKey"] = json!(if is_script { format!("a914{hash}87") } else { format!("76a914{hash}88ac") });
        }
        if let Some(owned) = self.owned {
            says["ismine"] = json!(owned);
        }
        if let Some(key) = &self.public_key {
            says["pubkey"] = json!(key);
        }
        says
    }
}
