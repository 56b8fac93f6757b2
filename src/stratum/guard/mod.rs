//! Who may connect, how often and how much: limits that look at addresses, never at shares.
//!
//! | table | bound | when it is reached |
//! | --- | --- | --- |
//! | connections of a source, per port | one entry per source with an open connection | as the port's connections |
//! | pace of new connections, per port | [`PACES_MAX`] sources | the longest unseen starts with a full bucket |
//! | lines of newcomers, per port | [`PACES_MAX`] sources | likewise |
//! | refused authorisations | 50,000 sources | the longest unseen starts anew |
//! | bans | [`bans::SOURCES_MAX`] sources | the longest unseen is forgiven |
//! | banned connections kept waiting | [`DETAINED_MAX`], and a [`DETAINED_SHARE`]th of the port | a further one is closed at once |
//! | bans by order | [`ordered::ORDERED_MAX`] networks | a further one is refused |

pub mod bans;
mod failures;
mod operator;
pub mod ordered;
pub mod pace;
mod recent;
pub mod saved;
pub mod source;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tracing::{info, warn};

use self::bans::{Ban, Bans};
use self::failures::Failures;
pub use self::operator::{BanOrder, InForce};
use self::ordered::{Ordered, OrderedBans};
use self::pace::Pace;
use self::recent::Recent;
use self::saved::{Saved, SavedBan, SavedOrder};
use self::source::Source;
use super::session::effects::CloseReason;
use crate::clock::Clock;
use crate::config::Limits;

/// Sources whose pace of connecting is remembered per port. About 100 bytes each.
pub const PACES_MAX: usize = 50_000;
/// A new connection waits so long for its turn at most; beyond it is refused.
pub const DELAY_MAX: Duration = Duration::from_secs(10);
/// Banned connections of a port that are kept waiting before they are closed: who connects again at once, thousands of
/// times a second, takes the processor from everybody else.
pub const DETAINED_MAX: usize = 1_000;
/// They take this part of the port's connections at most.
pub const DETAINED_SHARE: usize = 16;
/// New connections that one counts as that ended for noise.
const NOISE_COST: u32 = 10;
/// Noise makes the next connection of its address wait so long at most, or little more.
const NOISE_DELAY_MAX: Duration = Duration::from_secs(2);
/// Lines of newcomers are promised so far ahead at most: whoever comes later asks again.
const PROMISE_MAX: Duration = Duration::from_secs(10);

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The daemon has as many connections as it may have.
    DaemonFull,
    /// The port has.
    PortFull,
    /// The address has.
    AddressFull,
    /// The address connects so fast that it would have to wait too long.
    TooFast,
    /// The address is banned.
    Banned,
}

/// What holds for the whole daemon.
#[derive(Debug)]
pub struct Guard {
    connections_max: AtomicUsize,
    connections: AtomicUsize,
    bans: Mutex<Bans>,
    ordered: Mutex<OrderedBans>,
    /// Bans have changed since they were saved.
    unsaved: AtomicBool,
    failures: Mutex<Failures>,
}

impl Guard {
    /// A guard who lets so many connections in.
    pub fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max: AtomicUsize::new(connections_max),
            connections: AtomicUsize::new(0),
            bans: Mutex::default(),
            ordered: Mutex::default(),
            unsaved: AtomicBool::new(false),
            failures: Mutex::default(),
        })
    }

    /// Lets so many in from now on; whoever is in stays.
    pub fn change(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    /// Connections that are open now, of all ports.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Takes over the bans of an earlier life. A file that cannot be used is as good as none.
    pub fn restore(&self, path: &Path, clock: &dyn Clock) {
        let saved = match saved::read(path) {
            Ok(saved) => saved,
            Err(problem) => {
                warn!(path = %path.display(), %problem, "earlier bans are not taken over: the file is ignored and written anew");
                return;
            }
        };
        let (unix_secs, now) = (clock.unix_secs(), clock.monotonic());
        let left = |until: u64| until.checked_sub(unix_secs).filter(|left| *left > 0).map(Duration::from_secs);
        let ban = |SavedBan { source, until, cause }| Some(Ban { source, left: left(until)?, cause });
        let bans: Vec<Ban> = saved.sources.into_iter().filter_map(ban).collect();
        let by_order: Vec<Ordered> = saved
            .ordered
            .into_iter()
            .filter_map(|ban| {
                let until = now + left(ban.until)?;
                Some(Ordered { network: ban.network, reason: ban.reason, since: ban.since, ends: ban.until, until })
            })
            .collect();
        if !bans.is_empty() || !by_order.is_empty() {
            info!(bans = bans.len(), by_order = by_order.len(), "bans of an earlier life are still in force");
            lock(&self.bans).restore(&bans, now);
            let mut ordered = lock(&self.ordered);
            by_order.into_iter().for_each(|ban| {
                ordered.add(ban, now);
            });
        }
    }

    /// Writes the bans in force down, if they have changed.
    pub fn save(&self, path: &Path, clock: &dyn Clock) {
        if !self.unsaved.swap(false, Ordering::Relaxed) {
            return;
        }
        let (now, unix_secs) = (clock.monotonic(), clock.unix_secs());
        let ban = |Ban { source, left, cause }| SavedBan { source, until: unix_secs + left.as_secs(), cause };
        let sources = lock(&self.bans).in_force(now).into_iter().map(ban);
        let order = |ban: &Ordered| SavedOrder {
            network: ban.network,
            until: ban.ends,
            since: ban.since,
            reason: ban.reason.clone(),
        };
        let ordered = lock(&self.ordered).in_force(now).map(order).collect();
        if let Err(problem) = saved::write(path, &Saved { sources: sources.collect(), ordered }) {
            self.unsaved.store(true, Ordering::Relaxed);
            warn!(path = %path.display(), %problem, "bans cannot be saved: a restart will forgive them");
        }
    }
}

