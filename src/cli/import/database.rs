//! The database and the nodes of an old server.

use super::draft::{CoinDraft, Table};
use super::history::Old;

/// Login data as far as an old file has them. No `Debug`: they hold passwords.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Only databases have one.
    pub(super) name: Option<String>,
}

/// A port number.
pub(super) fn port_number(number: f64) -> Option<u16> {
    let text = number.to_string();
    text.parse().ok().filter(|port: &u16| *port > 0)
}

/// Where each old option of a login goes: old name, part of the login, new key.
type Names<'a> = &'a [(&'a str, Part, &'a str)];

/// A part of a login.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Host,
    Port,
    User,
    Password,
    Name,
}

/// Reads a login, and tells what became of its options.
pub(super) fn login(old: &Old<'_>, names: Names<'_>) -> Login {
    let mut login = Login::default();
    for (name, part, key) in names {
        if *part == Part::Port {
            login.port = old.number(name).and_then(port_number);
            match login.port {
                Some(_) => old.taken(name, key),
                None => old.attention(name, "is no port number"),
            }
            continue;
        }
        // Samples ship with passwords such as `**empty**`.
        let value = old.text(name).filter(|value| !value.starts_with("**")).map(str::to_owned);
        match value {
            Some(_) => old.taken(name, key),
            None => old.attention(name, format!("is empty or still the sample's; {key} has to be filled in")),
        }
        match part {
            Part::Host => login.host = value,
            Part::User => login.user = value,
            Part::Password => login.password = value,
            Part::Name | Part::Port => login.name = value,
        }
    }
    login
}

/// Writes `[coin.mpos]`.
pub(super) fn put(coin: &mut CoinDraft, login: &Login) {
    let name = coin.name.clone();
    let table = &mut coin.mpos;
    if let Some(host) = &login.host {
        table.text("host", host);
    }
    if let Some(port) = login.port {
        table.set("port", port.to_string());
    }
    table.note("It needs three small tables of ours (schema/mpos-stratum.sql) and the rights of schema/grants.sql.");
    secret(table, &name, "user", login.user.as_deref(), "which user of the database writes shares?");
    secret(table, &name, "password", login.password.as_deref(), "what is the password of the database's user?");
    match login.name.as_deref().filter(|database| is_database(database)) {
        Some(database) => table.text("database", database),
        None => table.ask_by_hand(&name, "database", "which database has MPOS's table `shares`?"),
    }
}

/// Writes a value, or asks for it in the file.
fn secret(table: &mut Table, coin: &str, key: &'static str, value: Option<&str>, asks: &str) {
    match value {
        Some(value) => table.text(key, value),
        None => table.ask_by_hand(coin, key, asks),
    }
}

/// Whether a name needs no quoting in SQL, as our reader wants it.
pub(super) fn is_database(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
}

/// Adds a node. `false` if it is there already.
pub(super) fn add_node(coin: &mut CoinDraft, known: &mut Vec<(String, u16)>, login: &Login) -> bool {
    let mut table = Table::default();
    let host = login.host.as_deref().unwrap_or("127.0.0.1");
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match login.port {
        Some(port) if plain || host.parse::<std::net::Ipv6Addr>().is_ok() => {
            let address = (host.to_ascii_lowercase(), port);
            if known.contains(&address) {
                return false;
            }
            known.push(address);
            table.text("url", &format!("http://{shown}:{port}"));
        }
        _ => table.ask_by_hand(&coin.name, "url", "where is the coin's node? http://host:port of its RPC"),
    }
    secret(&mut table, &coin.name, "user", login.user.as_deref(), "what is the node's rpcuser?");
    secret(&mut table, &coin.name, "password", login.password.as_deref(), "what is the node's rpcpassword?");
    coin.nodes.push(table);
    true
}
