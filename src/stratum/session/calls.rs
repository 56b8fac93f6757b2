//! What the pool tells and asks miners beside their work, as far as their program understands it.

use super::Session;
use super::effects::CloseReason;
use crate::stratum::reply;
use crate::stratum::request::Request;

/// How the programs call themselves that answer a ping.
const CGMINER_FAMILY: [&str; 3] = ["cgminer", "bmminer", "sgminer"];
/// How the programs call themselves that show messages and tell their version when they are asked.
const TALKERS: [&str; 6] = ["cgminer", "bfgminer", "sgminer", "cpuminer", "ccminer", "cudaminer"];
/// Programs that do not follow when they are told to connect again: services and proxies for many.
const NOT_TO_BE_SENT_AWAY: [&str; 3] = ["nicehash", "proxy", "/3."];
/// How long a miner is asked to wait before it connects again.
const RECONNECT_WAIT_SECS: u64 = 5;
/// Bytes of an answer to the question for the version that are kept.
const VERSION_BYTES_MAX: usize = 64;

impl Session {
    /// The first worker of the connection was authorised: a word of welcome, and who is it?
    pub(super) fn welcome(&mut self) {
        let rules = &self.terms.port.rules;
        if self.welcomed || !self.shows_messages() {
            return;
        }
        self.welcomed = true;
        if let Some(text) = &rules.message {
            self.out.push(&reply::show_message(text));
        }
        if rules.ask_version {
            self.out.push(&reply::get_version());
        }
    }

    /// An answer of the miner to something that we may have asked.
    pub(super) fn take_answer(&mut self, request: &Request<'_>) {
        let asked = self.welcomed && self.terms.port.rules.ask_version;
        let id = request.id.as_ref().map(|id| id.as_json());
        if !asked || id != Some(reply::VERSION_ID) || !self.version.is_empty() {
            return;
        }
        let told = request.result.and_then(|raw| serde_json::from_str::<String>(raw).ok()).unwrap_or_default();
        self.version = told.chars().take(VERSION_BYTES_MAX).collect::<String>().into();
    }

    /// Asks a miner whether it is there, if its program answers; false: it does not.
    pub(super) fn ping(&mut self) -> bool {
        let answers = self.agent_is_one_of(&CGMINER_FAMILY);
        if answers {
            self.pings += 1;
            self.out.push(&reply::ping(self.pings));
        }
        answers
    }

    /// The daemon stops, and the connection with it.
    pub fn on_stop(&mut self) {
        if self.answers.is_empty() && self.agent_is_one_of(&TALKERS) {
            self.out.push(&reply::show_message("The pool restarts: connect again"));
        }
        let rules = &self.terms.port.rules;
        if rules.reconnect_on_stop && self.follows() && self.answers.is_empty() {
            self.out.push(&reply::reconnect(rules.advertise.as_ref(), RECONNECT_WAIT_SECS));
        }
    }

    /// What the miner works on is closed: it is told so, and where to go, if the port says that.
    pub fn on_moved(&mut self, words: &str) {
        if self.shows_messages() {
            self.out.push(&reply::show_message(words));
        }
        let advertise = self.terms.port.rules.advertise.as_ref();
        if advertise.is_some() && self.follows() {
            self.out.push(&reply::reconnect(advertise, RECONNECT_WAIT_SECS));
        }
        self.end(CloseReason::Moved);
    }

    /// Whether the miner's program connects again when it is told to.
    fn follows(&self) -> bool {
        let agent = self.agent.to_lowercase();
        self.subscribed && !NOT_TO_BE_SENT_AWAY.iter().any(|name| agent.contains(name))
    }

    /// Whether the miner's program shows what it is told.
    pub(super) fn shows_messages(&self) -> bool {
        self.agent_is_one_of(&TALKERS)
    }

    fn agent_is_one_of(&self, names: &[&str]) -> bool {
        let agent = self.agent.to_lowercase();
        names.iter().any(|name| agent.starts_with(name))
    }
}
