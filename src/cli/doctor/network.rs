//! Looks at a coin's nodes and wallets.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::report::{Sheet, Words};
use super::wallet::Owned;
use super::{nodes, wallet};
use crate::bytes::display_hash;
use crate::chain::destination::Destination;
use crate::cli::import::settings::{MposSettings, Wallet};
use crate::config::{Coin, NODE_CA_FILE, Node, NodeLogin, NodeWays};
use crate::node::chain::Chain;
use crate::node::checkup::{Checkup, checkup};
use crate::node::lookup;
use crate::node::nodes::Nodes;
use crate::node::payout::{check_payout, check_script};
use crate::service::proof::{self, Refusal};

/// Longest time for one question that takes several calls.
const QUESTION_MAX: Duration = Duration::from_secs(20);
/// Longest time of one call.
const CALL_MAX: Duration = Duration::from_secs(5);
/// So far below the lowest tip nodes are compared: what is above may just be spreading.
const BURIED: u64 = 6;
/// What MPOS's own wallet is called.
const MPOS_WALLET: &str = "MPOS's wallet";

/// A node, by itself.
struct Side {
    nodes: Nodes,
    checkup: Checkup,
    /// Why it was not asked.
    unasked: Option<String>,
}

impl Side {
    async fn look(node: &Node, chain: &Chain) -> Self {
        if let Some(why) = node.login.why_unread() {
            let why = format!("{}: not asked: {why}", node.name);
            return Self { nodes: Nodes::new(&[]), checkup: unasked(&node.name), unasked: Some(why) };
        }
        let nodes = Nodes::new(&[Node { timeout: node.timeout.min(CALL_MAX), ..node.clone() }]);
        let checkup = match nodes.all().first() {
            Some(node) => checkup(node, chain).await,
            None => unasked(&node.name),
        };
        Self { nodes, checkup, unasked: None }
    }

    fn is_reached(&self) -> bool {
        self.checkup.reached.is_ok() && self.checkup.chain.is_ok()
    }

    /// Whether the wallet owns what a destination stands for, and its script.
    async fn owns(&self, written: &str, to: &Destination, coin: &Coin) -> Result<(Vec<u8>, Option<bool>), String> {
        if let Some(why) = &self.unasked {
            return Err(why.clone());
        }
        if !self.is_reached() {
            return Err(format!("{} does not answer", self.checkup.name));
        }
        let own = to.script(&coin.profile.form.addresses);
        let question = async {
            if let Some(address) = to.address() {
                let check =
                    check_payout(&self.nodes, address, own.as_deref().ok()).await.map_err(|error| error.to_string())?;
                return Ok((check.script, check.owned));
            }
            let script = own.map_err(|error| format!("{written}: {error}"))?;
            let check = check_script(&self.nodes, &script).await.map_err(|error| error.to_string())?;
            Ok((script, check.owned))
        };
        timeout(QUESTION_MAX, question).await.unwrap_or_else(|_| Err(format!("{} takes too long", self.checkup.name)))
    }
}

fn unasked(name: &str) -> Checkup {
    let why = || "it was not asked".to_owned();
    Checkup {
        name: name.to_owned(),
        reached: Err(why()),
        chain: Err(why()),
        peers: Err(why()),
        template: Err(why()),
        zmq: Err(why()),
        wallet: Err(why()),
    }
}

/// Looks at a coin's nodes, at MPOS's wallet if its file was read, and at what both have to agree on.
/// `given`: the file of some MPOS was given.
pub(super) async fn look(coin: &Coin, settings: Option<&MposSettings>, given: bool, sheet: &mut Sheet) {
    sheet.turn_to(format!("{}: nodes", coin.name));
    let chain = Chain::of(&coin.profile);
    let mut sides = Vec::new();
    for node in &coin.nodes {
        sides.push(Side::look(node, &chain).await);
    }
    for index in 0..sides.len() {
        of_node(coin, &sides, index, sheet).await;
    }
    let mut all: Vec<&Side> = sides.iter().collect();
    let of_mpos = match settings.and_then(|settings| settings.wallet.as_ref()) {
        Some(known) => {
            let login = NodeLogin::Password { user: known.user.clone(), password: known.password.clone() };
            let (host, name) = (known.host.clone(), MPOS_WALLET.to_owned());
            let ways = NodeWays { tls_ca: voucher(coin, known), ..NodeWays::default() };
            let node = Node { name, host, port: known.port, login, timeout: CALL_MAX, ways };
            Some(Side::look(&node, &chain).await)
        }
        None => None,
    };
    all.extend(&of_mpos);
    one_chain(&all, sheet).await;
    sheet.turn_to(format!("{}: wallet and MPOS", coin.name));
    if let Some(why) = settings.and_then(|settings| settings.unknown(&["wallet.host"])) {
        sheet.could_not(&wallet::MPOS_WALLET, &why);
    }
    if let Some(of_mpos) = &of_mpos {
        sheet.say(&wallet::MPOS_WALLET, nodes::reachable(&of_mpos.checkup, true));
        sheet.judge(&wallet::UNLOCKED, &of_mpos.checkup.wallet, |state| {
            wallet::unlocked(MPOS_WALLET, *state, false, true)
        });
    }
    payout(coin, &sides, of_mpos.as_ref(), sheet).await;
    match settings {
        Some(settings) => agreed(coin, settings, sheet),
        None if given => {}
        None => sheet.say(
            &wallet::MPOS_FILE,
            vec![super::report::note(
                "MPOS's own settings were not looked at",
                "--mpos .../include/config/global.inc.php",
            )],
        ),
    }
}

