//! What may be asked for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pattern::Pattern;
use crate::config::Network;
use crate::stratum::roster::Entry;

/// Version of requests and answers.
pub const VERSION: u32 = 1;
/// Every command, for those who ask for another.
const COMMANDS: [&str; 9] =
    ["status", "miners", "kick", "set-difficulty", "bans", "ban", "unban", "log-level", "reload"];

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How things stand.
    Status {
        /// How many found blocks per coin.
        #[serde(default)]
        blocks: Option<usize>,
    },
    /// Who is connected.
    Miners {
        /// Which connections.
        #[serde(default)]
        who: Who,
        /// Only those with a number above this.
        #[serde(default)]
        after: u64,
        /// Most of them.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// End connections.
    Kick {
        /// Which.
        who: Who,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Change the difficulty of connections.
    SetDifficulty {
        /// Which.
        who: Who,
        /// Stratum difficulty.
        difficulty: f64,
    },
    /// Who is banned.
    Bans {
        /// How many to pass over.
        #[serde(default)]
        after: usize,
        /// Most of them.
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Ban somebody.
    Ban {
        /// Address or network.
        network: String,
        /// For so long.
        secs: u64,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// Leave open connections alone.
        #[serde(default)]
        keep: bool,
    },
    /// Lift a ban.
    Unban {
        /// Address or network.
        network: String,
    },
    /// Show or change what is logged.
    LogLevel {
        /// The change.
        #[serde(default)]
        set: Option<String>,
    },
    /// Read the configuration again.
    Reload,
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(line).map_err(|error| format!("no request: {error}"))?;
        let members = value.as_object_mut().ok_or("no request: it must be a JSON object")?;
        match members.remove("version") {
            Some(version) if version == json!(VERSION) => {}
            Some(other) => return Err(format!("version {other} is not spoken here, only {VERSION}")),
            None => return Err(format!("no \"version\": say {VERSION}")),
        }
        let known = COMMANDS.join(", ");
        match members.get("command").and_then(Value::as_str) {
            Some(command) if COMMANDS.contains(&command) => {}
            Some(other) => {
                let other: String = other.chars().take(80).collect();
                return Err(format!("no command {other:?}: there are {known}"));
            }
            None => return Err(format!("no \"command\": there are {known}")),
        }
        serde_json::from_value(value).map_err(|error| format!("no such request: {error}"))
    }

    /// The line that says it, with its line end.
    pub fn line(&self) -> String {
        let mut value = json!(self);
        if let Some(members) = value.as_object_mut() {
            members.insert("version".to_owned(), json!(VERSION));
        }
        format!("{value}\n")
    }

    /// Whether it is worth a line in the log.
    pub fn changes_something(&self) -> bool {
        !matches!(self, Self::Status { .. } | Self::Miners { .. } | Self::Bans { .. } | Self::LogLevel { set: None })
    }
}

/// Which connections: those that everything said here is true of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// An account, a worker, or a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// An address or a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A connection's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// A coin's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coin: Option<String>,
}

impl Who {
    /// Whether it is everybody.
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    /// Makes it ready to be compared with connections.
    ///
    /// # Errors
    /// The address is none.
    pub fn chosen(&self) -> Result<Chosen, String> {
        let address = self.address.as_deref().map(network).transpose()?;
        let worker = self.worker.as_deref().map(Pattern::new).transpose()?;
        Ok(Chosen { worker, address, id: self.id, coin: self.coin.clone() })
    }
}

/// Reads an address or a network.
pub fn network(text: &str) -> Result<Network, String> {
    let shown: String = text.chars().take(80).collect();
    Network::parse(text).ok_or_else(|| {
        format!("{shown:?} is neither an address nor a network: as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64, no bits set behind the network's")
    })
}

/// Connections that are meant.
pub struct Chosen {
    worker: Option<Pattern>,
    address: Option<Network>,
    id: Option<u64>,
    coin: Option<String>,
}

impl Chosen {
    /// Those of a network.
    pub fn of_network(network: Network) -> Self {
        Self { worker: None, address: Some(network), id: None, coin: None }
    }

    /// Whether a connection is one of them.
    pub fn holds(&self, entry: &Arc<Entry>) -> bool {
        let names_it = |pattern: &Pattern| entry.names().workers.iter().any(|worker| pattern.matches(worker));
        self.id.is_none_or(|id| id == entry.id)
            && self.coin.as_ref().is_none_or(|coin| **coin == *entry.coin)
            && self.address.is_none_or(|network| network.contains(entry.address))
            && self.worker.as_ref().is_none_or(names_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let who = Who { worker: Some("alice.*".into()), ..Who::default() };
        for request in [
            Request::Status { blocks: None },
            Request::Miners { who: Who::default(), after: 7, limit: Some(3) },
            Request::Kick { who: who.clone(), reason: Some("why".into()) },
            Request::SetDifficulty { who, difficulty: 0.5 },
            Request::Bans { after: 0, limit: None },
            Request::Ban { network: "192.0.2.0/24".into(), secs: 60, reason: None, keep: true },
            Request::Unban { network: "::1".into() },
            Request::LogLevel { set: Some("debug".into()) },
            Request::Reload,
        ] {
            assert_eq!(Request::parse(request.line().trim_end().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            ("x", "no request"),
            ("[]", "must be a JSON object"),
            (r#"{"command":"status"}"#, "no \"version\": say 1"),
            (r#"{"version":2,"command":"status"}"#, "version 2 is not spoken here"),
            (r#"{"version":1}"#, "there are status, miners"),
            (r#"{"version":1,"command":"switch"}"#, "no command \"switch\": there are status, miners"),
            (r#"{"version":1,"command":"kick"}"#, "who"),
            (r#"{"version":1,"command":"kick","who":{"wroker":"a"}}"#, "wroker"),
            (r#"{"version":1,"command":"status","bloks":3}"#, "bloks"),
            (r#"{"version":1,"command":"unban","network":7}"#, "string"),
        ] {
            let words = Request::parse(line.as_bytes()).unwrap_err();
            assert!(words.contains(part), "{line}: {words}");
        }
    }
}
