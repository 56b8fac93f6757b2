//! What a coin's connections count: for the status line, later for metrics. Never for accounting.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guard::Refused;
use crate::work::reject::{REJECTS, Reject};

/// Counters of one coin.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections refused because a port was full.
    pub refused_connections: AtomicU64,
    /// Shares answered `true`.
    pub accepted: AtomicU64,
    /// The difficulty they were credited at, all together.
    pub work: Sum,
    /// Submits refused to a worker who is known.
    pub rejected: AtomicU64,
    /// Block candidates.
    pub candidates: AtomicU64,
    /// Shares that count only because of the tolerance.
    pub tolerated: AtomicU64,
    /// Shares of the previous tip that count because of the stale grace.
    pub late: AtomicU64,
    /// Shares credited at a difficulty that was lowered after their job was sent.
    pub raced: AtomicU64,
    /// Shares that count although their time is so far ahead of the clock that a block with it might be refused
    /// by other nodes, whose clocks differ.
    pub ahead: AtomicU64,
    /// Logins by their result, in the order of [`LoginResult`].
    pub logins: [AtomicU64; LoginResult::ALL.len()],
    /// Difficulties raised and lowered to fit the miner.
    pub retargets: [AtomicU64; 2],
    /// Workers that lost their right to mine while they did.
    pub withdrawn: AtomicU64,
    /// Refused submits by their reason, in the order of [`Reject`].
    pub refusals: [AtomicU64; REJECTS],
    /// What happens below the session.
    pub wire: WireCounters,
}

/// What happens to connections before and beneath their sessions.
#[derive(Debug, Default)]
pub struct WireCounters {
    /// Refused because the daemon was full.
    pub daemon_full: AtomicU64,
    /// Refused because their address had too many.
    pub address_full: AtomicU64,
    /// Refused because their address connected too fast for waiting.
    pub too_fast: AtomicU64,
    /// Refused because their address is banned.
    pub banned: AtomicU64,
    /// Made to wait because their address connected fast.
    pub delayed: AtomicU64,
    /// Accepts that failed for want of descriptors or memory.
    pub accept_failures: AtomicU64,
    /// Closed: no header of a proxy where one must be, a wrong one, or one from somebody not trusted.
    pub bad_proxy_headers: AtomicU64,
    /// Closed: TLS on a plain port.
    pub tls_on_plain: AtomicU64,
    /// Closed: no TLS on a port that requires it.
    pub plain_on_tls: AtomicU64,
    /// TLS handshakes that failed, took too long or had to give way.
    pub failed_handshakes: AtomicU64,
    /// TLS handshakes that succeeded.
    pub handshakes: AtomicU64,
    /// Sessions in TLS that are open now.
    pub encrypted: AtomicU64,
    /// HTTP requests answered.
    pub probes: AtomicU64,
    /// Closed: not a byte, or not enough to tell what they speak.
    pub silent: AtomicU64,
    /// Closed: left what they were sent unread.
    pub slow_readers: AtomicU64,
    /// Pauses made in reading because lines came too fast.
    pub slowed: AtomicU64,
    /// Authorisations that had to wait because others of their address had failed.
    pub delayed_authorizations: AtomicU64,
    /// Addresses banned.
    pub bans: AtomicU64,
    /// Closed: lines in a row that are no requests, or methods that nobody knows.
    pub junk: AtomicU64,
    /// Closed: a line beyond its limit.
    pub line_too_long: AtomicU64,
    /// Closed: not subscribed in time.
    pub not_subscribed: AtomicU64,
    /// Closed: no worker logged in in time.
    pub not_authorised: AtomicU64,
    /// Closed: no share counted for too long.
    pub idle: AtomicU64,
    /// Closed: too many invalid shares.
    pub invalid_shares: AtomicU64,
}

/// What came of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginResult {
    /// The worker may mine.
    Granted,
    /// It may not.
    Denied,
    /// It could not be looked up.
    Unavailable,
}

impl LoginResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Granted, Self::Denied, Self::Unavailable];

    /// Its name, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A sum of positive numbers that many add to.
#[derive(Debug, Default)]
pub struct Sum(AtomicU64);

impl Sum {
    /// Adds to it.
    pub fn add(&self, amount: f64) {
        let more = |bits| Some((f64::from_bits(bits) + amount).to_bits());
        // Never refused: the closure always has an answer.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// The sum so far.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Counters {
    /// Adds one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refused submit.
    pub fn refused(&self, reject: Reject) {
        if let Some(counter) = self.refusals.get(reject as usize) {
            Self::count(counter);
        }
    }

    /// Counts what came of a login.
    pub fn logged_in(&self, result: LoginResult) {
        if let Some(counter) = self.logins.get(result as usize) {
            Self::count(counter);
        }
    }

    /// Counts a difficulty that was fitted to the miner.
    pub fn retargeted(&self, raised: bool) {
        if let Some(counter) = self.retargets.get(usize::from(!raised)) {
            Self::count(counter);
        }
    }

    /// Takes one off.
    pub fn uncount(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }

    /// The counter of a refusal.
    pub fn of(&self, refused: Refused) -> &AtomicU64 {
        match refused {
            Refused::PortFull => &self.refused_connections,
            Refused::DaemonFull => &self.wire.daemon_full,
            Refused::AddressFull => &self.wire.address_full,
            Refused::TooFast => &self.wire.too_fast,
            Refused::Banned => &self.wire.banned,
        }
    }
}

impl WireCounters {
    /// Names and counters, in the order of a connection's life.
    pub fn named(&self) -> [(&'static str, &AtomicU64); 23] {
        [
            ("accept_failures", &self.accept_failures),
            ("daemon_full", &self.daemon_full),
            ("address_full", &self.address_full),
            ("too_fast", &self.too_fast),
            ("banned", &self.banned),
            ("delayed", &self.delayed),
            ("bad_proxy_headers", &self.bad_proxy_headers),
            ("tls_on_plain", &self.tls_on_plain),
            ("plain_on_tls", &self.plain_on_tls),
            ("failed_handshakes", &self.failed_handshakes),
            ("handshakes", &self.handshakes),
            ("probes", &self.probes),
            ("silent", &self.silent),
            ("slow_readers", &self.slow_readers),
            ("slowed", &self.slowed),
            ("delayed_authorizations", &self.delayed_authorizations),
            ("bans", &self.bans),
            ("junk", &self.junk),
            ("line_too_long", &self.line_too_long),
            ("not_subscribed", &self.not_subscribed),
            ("not_authorised", &self.not_authorised),
            ("idle", &self.idle),
            ("invalid_shares", &self.invalid_shares),
        ]
    }
}

/// What was counted, for the log: only what happened at all.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = [
            ("accepted", &self.accepted),
            ("rejected", &self.rejected),
            ("candidates", &self.candidates),
            ("port_full", &self.refused_connections),
        ];
        let named = own.into_iter().chain(self.wire.named());
        let counts = named.map(|(name, counter)| (name, counter.load(Ordering::Relaxed)));
        for (nth, (name, count)) in counts.filter(|(_, count)| *count > 0).enumerate() {
            let separator = if nth == 0 { "" } else { ", " };
            write!(f, "{separator}{name} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_shown() {
        let counters = Counters::default();
        assert_eq!(counters.to_string(), "");
        (0..3).for_each(|_| Counters::count(&counters.accepted));
        Counters::count(counters.of(Refused::Banned));
        assert_eq!(counters.to_string(), "accepted 3, banned 1");
    }
}
