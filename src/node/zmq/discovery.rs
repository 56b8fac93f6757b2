//! Where a node says that it publishes new blocks.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::sleep;

use crate::node::checkup::{OF_BLOCKS, Published, published};
use crate::node::nodes::Node;

/// How long after a node that did not answer it is asked again what it publishes.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How often a node that is listened to is asked whether it publishes elsewhere by now.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// Host and port where new blocks can be heard of; `None`: nowhere. Goes on asking until the node answers.
pub(super) async fn place(node: &Node) -> Option<(String, u16)> {
    let published = asked(node).await.ok()?;
    let place = reachable(&published, node.host());
    if place.is_none()
        && let Some(other) = published.iter().find(|one| one.is_of_blocks())
    {
        tracing::info!(
            node = node.name(),
            address = other.address,
            "the node publishes blocks where we cannot hear it"
        );
    }
    place
}

/// Ready when the node says that it publishes new blocks elsewhere than there.
pub(super) async fn moved(node: &Node, (host, port): (&str, u16)) {
    loop {
        sleep(LOOK_AGAIN).await;
        if place(node).await.is_some_and(|(bound, at)| (bound.as_str(), at) != (host, port)) {
            return;
        }
    }
}

/// Says once if the node itself does not publish new blocks on that port: a node without ZMQ takes such an option and
/// does nothing.
pub(super) async fn compare(node: &Node, port: u16) {
    let objection = match asked(node).await {
        Ok(published) => objection(&published, port),
        Err(NotKnown) => Some("the node does not know getzmqnotifications: it is old, or built without ZMQ".to_owned()),
    };
    if let Some(objection) = objection {
        tracing::warn!(node = node.name(), port, objection, "new blocks may never come by ZMQ");
    }
}

/// The node does not know the question.
struct NotKnown;

async fn asked(node: &Node) -> Result<Vec<Published>, NotKnown> {
    loop {
        match published(node).await {
            Ok(published) => return published.ok_or(NotKnown),
            Err(_) => sleep(ASK_AGAIN).await,
        }
    }
}

/// The first place of blocks that can be reached from here; `host` is where the node's RPC is.
fn reachable(published: &[Published], host: &str) -> Option<(String, u16)> {
    let is_loopback = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    OF_BLOCKS.iter().find_map(|kind| {
        let of_kind = published.iter().filter(|one| one.kind == *kind);
        of_kind.filter_map(Published::place).find_map(|(bound, port)| {
            let is_any = bound == "*" || bound.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
            match is_any {
                true => Some((host.to_owned(), port)),
                false if is_loopback(bound) && !is_loopback(host) => None,
                false => Some((bound.to_owned(), port)),
            }
        })
    })
}

/// What is wrong with what the node publishes. Only the port is compared: the address is the one it is bound to.
fn objection(published: &[Published], port: u16) -> Option<String> {
    let of_blocks: Vec<&Published> = published.iter().filter(|one| one.is_of_blocks()).collect();
    let has_port = |one: &&Published| one.place().is_some_and(|(_, bound)| bound == port);
    let addresses: Vec<&str> = of_blocks.iter().map(|one| one.address.as_str()).collect();
    match (of_blocks.iter().any(has_port), of_blocks.is_empty()) {
        (true, _) => None,
        (false, true) => Some("the node publishes no blocks: set zmqpubhashblock in its configuration".to_owned()),
        (false, false) => Some(format!("the node publishes blocks on {}", addresses.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_one_that_can_be_reached_and_rather_of_hashes() {
        let at = |kind: &str, address: &str| Published { kind: kind.to_owned(), address: address.to_owned() };
        let place = |published: &[Published], host: &str| reachable(published, host);
        let far = |host: &str, port| Some((host.to_owned(), port));
        let both = [at("pubrawblock", "tcp://127.0.0.1:1"), at("pubhashblock", "tcp://127.0.0.1:2")];
        assert_eq!(place(&both, "127.0.0.1"), far("127.0.0.1", 2));
        assert_eq!(place(&both, "localhost"), far("127.0.0.1", 2));
        assert_eq!(place(&both, "192.0.2.1"), None, "its own loopback is not ours");
        let any = [at("pubrawtx", "tcp://0.0.0.0:1"), at("pubrawblock", "tcp://0.0.0.0:3")];
        assert_eq!(place(&any, "node.example.org"), far("node.example.org", 3));
        assert_eq!(place(&[at("pubhashblock", "tcp://*:4")], "192.0.2.1"), far("192.0.2.1", 4));
        assert_eq!(place(&[at("pubhashblock", "tcp://[::]:5")], "192.0.2.1"), far("192.0.2.1", 5));
        assert_eq!(place(&[at("pubhashblock", "tcp://[2001:db8::1]:6")], "192.0.2.1"), far("2001:db8::1", 6));
        for odd in ["ipc:///tmp/x", "tcp://127.0.0.1", "tcp://127.0.0.1:x", ""] {
            assert_eq!(place(&[at("pubhashblock", odd)], "127.0.0.1"), None, "{odd}");
        }
    }

    #[test]
    fn a_node_that_does_not_publish_there_is_noticed() {
        let at = |kind: &str, address: &str| Published { kind: kind.to_owned(), address: address.to_owned() };
        let published = [at("pubhashtx", "tcp://127.0.0.1:28333"), at("pubhashblock", "tcp://0.0.0.0:28332")];
        assert_eq!(objection(&published, 28_332), None);
        assert!(objection(&published, 28_333).unwrap().contains("on tcp://0.0.0.0:28332"));
        assert!(objection(&[], 28_332).unwrap().contains("zmqpubhashblock"));
    }
}
