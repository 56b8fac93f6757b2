//! Who a coin's blocks will pay, confirmed by its nodes before anything is mined.

use tracing::{info, warn};

use crate::bytes::hex;
use crate::chain::script;
use crate::config::Coin;
use crate::node::nodes::Nodes;
use crate::node::payout::{PayoutError, check_payout, check_script};
use crate::work::outputs::Recipient;

/// Who blocks pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The pool's output script.
    pub script: Vec<u8>,
    /// The others, without those that the template orders.
    pub recipients: Vec<Recipient>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<String>,
}

impl Payout {
    /// Writes it to the log.
    pub fn log(&self, coin: &Coin) {
        for warning in &self.warnings {
            warn!(coin = coin.name, address = coin.payout_address, "{warning}");
        }
        let script = hex::encode(&self.script);
        info!(
            coin = coin.name,
            address = coin.payout_address,
            script,
            recipients = self.recipients.len(),
            "payout address checked"
        );
    }
}

/// Asks the nodes about the payout address and every recipient, and compares their scripts with our own
/// reading. A node's word alone is enough where our profile does not know the form of an address.
///
/// # Errors
/// Why nothing can be mined, in words for the operator; a node that cannot be asked is one, too.
pub async fn confirm(coin: &Coin, nodes: &Nodes) -> Result<Payout, String> {
    let mut warnings = Vec::new();
    let (script, owned) = output(coin, nodes, &coin.payout_address, &coin.payout, &mut warnings, true).await?;
    match owned {
        Some(true) => {}
        Some(false) => warnings.push(
            "the payout address does not belong to the node's wallet: MPOS finds blocks only in the wallet it watches"
                .to_owned(),
        ),
        None => warnings.push(
            "no node says whether the payout address is in its wallet: MPOS finds blocks only in the wallet it watches"
                .to_owned(),
        ),
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    for recipient in &coin.recipients {
        let written = &recipient.written;
        let (its, owned) = output(coin, nodes, written, &recipient.to, &mut warnings, false).await?;
        if owned == Some(true) {
            return Err(format!(
                "recipient {written} belongs to the node's wallet: two outputs of one coinbase in the wallet that MPOS \
                 watches stop its findblock; take an address of another wallet"
            ));
        }
        if its == script || recipients.iter().any(|other| other.script == its) {
            return Err(format!("recipient {written} is paid by another output already; name everybody once"));
        }
        recipients.push(Recipient { script: its, share_ppm: recipient.share_ppm });
    }
    Ok(Payout { script, recipients, warnings })
}

/// The script of a destination, and whether a wallet owns it.
async fn output(
    coin: &Coin,
    nodes: &Nodes,
    written: &str,
    to: &crate::chain::destination::Destination,
    warnings: &mut Vec<String>,
    is_pool: bool,
) -> Result<(Vec<u8>, Option<bool>), String> {
    let own = to.script(&coin.profile.form.addresses);
    let needs_key = is_pool && coin.profile.pays_public_key;
    let Some(address) = to.address() else {
        let script = own.map_err(|error| format!("{written}: {error}"))?;
        let check = match check_script(nodes, &script).await {
            Ok(check) => check,
            Err(PayoutError::Rpc(error)) if error.is_method_missing() => {
                warnings.push(format!("the node cannot say what {written} is: it has no `decodescript`"));
                return Ok((script, None));
            }
            Err(error) => return Err(error.to_string()),
        };
        if needs_key && check.kind != "pubkey" {
            return Err(format!(
                "{written} is no public key, but blocks of this coin must pay one of the node's wallet"
            ));
        }
        if check.kind == "nonstandard" {
            warnings.push(format!("the node knows no standard form for the script of {written}: can it be spent?"));
        }
        return Ok((script, check.owned));
    };
    let checked = check_payout(nodes, address).await.map_err(|error| error.to_string())?;
    match own {
        Ok(own) if own != checked.script => {
            return Err(format!(
                "the node and this daemon read {address} differently, as {} and {}; check `preset` and the coin's \
                 `addresses`",
                hex::encode(&checked.script),
                hex::encode(&own)
            ));
        }
        Ok(_) => {}
        Err(error) => warnings.push(format!("only the node knows what {address} stands for; by the profile: {error}")),
    }
    if !needs_key {
        return Ok((checked.script, checked.owned));
    }
    match checked.public_key {
        Some(key) => Ok((script::pay_to_pubkey(&key), checked.owned)),
        None => Err(format!(
            "blocks of this coin must pay a public key of the node's wallet, and the node names none for {address}; \
             take an address of its wallet, or write the key itself as `payout_address`"
        )),
    }
}