/// What holds for one port.
#[derive(Debug)]
pub struct PortGuard {
    daemon: Arc<Guard>,
    limits: RwLock<Arc<Limits>>,
    connections_max: AtomicUsize,
    connections: AtomicUsize,
    /// Of them those that are banned and kept waiting.
    detained: AtomicUsize,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
struct Tables {
    /// Connections of each source.
    open: HashMap<Source, u32>,
    paces: Recent<Pace>,
    /// What the connections of a source on which no share has counted send together.
    newcomers: Recent<Pace>,
}

impl PortGuard {
    /// The guard of a port that takes so many connections.
    pub fn new(daemon: &Arc<Guard>, limits: &Limits, connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            daemon: Arc::clone(daemon),
            limits: RwLock::new(Arc::new(limits.clone())),
            connections_max: AtomicUsize::new(connections_max),
            connections: AtomicUsize::new(0),
            detained: AtomicUsize::new(0),
            tables: Mutex::new(Tables {
                open: HashMap::new(),
                paces: Recent::new(PACES_MAX),
                newcomers: Recent::new(PACES_MAX),
            }),
        })
    }

    /// Other limits hold from now on; whoever is in stays.
    pub fn change(&self, limits: &Limits, connections_max: usize) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits.clone());
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets a socket in, whoever it is; what becomes of it is known by its [`Admission`].
    ///
    /// # Errors
    /// The port or the daemon is full.
    pub fn enter(self: &Arc<Self>) -> Result<Admission, Refused> {
        if !count_below(&self.connections, self.connections_max.load(Ordering::Relaxed)) {
            return Err(Refused::PortFull);
        }
        if !count_below(&self.daemon.connections, self.daemon.connections_max.load(Ordering::Relaxed)) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::DaemonFull);
        }
        Ok(Admission { guard: Arc::clone(self), limited: None })
    }

    /// Whether an address is served whatever it does.
    fn is_exempt(&self, address: IpAddr) -> bool {
        self.limits().exempt.iter().any(|network| network.contains(address))
    }

    /// Whether an address is banned from every port.
    fn is_banned(&self, address: IpAddr, now: Duration) -> bool {
        lock(&self.daemon.bans).is_banned(Source::of(address), now)
    }
}

/// The place of one connection; dropping it makes room for another.
#[derive(Debug)]
pub struct Admission {
    guard: Arc<PortGuard>,
    /// The address that is limited and counted; `None` if it is exempt, as a proxy itself is.
    limited: Option<IpAddr>,
}

impl Admission {
    /// Checks the address that the connection is made for, and counts it. The answer is how long the
    /// connection has to wait until it may begin.
    ///
    /// # Errors
    /// The address is banned, has too many connections, or connects too fast.
    pub fn admit(&mut self, address: IpAddr, now: Duration) -> Result<Duration, Refused> {
        if lock(&self.guard.daemon.ordered).is_banned(address, now) {
            return Err(Refused::Banned);
        }
        if self.guard.is_exempt(address) {
            return Ok(Duration::ZERO);
        }
        if self.guard.is_banned(address, now) {
            return Err(Refused::Banned);
        }
        let (source, limits) = (Source::of(address), self.guard.limits());
        let mut tables = lock(&self.guard.tables);
        let open = tables.open.get(&source).copied().unwrap_or(0);
        if open >= limits.connections_per_address_max {
            return Err(Refused::AddressFull);
        }
        let pace = tables.paces.touch(source);
        if pace.wait(limits.connections, now) > DELAY_MAX {
            return Err(Refused::TooFast);
        }
        let delay = pace.take(limits.connections, now);
        tables.open.insert(source, open + 1);
        self.limited = Some(address);
        Ok(delay)
    }

