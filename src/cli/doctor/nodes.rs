//! The coin's nodes, each by itself and against each other.

use super::report::{Check, Word, Words, fault, note, warning};
use crate::config::{Coin, Zmq};
use crate::node::checkup::{ChainState, Checkup, Published};

pub(super) static REACHABLE: Check = Check {
    id: "node.reachable",
    means: "Without a node there is no work: submits are refused, no block can be handed in.",
};
pub(super) static SYNCED: Check = Check {
    id: "node.synced",
    means: "A node that is catching up gives old work or none: its blocks would be orphans.",
};
pub(super) static TEMPLATE: Check = Check { id: "node.template", means: "The node gives no work." };
pub(super) static PROFILE: Check = Check {
    id: "node.profile",
    means: "The coin's profile is not that of the node's chain: no share would count and no block be found. No port opens.",
};
pub(super) static ONE_CHAIN: Check = Check {
    id: "node.one_chain",
    means: "The nodes, or MPOS's wallet, are on different networks or branches: blocks of one are unknown to the other.",
};
pub(super) static PEERS: Check =
    Check { id: "node.peers", means: "A node with few peers learns of blocks late, and others learn late of ours." };
pub(super) static WARNINGS: Check = Check { id: "node.warnings", means: "The node itself warns of something." };
pub(super) static ZMQ: Check = Check {
    id: "node.zmq",
    means: "The configuration waits for new blocks by ZMQ at an address where the node publishes none.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 8] = [&REACHABLE, &SYNCED, &TEMPLATE, &PROFILE, &ONE_CHAIN, &PEERS, &WARNINGS, &ZMQ];

/// Fewer peers are few.
const PEERS_FEW: u64 = 3;
/// Headers that may be ahead of blocks for a moment.
const HEADERS_AHEAD_MAX: u64 = 2;

/// Something wrong of one node: a fault if no other node makes up for it.
fn weighed(alone: bool, saw: String, mend: impl Into<String>) -> Word {
    if alone { fault(saw, mend) } else { warning(saw, mend) }
}

/// `alone`: no other node of the coin answers.
pub(super) fn reachable(checkup: &Checkup, alone: bool) -> Words {
    let Err(why) = &checkup.reached else { return Words::new() };
    let mend = "does it run? Compare url, user and password of [[coin.node]] with rpcport, rpcuser, rpcpassword and \
                rpcallowip of the node";
    vec![weighed(alone, why.clone(), mend)]
}

pub(super) fn synced(name: &str, chain: &ChainState, alone: bool) -> Words {
    // A chain for tests calls itself unfinished for ever.
    let is_behind = chain.headers > chain.blocks.saturating_add(HEADERS_AHEAD_MAX);
    if !is_behind && (!chain.is_catching_up || is_test(chain)) {
        return Words::new();
    }
    let saw = format!("{name} is catching up: at block {} of {}", chain.blocks, chain.headers);
    vec![weighed(alone, saw, "wait until getblockchaininfo says initialblockdownload: false")]
}

pub(super) fn template(name: &str, template: &Result<(), String>, alone: bool) -> Words {
    let Err(why) = template else { return Words::new() };
    vec![weighed(
        alone,
        format!("{name}: {why}"),
        "mpos-stratum check --online; template_rules and the node's version must fit the coin",
    )]
}

pub(super) fn profile(name: &str, misfit: &str) -> Words {
    vec![fault(
        format!("{name}: {misfit}"),
        "write the preset or the keys that are named into [[coin]]: mpos-stratum check --online",
    )]
}

fn is_test(chain: &ChainState) -> bool {
    chain.network.as_deref().is_some_and(|network| network.contains("regtest"))
}

pub(super) fn peers(name: &str, count: Option<u64>, chain: Option<&ChainState>) -> Words {
    if chain.is_some_and(is_test) {
        return Words::new();
    }
    let mend = "add nodes to it: addnode=... in its file, and open its peer-to-peer port in the firewall";
    match count {
        None => vec![note(format!("{name} does not count its peers"), mend)],
        Some(0) => vec![fault(format!("{name} has no peers: nobody would hear of a block"), mend)],
        Some(count) if count < PEERS_FEW => vec![warning(format!("{name} has {count} peers"), mend)],
        Some(_) => Words::new(),
    }
}

pub(super) fn warnings(name: &str, chain: &ChainState) -> Words {
    let mut words = Words::new();
    if !chain.warnings.trim().is_empty() {
        words.push(note(
            format!("{name}: {}", chain.warnings),
            "mostly an old version: look for a newer one of the node",
        ));
    }
    if chain.network.as_deref().is_some_and(|network| network != "main") {
        let network = chain.network.as_deref().unwrap_or_default();
        words.push(note(
            format!("{name} is on the network {network:?}: its coins are worth nothing"),
            "nothing, if that is meant",
        ));
    }
    words
}

/// Networks that differ, `names` with what each says.
pub(super) fn networks(states: &[(&str, &ChainState)]) -> Words {
    let known: Vec<(&str, &str)> =
        states.iter().filter_map(|(name, state)| Some((*name, state.network.as_deref()?))).collect();
    let Some((first, network)) = known.first() else { return Words::new() };
    let differs = known.iter().find(|(_, other)| other != network);
    let told = |(name, other): &(&str, &str)| {
        fault(
            format!("{first} is on the network {network:?}, {name} on {other:?}"),
            "name nodes of one network in [[coin.node]]",
        )
    };
    differs.map(told).into_iter().collect()
}

/// Blocks at one height, by node.
pub(super) fn branches(height: u64, hashes: &[(String, String)]) -> Words {
    let Some((first, hash)) = hashes.first() else { return Words::new() };
    let differs = hashes.iter().find(|(_, other)| other != hash);
    let told = |(name, other): &(String, String)| {
        let saw = format!("block {height} is {hash} for {first}, but {other} for {name}");
        fault(
            saw,
            "one of them is on another branch or another coin: compare with an explorer, update or reindex the wrong one",
        )
    };
    differs.map(told).into_iter().collect()
}

/// `wanted`: what is configured.
pub(super) fn zmq(name: &str, wanted: &Zmq, published: Option<&Vec<Published>>) -> Words {
    let blocks = |one: &&Published| one.is_of_blocks();
    match (wanted, published) {
        // What it says is what is listened to.
        (Zmq::Asked, _) | (Zmq::Off, None) => Words::new(),
        (Zmq::Off, Some(all)) => {
            let first = all.iter().find(blocks);
            let told = |one: &Published| {
                note(
                    format!("{name} publishes new blocks at {}, which is not used", one.address),
                    format!("zmq = \"{}\" in [[coin.node]]", one.address),
                )
            };
            first.map(told).into_iter().collect()
        }
        (Zmq::At(_, port), None) => vec![note(
            format!("{name} does not tell what it publishes; port {port} cannot be compared"),
            "nothing, if the log says \"subscribed to new blocks by ZMQ\"",
        )],
        (Zmq::At(_, port), Some(all))
            if all.iter().filter(blocks).any(|one| one.place().is_some_and(|(_, bound)| bound == *port)) =>
        {
            Words::new()
        }
        (Zmq::At(_, port), Some(_)) => {
            vec![warning(
                format!("{name} publishes no blocks at port {port}"),
                format!("zmqpubhashblock=tcp://127.0.0.1:{port} in the node's file, and restart it"),
            )]
        }
    }
}

/// Where the coin is configured to listen to a node by ZMQ.
pub(super) fn wanted_zmq(coin: &Coin, node: &str) -> Zmq {
    let node = coin.nodes.iter().find(|known| known.name == node);
    node.map_or(Zmq::Off, |node| node.ways.zmq.clone())
}

#[cfg(test)]
#[path = "nodes/tests.rs"]
mod tests;
