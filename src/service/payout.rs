//! Who a coin's blocks will pay, confirmed by its nodes before anything is mined.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info, warn};

use crate::bytes::hex;
use crate::chain::destination::{Destination, safe};
use crate::chain::script;
use crate::config::Coin;
use crate::node::nodes::Nodes;
use crate::node::payout::{PayoutError, check_payout, check_script};
use crate::work::outputs::{FixedOutput, Recipient};

/// How often the wallets are asked again whether somebody who is paid beside the pool has become theirs.
const WALLET_INTERVAL: Duration = Duration::from_secs(600);
/// What two outputs in one wallet lead to.
const TWO_OUTPUTS: &str =
    "two outputs of one coinbase in the wallet that MPOS watches stop its findblock; take an address of another wallet";

/// Who blocks pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The pool's output script.
    pub script: Vec<u8>,
    /// Whom the coin's rules demand to be paid beside those that the template names.
    pub fixed: Vec<FixedOutput>,
    /// Who has a share of the rest.
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
            fixed_outputs = self.fixed.len(),
            recipients = self.recipients.len(),
            "payout address checked"
        );
    }
}

/// Asks the nodes about the payout address, every fixed output and every recipient, and compares their scripts with our own
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
    let mut fixed = Vec::new();
    for output in &coin.fixed_outputs {
        let mut scripts = Vec::new();
        for (written, to) in &output.to {
            scripts.push(beside(coin, nodes, &fixed_name(written), to, &script, &mut warnings).await?);
        }
        let (due, heights, members) = (output.due, output.heights.clone(), output.members.clone());
        fixed.push(FixedOutput { scripts, due, heights, members });
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    for recipient in &coin.recipients {
        let name = recipient_name(&recipient.written);
        let its = beside(coin, nodes, &name, &recipient.to, &script, &mut warnings).await?;
        let mut others = recipients.iter().map(|other| &other.script).chain(fixed.iter().flat_map(|one| &one.scripts));
        if others.any(|other| *other == its) {
            return Err(paid_twice(&name));
        }
        recipients.push(Recipient { script: its, share_ppm: recipient.share_ppm });
    }
    Ok(Payout { script, fixed, recipients, warnings })
}

/// The script of somebody who is paid beside the pool, whose own script is `pool`.
async fn beside(
    coin: &Coin,
    nodes: &Nodes,
    name: &str,
    to: &Destination,
    pool: &[u8],
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, String> {
    let (its, owned) = output(coin, nodes, name, to, warnings, false).await?;
    if its == pool {
        return Err(paid_twice(name));
    }
    match owned {
        Some(true) => Err(is_in_wallet(name)),
        Some(false) => Ok(its),
        None => {
            warnings
                .push(format!("no node says whether {name} is in its wallet: see that it is not, for {TWO_OUTPUTS}"));
            Ok(its)
        }
    }
}

/// Goes on asking the wallets whether somebody who is paid beside the pool is theirs by now: not every wallet is there
/// at the start, and keys can be imported. Blocks are mined all the same; whoever reads the log has to mend it.
pub async fn watch_wallet(coin: Arc<Coin>, nodes: Nodes) -> Infallible {
    let mut told = Vec::new();
    loop {
        sleep(WALLET_INTERVAL).await;
        let problems = wallets_own(&coin, &nodes).await;
        for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
            error!(coin = coin.name, problem, "blocks pay the wallet twice");
        }
        told = problems;
    }
}

/// What is wrong with those who are paid beside the pool, as far as the wallets know them by now.
pub async fn wallets_own(coin: &Coin, nodes: &Nodes) -> Vec<String> {
    let fixed = coin.fixed_outputs.iter().flat_map(|output| &output.to);
    let fixed = fixed.map(|(written, to)| (fixed_name(written), to));
    let others = coin.recipients.iter().map(|recipient| (recipient_name(&recipient.written), &recipient.to));
    let mut problems = Vec::new();
    for (name, to) in fixed.chain(others) {
        // What a node says against it now, it said at the start, or it has changed its mind: no reason to stop.
        if matches!(output(coin, nodes, &name, to, &mut Vec::new(), false).await, Ok((_, Some(true)))) {
            problems.push(is_in_wallet(&name));
        }
    }
    problems
}

fn is_in_wallet(name: &str) -> String {
    format!("{name} belongs to the node's wallet: {TWO_OUTPUTS}")
}

fn fixed_name(written: &str) -> String {
    format!("fixed output {written}")
}

fn recipient_name(written: &str) -> String {
    format!("recipient {written}")
}

fn paid_twice(name: &str) -> String {
    format!("{name} is paid by another output already; name everybody once")
}

/// The script of a destination, and whether a wallet owns it.
async fn output(
    coin: &Coin,
    nodes: &Nodes,
    written: &str,
    to: &Destination,
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
    let checked = check_payout(nodes, address, own.as_deref().ok()).await.map_err(|error| error.to_string())?;
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
    let script = safe(checked.script).map_err(|error| format!("{address} cannot be paid: {error}"))?;
    if !needs_key {
        return Ok((script, checked.owned));
    }
    match checked.public_key {
        Some(key) => Ok((script::pay_to_pubkey(&key), checked.owned)),
        None => Err(format!(
            "blocks of this coin must pay a public key of the node's wallet, and the node names none for {address}; \
             take an address of its wallet, or write the key itself as `payout_address`"
        )),
    }
}
