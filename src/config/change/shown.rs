//! Values as people see them in a list of changes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::chain::destination::Destination;
use crate::chain::form::{AddressForms, AlgorithmBits, Schedule};
use crate::chain::header::HeaderForm;
use crate::coin::profile::BlockHash;
use crate::config::secret::Secret;
use crate::config::{
    AgentDifficulty, ColumnUse, Durability, Endpoint, FixedOutput, Grid, Levels, Network, NodeLogin, PeerWay, Proxy,
    Rate, Recipient, StartFrom, Tls, UpdateBlock, Zmq,
};
use crate::difficulty::Difficulty;
use crate::pow::Algorithm;
use crate::pow::ids::TransactionHash;
use crate::pow::names::name_of;

/// A value that a change shows.
pub(super) trait Shown {
    /// How.
    fn shown(&self) -> String;
}

/// Values that show what `Display` shows.
macro_rules! by_display {
    ($($type:ty),*) => { $(impl Shown for $type { fn shown(&self) -> String { self.to_string() } })* };
}

/// Values that show their short names.
macro_rules! by_debug {
    ($($type:ty),*) => { $(impl Shown for $type { fn shown(&self) -> String { format!("{self:?}").to_lowercase() } })* };
}

/// Values that would say nothing to people, or hold a secret.
macro_rules! by_being_another {
    ($($type:ty),*) => { $(impl Shown for $type { fn shown(&self) -> String { "<...>".to_owned() } })* };
}

by_display!(bool, u8, u16, u32, u64, usize, f64, SocketAddr, Difficulty, Endpoint, Network, Secret, Levels);
by_debug!(Duration, ColumnUse, Durability, Grid, BlockHash, TransactionHash);
by_being_another!(Destination, NodeLogin, PeerWay, Zmq, UpdateBlock, AddressForms, AlgorithmBits, HeaderForm, Schedule);

impl Shown for String {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for (String, u16) {
    fn shown(&self) -> String {
        format!("{}:{}", self.0, self.1)
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), Shown::shown)
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(Shown::shown).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for Algorithm {
    fn shown(&self) -> String {
        name_of(*self).to_owned()
    }
}

impl Shown for Rate {
    fn shown(&self) -> String {
        format!("{} a second, {} at once", self.per_sec, self.burst)
    }
}

impl Shown for AgentDifficulty {
    fn shown(&self) -> String {
        format!("{} {}{}", self.agent, self.difficulty, if self.least { " at least" } else { "" })
    }
}

impl Shown for StartFrom {
    fn shown(&self) -> String {
        let Self { password, database, suggested, remembered, agent } = self;
        let all = [
            (password, "password"),
            (database, "database"),
            (suggested, "suggested"),
            (remembered, "remembered"),
            (agent, "agent"),
        ];
        format!("[{}]", all.into_iter().filter(|(on, _)| **on).map(|(_, name)| name).collect::<Vec<_>>().join(", "))
    }
}

impl Shown for FixedOutput {
    fn shown(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(|(written, _)| written.as_str()).collect();
        let (first, last) = (self.heights.start(), self.heights.end());
        format!("{} to {}, heights {first} to {last}, unless {:?}", self.due, to.join(" or "), self.members)
    }
}

impl Shown for Recipient {
    fn shown(&self) -> String {
        format!("{} {} ppm", self.written, self.share_ppm)
    }
}

impl Shown for Tls {
    fn shown(&self) -> String {
        let mode = if self.required { "required" } else { "detect" };
        format!("{mode}, {}, {}", self.files.certificate.display(), self.files.key.display())
    }
}

impl Shown for Proxy {
    fn shown(&self) -> String {
        let mode = if self.required { "required" } else { "optional_from_trusted" };
        format!("{mode}, {}, {:?}", self.trusted.shown(), self.header_timeout)
    }
}