    /// A place to wait in for a banned connection, as long as it is kept; `None`: all are taken.
    pub fn detain(&self) -> Option<Detention> {
        let share = self.guard.connections_max.load(Ordering::Relaxed) / DETAINED_SHARE;
        count_below(&self.guard.detained, share.min(DETAINED_MAX)).then(|| Detention(Arc::clone(&self.guard)))
    }

    /// The address that is limited and counted.
    pub fn limited(&self) -> Option<IpAddr> {
        self.limited
    }

    /// Counts the address of a connection that was let in by an earlier life of the daemon.
    pub fn count_again(&mut self, limited: Option<IpAddr>) {
        if let Some(address) = limited {
            *lock(&self.guard.tables).open.entry(Source::of(address)).or_default() += 1;
        }
        self.limited = limited;
    }

    /// The connection was closed. Misbehaviour counts towards a ban of its address; true if it led to one.
    /// Loopback is never banned: a tunnel or a forgotten proxy on this machine speaks for many. `unix_secs`: the time
    /// of day.
    pub fn on_close(&self, reason: CloseReason, now: Duration, unix_secs: u64) -> bool {
        if reason.is_noise() {
            self.on_noise(now);
        }
        let Some(address) = self.limited.filter(|address| !address.to_canonical().is_loopback()) else { return false };
        let (source, limits, daemon) = (Source::of(address), self.guard.limits(), &self.guard.daemon);
        if !reason.is_misbehaviour() || !lock(&daemon.bans).note_close(source, &limits, now, unix_secs) {
            return false;
        }
        daemon.unsaved.store(true, Ordering::Relaxed);
        info!(%source, ban_secs = limits.ban.as_secs(), ?reason, "banned");
        true
    }

    /// A connection ended for noise: it counts as several new ones, as long as the others of its address hardly feel it.
    fn on_noise(&self, now: Duration) {
        let Some(address) = self.limited else { return };
        let rate = self.guard.limits().connections;
        let mut tables = lock(&self.guard.tables);
        let pace = tables.paces.touch(Source::of(address));
        if pace.wait(rate, now) < NOISE_DELAY_MAX {
            pace.take_many(rate, NOISE_COST - 1, now);
        }
    }

    /// Takes lines for a connection on which no share has counted out of what its address has for all of those
    /// together, which is what one miner has. The answer is when they may be handled; `None`: so much is
    /// promised already that nothing is taken.
    pub fn draw_lines(&self, count: u32, now: Duration) -> Option<Duration> {
        let Some(address) = self.limited else { return Some(Duration::ZERO) };
        let rate = self.guard.limits().messages;
        let mut tables = lock(&self.guard.tables);
        let pace = tables.newcomers.touch(Source::of(address));
        (pace.wait_for(rate, count, now) <= PROMISE_MAX).then(|| pace.take_many(rate, count, now))
    }

    /// An authorisation was refused.
    pub fn on_refused_authorization(&self, now: Duration) {
        if let Some(address) = self.limited {
            lock(&self.guard.daemon.failures).note(Source::of(address), &self.guard.limits(), now);
        }
    }

    /// How long an authorisation has to wait before anybody is asked, because others of its address failed.
    pub fn authorization_delay(&self, now: Duration) -> Duration {
        let delay = |address| lock(&self.guard.daemon.failures).delay(Source::of(address), now);
        self.limited.map_or(Duration::ZERO, delay)
    }
}

/// The place of a banned connection among those that are kept waiting.
#[derive(Debug)]
pub struct Detention(Arc<PortGuard>);

impl Drop for Detention {
    fn drop(&mut self) {
        self.0.detained.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.guard.connections.fetch_sub(1, Ordering::Relaxed);
        self.guard.daemon.connections.fetch_sub(1, Ordering::Relaxed);
        let Some(source) = self.limited.map(Source::of) else { return };
        let mut tables = lock(&self.guard.tables);
        if let Some(open) = tables.open.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                tables.open.remove(&source);
            }
        }
    }
}

/// Adds one unless that would exceed `most`.
fn count_below(counter: &AtomicUsize, most: usize) -> bool {
    let more = |count: usize| (count < most).then_some(count + 1);
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

/// The tables hold together after every statement, so a panic elsewhere has not hurt them.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
