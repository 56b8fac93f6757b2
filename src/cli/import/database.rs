//! The database and the nodes of an old server.

use super::draft::{CoinDraft, Table, text};
use super::history::Old;
use crate::config::is_host;
use crate::mpos::schema_files;

/// Login data as far as an old file has them. No `Debug`: they hold passwords.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    /// Only nodes have it: HTTPS.
    pub(super) https: bool,
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

/// The keys that are asked for where an old value cannot stand under them.
pub(super) const NODE_URL: &str = "node.url";
pub(super) const DATABASE: &str = "mpos.database";
/// Where the first node is if an old file does not say it.
const DEFAULT_HOST: &str = "127.0.0.1";

impl Login {
    /// Host and port as a node's URL takes them.
    pub(super) fn address(&self) -> Option<(&str, u16)> {
        let host = self.host.as_deref().unwrap_or(DEFAULT_HOST);
        let plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        self.port.filter(|_| plain || host.parse::<std::net::Ipv6Addr>().is_ok()).map(|port| (host, port))
    }
}

/// Reads a login, and tells what became of its options.
pub(super) fn login(old: &Old<'_>, names: Names<'_>) -> Login {
    let mut login = Login::default();
    let mut behind_host = None;
    for (name, part, key) in names {
        // Samples ship with passwords such as `**empty**`.
        let text = || old.text(name).filter(|value| !value.starts_with("**")).map(str::to_owned);
        match part {
            Part::Port => login.port = old.number(name).and_then(port_number),
            Part::Host if *key == NODE_URL => login.host = text(),
            Part::Host => (login.host, behind_host) = text().map_or((None, None), |text| host_and_port(&text)),
            Part::User => login.user = text(),
            Part::Password => login.password = text(),
            Part::Name => login.name = text(),
        }
    }
    login.port = login.port.or(behind_host);
    for (name, part, key) in names {
        match part {
            Part::Host if behind_host.is_some() => old.adapted(name, key, "the port behind it is mpos.port"),
            _ => tell(old, &login, name, *part, key),
        }
    }
    login
}

/// A database's host, and the port that some write behind it; nothing if it is neither a name nor an address.
fn host_and_port(text: &str) -> (Option<String>, Option<u16>) {
    match text.rsplit_once(':') {
        _ if is_host(text) => (Some(text.to_owned()), None),
        Some((host, port)) if is_host(host) => match port.parse().ok().filter(|port| *port > 0) {
            Some(port) => (Some(host.to_owned()), Some(port)),
            None => (None, None),
        },
        _ => (None, None),
    }
}

/// Tells what became of a part, by what will be written of it.
fn tell(old: &Old<'_>, login: &Login, name: &str, part: Part, key: &str) {
    let has = match part {
        Part::Port => login.port.is_some(),
        Part::Host => login.host.is_some(),
        Part::User => login.user.is_some(),
        Part::Password => login.password.is_some(),
        Part::Name => login.name.is_some(),
    };
    let is_sample = "is empty or still the sample's";
    match part {
        _ if !has && key.starts_with("nothing") => old.dropped(name, is_sample),
        Part::Port if !has && key == NODE_URL => {
            old.attention(name, format!("is not a valid port number; {key} is asked for"))
        }
        Part::Port if !has => old.attention(name, format!("is not a valid port number; the default of {key} counts")),
        Part::Host if key == NODE_URL && login.address().is_none() => old.asked(name, key),
        Part::Port if key == NODE_URL && login.address().is_none() => old.asked(name, key),
        Part::Host if !has && key == NODE_URL => {
            old.adapted(name, key, format!("{DEFAULT_HOST}, the old server's default"));
        }
        Part::Host
            if !has && old.text(name).is_some_and(|text| !text.is_empty() && host_and_port(text).0.is_none()) =>
        {
            old.attention(name, format!("is not a host name or address; the default of {key} counts"));
        }
        Part::Host if !has => old.attention(name, format!("{is_sample}; the default of {key} counts")),
        Part::Name if key == DATABASE && !login.name.as_deref().is_some_and(is_database) => old.asked(name, key),
        _ if !has => old.attention(name, format!("{is_sample}; {key} has to be filled in")),
        _ => old.taken(name, key),
    }
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
    table.note(format!(
        "It needs three small tables of ours ({}) and the rights of {}.",
        schema_files::own_tables(),
        schema_files::grants()
    ));
    let place = (name.as_str(), "mpos");
    secret(table, place, "user", login.user.as_deref(), "which user of the database writes shares?");
    secret(table, place, "password", login.password.as_deref(), "what is the password of the database's user?");
    match login.name.as_deref().filter(|database| is_database(database)) {
        Some(database) => table.text("database", database),
        None => table.ask_by_hand(&name, "mpos", "database", "which database has MPOS's table `shares`?"),
    }
}

/// Writes a value, or asks for it in the file. `place` is the coin, and what the table is called in the question.
fn secret(table: &mut Table, place: (&str, &str), key: &'static str, value: Option<&str>, asks: &str) {
    match value {
        Some(value) => table.text(key, value),
        None => table.ask_by_hand(place.0, place.1, key, asks),
    }
}

/// Whether a name needs no quoting in SQL, as our reader wants it.
pub(super) fn is_database(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
}

/// Adds a node. `false` if it is there already.
pub(super) fn add_node(coin: &mut CoinDraft, known: &mut Vec<(String, u16)>, login: &Login) -> bool {
    let mut table = Table::default();
    let number = coin.nodes.len() + 1;
    let called = if number == 1 { "node".to_owned() } else { format!("node{number}") };
    match login.address() {
        Some((host, port)) => {
            let address = (host.to_ascii_lowercase(), port);
            if known.contains(&address) {
                return false;
            }
            known.push(address);
            let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let scheme = if login.https { "https" } else { "http" };
            table.text("url", &format!("{scheme}://{shown}:{port}"));
            if login.https {
                table.note("Needed if the system's authorities do not vouch for the node's certificate:");
                table.open("ca_file", text("/etc/mpos-stratum/node.pem"));
            }
        }
        None => table.ask_by_hand(&coin.name, &called, "url", "where is the coin's node? http://host:port of its RPC"),
    }
    let place = (coin.name.as_str(), called.as_str());
    secret(&mut table, place, "user", login.user.as_deref(), "what is the node's rpcuser?");
    secret(&mut table, place, "password", login.password.as_deref(), "what is the node's rpcpassword?");
    coin.nodes.push(table);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_its_port_behind_it() {
        let read = |text| {
            let (host, port) = host_and_port(text);
            (host.unwrap_or_default(), port)
        };
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("localhost:3307", "localhost", Some(3307)),
            ("192.0.2.1:3307", "192.0.2.1", Some(3307)),
            ("2001:db8::1", "2001:db8::1", None),
            ("localhost:x", "", None),
            ("localhost:0", "", None),
            (":3306", "", None),
            ("not a host/at all", "", None),
            ("/run/mysqld/mysqld.sock", "", None),
        ] {
            assert_eq!(read(text), (host.to_owned(), port), "{text}");
        }
    }
}