/// Who vouches for MPOS's wallet if it is behind HTTPS: what our own configuration says of that node, as MPOS's file
/// says nothing of it.
fn voucher(coin: &Coin, wallet: &Wallet) -> Option<PathBuf> {
    let ours = |node: &&Node| (&node.host, node.port) == (&wallet.host, wallet.port);
    let named = coin.nodes.iter().find(ours).and_then(|node| node.ways.tls_ca.clone());
    wallet.https.then(|| named.unwrap_or_else(|| NODE_CA_FILE.into()))
}

async fn of_node(coin: &Coin, sides: &[Side], index: usize, sheet: &mut Sheet) {
    let Some(side) = sides.get(index) else { return };
    if let Some(why) = &side.unasked {
        return sheet.could_not(&nodes::REACHABLE, why);
    }
    let alone = !sides.iter().enumerate().any(|(other, side)| other != index && side.is_reached());
    let Checkup { name, chain, peers, template, zmq, wallet: state, .. } = &side.checkup;
    sheet.say(&nodes::REACHABLE, nodes::reachable(&side.checkup, alone));
    if side.checkup.reached.is_err() {
        // Said once; everything else of it follows from that.
        return;
    }
    sheet.judge(&nodes::SYNCED, chain, |chain| nodes::synced(name, chain, alone));
    sheet.judge(&nodes::WARNINGS, chain, |chain| nodes::warnings(name, chain));
    sheet.judge(&nodes::PEERS, peers, |count| nodes::peers(name, *count, chain.as_ref().ok()));
    let behind = chain.as_ref().is_ok_and(|chain| !nodes::synced(name, chain, alone).is_empty());
    if !behind && chain.is_ok() {
        sheet.say(&nodes::TEMPLATE, nodes::template(name, template, alone));
    }
    sheet.judge(&nodes::ZMQ, zmq, |zmq| nodes::zmq(name, &nodes::wanted_zmq(coin, name), zmq.as_ref()));
    match timeout(QUESTION_MAX, proof::prove(coin, &side.nodes)).await {
        Ok(Ok(_)) => sheet.say(&nodes::PROFILE, Vec::new()),
        Ok(Err(refusal @ Refusal::Misfit { .. })) => {
            sheet.say(&nodes::PROFILE, nodes::profile(name, &refusal.to_string()))
        }
        Ok(Err(refusal)) => sheet.could_not(&nodes::PROFILE, &format!("{name}: {refusal}")),
        Err(_) => sheet.could_not(&nodes::PROFILE, &format!("{name} takes too long to show its headers")),
    }
    if coin.profile.pays_public_key {
        sheet.judge(&wallet::UNLOCKED, state, |state| wallet::unlocked(name, *state, true, false));
    }
}

/// Whether all that answer are on one network and one branch.
async fn one_chain(sides: &[&Side], sheet: &mut Sheet) {
    let states: Vec<_> =
        sides.iter().filter_map(|side| Some((side.checkup.name.as_str(), side.checkup.chain.as_ref().ok()?))).collect();
    let mut words = nodes::networks(&states);
    let height = states.iter().map(|(_, chain)| chain.blocks).min().unwrap_or(0);
    // A chain that is so short is compared by its first block.
    let height = height.saturating_sub(BURIED);
    if words.is_empty() && states.len() > 1 {
        let mut hashes = Vec::new();
        for side in sides.iter().filter(|side| side.is_reached()) {
            match lookup::hash_at(&side.nodes, u32::try_from(height).unwrap_or(u32::MAX)).await {
                Ok(hash) => hashes.push((side.checkup.name.clone(), display_hash(&hash))),
                Err(why) => sheet.could_not(&nodes::ONE_CHAIN, &why),
            }
        }
        words = nodes::branches(height, &hashes);
    }
    sheet.say(&nodes::ONE_CHAIN, words);
}

