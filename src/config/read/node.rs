//! `[[coin.node]]`

use toml::de::DeValue;

use super::database;
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::{Wrong, nonempty, secs, text, wrong};
use crate::config::{Node, NodeLogin};

/// What to write when a node has no login at all.
const USER_EXAMPLE: &str = "user = \"rpcuser\"` with its `password`, or `cookie_file = \"/var/lib/coin/.cookie\"";

/// Reads a coin's nodes. `None` if one is wrong or there is none.
pub(super) fn read_all(report: &Report, coin: &Section<'_>) -> Option<Vec<Node>> {
    let sections = coin.tables("node");
    if sections.is_empty() && !coin.has_own("node") {
        let remedy = "add a [[coin.node]] table with `url = \"http://127.0.0.1:9332\"`, `user` and `password`";
        report.problem(&coin.place("node"), "the coin has no node", remedy);
    }
    let mut seen: Vec<(String, u16)> = Vec::new();
    let read = |section: Section<'_>| {
        let place = section.place("url");
        let node = read(section)?;
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

fn read(section: Section<'_>) -> Option<Node> {
    // A URL may hold a password by mistake, so no message repeats it.
    let address = match section.has("url") {
        true => section.secret("url", address),
        false => section.required("url", "url = \"http://127.0.0.1:9332\"", address),
    };
    let name = section.optional("name", nonempty);
    let timeout = section.or("timeout_secs", "30", secs(1..=600));
    let login = match section.choose(&[&["cookie_file"], &["user", "password", "password_file"]]) {
        Some(0) => section
            .optional("cookie_file", |value| nonempty(value).map(|path| section.home().source.resolve(&path)))
            .map(NodeLogin::Cookie),
        _ => {
            let user = section.required("user", USER_EXAMPLE, nonempty);
            let password = database::password(&section);
            user.zip(password).map(|(user, password)| NodeLogin::Password { user, password })
        }
    };
    section.finish();
    let (host, port) = address?;
    let name =
        name.unwrap_or_else(|| if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") });
    Some(Node { name, host, port, login: login?, timeout: timeout? })
}

/// Host and port of `http://host:port`.
fn address(value: &DeValue<'_>) -> Result<(String, u16), Wrong> {
    const REMEDY: &str = "write \"http://\", a host, a colon and the RPC port, such as \"http://127.0.0.1:9332\"";
    let url = text(value)?;
    if url.starts_with("https://") {
        return wrong(
            "asks for TLS, which coin daemons do not speak",
            "use http://, through a tunnel if it leaves the machine",
        );
    }
    if url.contains('@') {
        return wrong("holds a user or password", "write them as `user` and `password` beside the url");
    }
    let rest = url.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let Some((host, port)) = rest.and_then(|rest| rest.rsplit_once(':')) else {
        return wrong("is not of the form http://host:port", REMEDY);
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    match port.parse::<u16>() {
        Ok(port) if port > 0 && host_is_good => Ok((bracketed.unwrap_or(host).to_owned(), port)),
        _ => wrong("has no good host or port", REMEDY),
    }
}
