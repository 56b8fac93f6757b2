//! `[[coin.node]]`

use toml::de::DeValue;

use super::database;
use crate::bytes::hex;
use crate::coin::profile::Profile;
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::{Wrong, boolean, nonempty, secs, sized, text, wrong};
use crate::config::{NODE_CA_FILE, Node, NodeLogin, NodeWays, PeerWay, Zmq};

/// What to write when a node has no login at all.
const USER_EXAMPLE: &str = "user = \"rpcuser\"` with its `password`, or `cookie_file = \"/var/lib/coin/.cookie\"";

const P2P_REMEDY: &str = "write the node's peer-to-peer address, such as \"127.0.0.1:9333\"";

/// Reads a coin's nodes. `None` if one is wrong or there is none.
pub(super) fn read_all(report: &Report, coin: &Section<'_>, profile: Option<&Profile>) -> Option<Vec<Node>> {
    let sections = coin.tables("node");
    if sections.is_empty() && !coin.has_own("node") {
        let remedy = "add a [[coin.node]] table with `url = \"http://127.0.0.1:9332\"`, `user` and `password`";
        report.problem(&coin.place("node"), "the coin has no node", remedy);
    }
    let mut seen: Vec<(String, u16)> = Vec::new();
    let p2p = P2p {
        magic: coin.optional("p2p_magic", magic),
        port: coin.optional("p2p_port", sized(1..=65_535)),
        takes_blocks: profile.is_none_or(|profile| !profile.pays_public_key),
    };
    let read = |section: Section<'_>| {
        let place = section.place("url");
        let node = read(section, p2p)?;
        let address = (node.host.clone(), node.port);
        if seen.contains(&address) {
            report.problem(&place, "is the address of another node of this coin", "name every node once");
        }
        seen.push(address);
        Some(node)
    };
    let nodes: Vec<Option<Node>> = sections.into_iter().map(read).collect();
    let nodes = nodes.into_iter().collect::<Option<Vec<_>>>()?;
    (!nodes.is_empty()).then_some(nodes)
}

/// What the coin says about its peer-to-peer network.
#[derive(Clone, Copy)]
struct P2p {
    magic: Option<[u8; 4]>,
    port: Option<u16>,
    /// Blocks can be sent there. Not where the node signs them in `submitblock`: without the signature it would refuse
    /// them, and us.
    takes_blocks: bool,
}

fn read(section: Section<'_>, p2p: P2p) -> Option<Node> {
    // A URL may hold a password by mistake, so no message repeats it.
    let address = match section.has("url") {
        true => section.secret("url", address),
        false => section.required("url", "url = \"http://127.0.0.1:9332\"", address),
    };
    let name = section.optional("name", nonempty);
    let timeout = section.or("timeout_secs", "30", secs(1..=600));
    let login = match section.choose(&[&["cookie_file"], &["user", "password", "password_file"]]) {
        Some(0) => section.file("cookie_file").map(NodeLogin::Cookie),
        _ => {
            let user = section.required("user", USER_EXAMPLE, nonempty);
            let password = database::password(&section);
            user.zip(password).map(|(user, password)| NodeLogin::Password { user, password })
        }
    };
    let ca = section.file("ca_file");
    let peer = peer(&section, p2p);
    let zmq = section.optional("zmq", zmq).unwrap_or_default();
    let wallet = section.optional("wallet", nonempty);
    section.finish();
    let (is_tls, host, port) = address?;
    let tls_ca = is_tls.then(|| ca.unwrap_or_else(|| NODE_CA_FILE.into()));
    let name =
        name.unwrap_or_else(|| if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") });
    let ways = NodeWays { tls_ca, wallet, peer: peer?, zmq };
    Some(Node { name, host, port, login: login?, timeout: timeout?, ways })
}

/// The peer-to-peer way; `Some(None)`: there is none.
fn peer(section: &Section<'_>, p2p: P2p) -> Option<Option<PeerWay>> {
    let address = section.optional("p2p", |value| {
        let address = text(value)?;
        match p2p.port {
            // An IPv6 address without a port has its brackets at the end.
            Some(port) if !address.contains(':') || address.ends_with(']') => {
                host_and_port(&format!("{address}:{port}"), P2P_REMEDY)
            }
            _ => host_and_port(&address, P2P_REMEDY),
        }
    });
    let push_blocks = section.or("p2p_push_blocks", "true", boolean);
    let version = section.or("p2p_version", "70015", sized(1..=1_000_000));
    if !section.has("p2p") {
        return Some(None);
    }
    let Some(magic) = p2p.magic else {
        let remedy =
            "add p2p_magic = \"fbc0b6db\" to the coin: the four bytes its messages begin with (pchMessageStart)";
        section.report().problem(&section.place("p2p"), "needs the coin's p2p_magic", remedy);
        return None;
    };
    let (host, port) = address?;
    Some(Some(PeerWay { host, port, magic, version: version?, push_blocks: push_blocks? && p2p.takes_blocks }))
}

/// Four bytes in hexadecimal, in the order they are sent.
fn magic(value: &DeValue<'_>) -> Result<[u8; 4], Wrong> {
    match hex::decode_array(text(value)?.as_bytes()) {
        Some(magic) => Ok(magic),
        None => wrong("is not eight hexadecimal digits", "write pchMessageStart of the coin, such as \"fbc0b6db\""),
    }
}

/// Host and port of `tcp://host:port`, or `off`.
fn zmq(value: &DeValue<'_>) -> Result<Zmq, Wrong> {
    const REMEDY: &str = "write what the node's zmqpubhashblock says, such as \"tcp://127.0.0.1:28332\", or \"off\"";
    match text(value)?.strip_prefix("tcp://") {
        Some(rest) => host_and_port(rest, REMEDY).map(|(host, port)| Zmq::At(host, port)),
        None if text(value)? == "off" => Ok(Zmq::Off),
        None => wrong("is not of the form tcp://host:port", REMEDY),
    }
}

/// Whether it is `https`, host and port of `http://host:port`.
fn address(value: &DeValue<'_>) -> Result<(bool, String, u16), Wrong> {
    const REMEDY: &str = "write \"http://\", a host, a colon and the RPC port, such as \"http://127.0.0.1:9332\"";
    let url = text(value)?;
    if url.contains('@') {
        return wrong("holds a user or password", "write them as `user` and `password` beside the url");
    }
    let (is_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return wrong("is not of the form http://host:port", REMEDY),
    };
    let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest), REMEDY)?;
    Ok((is_tls, host, port))
}

/// Host and port of `host:port` or `[address]:port`.
fn host_and_port(text: &str, remedy: &str) -> Result<(String, u16), Wrong> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return wrong("has no host and port with a colon between", remedy);
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && host_is_good => Ok((bracketed.unwrap_or(host).to_owned(), port)),
        _ => wrong("has no good host or port", remedy),
    }
}