/// Whom blocks pay, by every wallet that answers.
async fn payout(coin: &Coin, sides: &[Side], of_mpos: Option<&Side>, sheet: &mut Sheet) {
    let (mut owned, mut script, mut why): (Vec<Owned>, Option<Vec<u8>>, _) = (Vec::new(), None, None);
    let mut of_mpos_owned = None;
    for side in sides.iter().chain(of_mpos) {
        let is_mpos = of_mpos.is_some_and(|other| std::ptr::eq(other, side));
        match side.owns(&coin.payout_address, &coin.payout, coin).await {
            Ok((its, says)) => {
                script = script.or(Some(its));
                let says = (side.checkup.name.clone(), says);
                if is_mpos { of_mpos_owned = Some(says) } else { owned.push(says) }
            }
            Err(error) => why = Some(error),
        }
    }
    match (owned.is_empty() && of_mpos_owned.is_none(), why) {
        (true, Some(why)) => sheet.could_not(&wallet::PAYOUT_OWNED, &why),
        _ => {
            sheet.say(&wallet::PAYOUT_OWNED, wallet::payout_owned(&coin.payout_address, of_mpos_owned.as_ref(), &owned))
        }
    }
    beside(coin, sides, of_mpos, script, sheet).await;
}

/// Whoever else is paid by the coinbase, beside the pool with its `script`.
async fn beside(coin: &Coin, sides: &[Side], of_mpos: Option<&Side>, script: Option<Vec<u8>>, sheet: &mut Sheet) {
    let fixed = coin.fixed_outputs.iter().flat_map(|fixed| &fixed.to);
    let fixed = fixed.map(|(written, to)| (format!("fixed output {written}"), to, false));
    let recipients = coin.recipients.iter();
    let recipients = recipients.map(|recipient| (format!("recipient {}", recipient.written), &recipient.to, true));
    let pool = script.clone();
    let mut paid: Vec<Vec<u8>> = script.into_iter().collect();
    let mut words = Vec::new();
    for (name, to, is_recipient) in fixed.chain(recipients) {
        let (mut owners, mut its, mut unknown) = (Vec::new(), None, None);
        for side in sides.iter().chain(of_mpos) {
            match side.owns(&name, to, coin).await {
                Ok((script, says)) => {
                    its = its.or(Some(script));
                    owners.extend((says == Some(true)).then(|| side.checkup.name.clone()));
                }
                Err(error) => unknown = Some(error),
            }
        }
        if let (None, Some(why)) = (&its, unknown) {
            sheet.could_not(&wallet::ONE_OUTPUT, &why);
            continue;
        }
        // Fixed outputs may share an address: they may be for different heights.
        let same =
            its.as_ref().is_some_and(|its| if is_recipient { paid.contains(its) } else { pool.as_ref() == Some(its) });
        paid.extend(its);
        words.extend(wallet::one_output(&name, &owners, same));
    }
    sheet.say(&wallet::ONE_OUTPUT, words);
}

/// What MPOS's file says, compared with ours.
fn agreed(coin: &Coin, settings: &MposSettings, sheet: &mut Sheet) {
    let databases = ["db", "db.name", "db.shared", "db.shared.accounts", "db.shared.workers"];
    // Of other payout systems the price of a share is no matter.
    let by_class = settings.payout_system.as_deref() == Some("pps");
    let priced: &[&str] = if by_class { &["algorithm"] } else { &["payout_system"] };
    let mut compare = |check, needs: &[&str], words: fn(&Coin, &MposSettings) -> Words| match settings.unknown(needs) {
        Some(why) => sheet.could_not(check, &why),
        None => sheet.say(check, words(coin, settings)),
    };
    compare(&wallet::ALGORITHM, &["algorithm"], wallet::algorithm);
    compare(&wallet::DATABASE, &databases, wallet::database);
    compare(&wallet::CONFIRMATIONS, &["confirmations"], wallet::confirmations);
    compare(&wallet::STRATUM_PORT, &["gettingstarted.stratumport"], wallet::stratum_port);
    compare(&wallet::PPS, priced, |_, settings| wallet::pps(settings));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn a_wallet_behind_https_is_vouched_for_as_the_node_that_it_is() {
        let text = include_str!("../../../config.example.toml").to_owned();
        let mut coin = Coin::clone(&crate::config::parse(Path::new("config.toml"), text).unwrap().coins[0]);
        let wallet = |https, port| {
            let (host, user, password) = (coin.nodes[0].host.clone(), "u".to_owned(), Secret::new("p"));
            Wallet { https, host, port, user, password }
        };
        let (plain, tls, other) = (wallet(false, 9332), wallet(true, 9332), wallet(true, 9999));
        coin.nodes[0].ways.tls_ca = Some("own.pem".into());
        assert_eq!(voucher(&coin, &plain), None);
        assert_eq!(voucher(&coin, &tls), Some("own.pem".into()));
        assert_eq!(voucher(&coin, &other), Some(NODE_CA_FILE.into()));
    }
}
