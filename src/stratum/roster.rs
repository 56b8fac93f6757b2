//! Who is connected: what operators see of the connections of all ports, and how they reach one.
//!
//! A connection writes into its own [`Entry`] alone, by plain stores, and takes a lock only when somebody
//! logs in on it. A list is made when it is asked for, page by page, and no lock is held meanwhile.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::difficulty::Difficulty;

/// Orders that wait for one connection; more are refused: it hears of the first at once.
const ORDERS_MAX: usize = 8;
/// The time over which the hash rate of a connection is taken.
const RATE_SPAN: Duration = Duration::from_secs(300);

/// Something an operator wants of a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// End it.
    Kick {
        /// Why.
        words: Arc<str>,
    },
    /// End it, because what it mines on is closed; it may connect again where the port says.
    Leave {
        /// Why.
        words: Arc<str>,
    },
    /// Change its difficulty.
    Difficulty(Difficulty),
}

/// What came of an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// The difficulty in force.
    pub difficulty: f64,
    /// Whether vardiff will move it again.
    pub adjusted: bool,
}

/// One connection as operators see it.
#[derive(Debug)]
pub struct Entry {
    /// Its number in this life of the daemon.
    pub id: u64,
    /// Its coin.
    pub coin: Arc<str>,
    /// The port, as it is configured.
    pub listen: SocketAddr,
    /// The miner's address.
    pub address: IpAddr,
    /// Monotonic time of its beginning.
    pub opened_at: Duration,
    names: Mutex<Names>,
    /// Difficulty, as bits.
    difficulty: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    /// Monotonic milliseconds of the last share that counted; 0: none did.
    counted_ms: AtomicU64,
    /// Difficulty credited, fading over [`RATE_SPAN`], as bits, as of `counted_ms`.
    fading: AtomicU64,
    orders: Mutex<Vec<(Order, oneshot::Sender<Told>)>>,
    called: Notify,
}

/// Who mines on a connection.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The workers' credited names, the one authorised last at the end.
    pub workers: Box<[Arc<str>]>,
    /// The program, as it calls itself: escape it.
    pub agent: Box<str>,
}

/// What changes with the shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// The difficulty of the next job.
    pub difficulty: f64,
    /// Shares that counted.
    pub accepted: u64,
    /// Submits that did not.
    pub refused: u64,
    /// How long ago the last one counted.
    pub idle: Option<Duration>,
    /// Difficulty per second lately.
    pub work_per_sec: f64,
}

impl Entry {
    /// Shares counted, worth so much difficulty. Only the connection itself says this.
    pub fn counted(&self, count: u64, work: f64, now: Duration) {
        self.accepted.store(self.accepted.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        let faded = self.faded(now) + work;
        self.fading.store(faded.to_bits(), Ordering::Relaxed);
        self.counted_ms.store(millis(now).max(1), Ordering::Relaxed);
    }

    /// What of the credited difficulty is left.
    fn faded(&self, now: Duration) -> f64 {
        let since = millis(now).saturating_sub(self.counted_ms.load(Ordering::Relaxed));
        let since = Duration::from_millis(since).as_secs_f64();
        f64::from_bits(self.fading.load(Ordering::Relaxed)) * (-since / RATE_SPAN.as_secs_f64()).exp()
    }

    /// The difficulty and the refused submits, as they are now.
    pub fn show(&self, difficulty: Difficulty, refused: u64) {
        self.difficulty.store(difficulty.get().to_bits(), Ordering::Relaxed);
        self.refused.store(refused, Ordering::Relaxed);
    }

    /// Who mines on it.
    pub fn name(&self, workers: Vec<Arc<str>>, agent: &str) {
        *lock(&self.names) = Names { workers: workers.into(), agent: agent.into() };
    }

    /// Who mines on it.
    pub fn names(&self) -> Names {
        lock(&self.names).clone()
    }

    /// What it has done.
    pub fn figures(&self, now: Duration) -> Figures {
        let counted_ms = self.counted_ms.load(Ordering::Relaxed);
        // A connection that is younger than the span has not had the time to gather it all.
        let seen = 1.0 - (-now.saturating_sub(self.opened_at).as_secs_f64() / RATE_SPAN.as_secs_f64()).exp();
        let span = (RATE_SPAN.as_secs_f64() * seen).max(1.0);
        Figures {
            difficulty: f64::from_bits(self.difficulty.load(Ordering::Relaxed)),
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            idle: (counted_ms > 0).then(|| now.saturating_sub(Duration::from_millis(counted_ms))),
            work_per_sec: self.faded(now) / span,
        }
    }

    /// Orders something of the connection; what comes of it is told by the receiver, which breaks if the
    /// connection ends first. `None`: too much is ordered already.
    pub fn order(&self, order: Order) -> Option<oneshot::Receiver<Told>> {
        let (answer, told) = oneshot::channel();
        let mut orders = lock(&self.orders);
        if orders.len() >= ORDERS_MAX {
            return None;
        }
        orders.push((order, answer));
        drop(orders);
        self.called.notify_one();
        Some(told)
    }

    /// Tells the connection that what holds on its port has changed.
    pub fn call(&self) {
        self.called.notify_one();
    }

    /// What was ordered.
    pub fn take_orders(&self) -> Vec<(Order, oneshot::Sender<Told>)> {
        std::mem::take(&mut *lock(&self.orders))
    }
}

/// Ready when something is ordered of the connection.
pub async fn called(entry: Arc<Entry>) -> Arc<Entry> {
    entry.called.notified().await;
    entry
}

/// All connections.
#[derive(Debug, Default)]
pub struct Roster {
    next: AtomicU64,
    entries: Mutex<BTreeMap<u64, Arc<Entry>>>,
}

impl Roster {
    /// Adds a connection, which stays until the place is dropped.
    pub fn enter(self: &Arc<Self>, coin: &Arc<str>, listen: SocketAddr, address: IpAddr, now: Duration) -> Place {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Arc::new(Entry {
            id,
            coin: Arc::clone(coin),
            listen,
            address,
            opened_at: now,
            names: Mutex::default(),
            difficulty: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            counted_ms: AtomicU64::new(0),
            fading: AtomicU64::new(0),
            orders: Mutex::default(),
            called: Notify::new(),
        });
        lock(&self.entries).insert(id, Arc::clone(&entry));
        Place { roster: Arc::clone(self), entry }
    }

    /// Up to `most` connections with a number above `after`, in the order of their numbers.
    pub fn page(&self, after: u64, most: usize) -> Vec<Arc<Entry>> {
        let entries = lock(&self.entries);
        entries
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(most)
            .map(|(_, entry)| Arc::clone(entry))
            .collect()
    }

    /// The connection of this number.
    pub fn get(&self, id: u64) -> Option<Arc<Entry>> {
        lock(&self.entries).get(&id).cloned()
    }
}

/// A connection's place in the roster; dropping it strikes it off.
#[derive(Debug)]
pub struct Place {
    roster: Arc<Roster>,
    entry: Arc<Entry>,
}

impl Place {
    /// What stands there, to be kept.
    pub fn entry(&self) -> Arc<Entry> {
        Arc::clone(&self.entry)
    }

    /// What stands there.
    pub fn entry_ref(&self) -> &Entry {
        &self.entry
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.roster.entries).remove(&self.entry.id);
        // Nobody will carry them out: whoever waits hears so.
        drop(self.entry.take_orders());
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What is behind these locks holds together after every statement.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(roster: &Arc<Roster>, now: u64) -> Place {
        let address = "192.0.2.1".parse().unwrap();
        roster.enter(&"coin".into(), "0.0.0.0:3333".parse().unwrap(), address, Duration::from_secs(now))
    }

    #[test]
    fn pages_follow_the_numbers_and_who_left_is_gone() {
        let roster = Arc::<Roster>::default();
        let mut places: Vec<Place> = (0..5).map(|_| enter(&roster, 0)).collect();
        let ids = |page: Vec<Arc<Entry>>| page.iter().map(|entry| entry.id).collect::<Vec<_>>();
        assert_eq!(ids(roster.page(0, 2)), [1, 2]);
        places.remove(2);
        assert_eq!(ids(roster.page(2, 2)), [4, 5]);
        assert!(roster.get(3).is_none() && roster.get(4).is_some());
        drop(places);
        assert!(roster.page(0, 10).is_empty());
    }

    #[test]
    fn the_rate_follows_the_shares_and_fades() {
        let roster = Arc::<Roster>::default();
        let (place, at) = (enter(&roster, 0), Duration::from_secs);
        // A share of difficulty 20 every 10 s is 2 a second.
        (1..=60).for_each(|nth| place.entry().counted(1, 20.0, at(nth * 10)));
        let figures = place.entry().figures(at(600));
        assert!((1.9..2.15).contains(&figures.work_per_sec), "{figures:?}");
        assert_eq!((figures.accepted, figures.idle), (60, Some(Duration::ZERO)));
        let later = place.entry().figures(at(600 + 300));
        assert!((later.work_per_sec / figures.work_per_sec - 0.335).abs() < 0.02, "{later:?}");
        // A young connection is not taken for a weak one.
        let young = enter(&roster, 1000);
        (1..=3).for_each(|nth| young.entry().counted(1, 20.0, at(1000 + nth * 10)));
        assert!((1.8..2.3).contains(&young.entry().figures(at(1030)).work_per_sec));
    }

    #[tokio::test]
    async fn an_order_reaches_the_connection_once_and_whoever_waits_hears_of_its_end() {
        let roster = Arc::<Roster>::default();
        let place = enter(&roster, 0);
        let waiting: Vec<_> =
            (0..=ORDERS_MAX).map(|_| place.entry().order(Order::Kick { words: "why".into() })).collect();
        assert!(waiting.iter().take(ORDERS_MAX).all(Option::is_some) && waiting[ORDERS_MAX].is_none());
        let entry = called(place.entry()).await;
        let mut orders = entry.take_orders();
        assert_eq!(orders.len(), ORDERS_MAX);
        assert!(entry.take_orders().is_empty());
        let told = Told { difficulty: 1.0, adjusted: true };
        orders.remove(0).1.send(told).unwrap();
        assert_eq!(waiting.into_iter().next().flatten().unwrap().await, Ok(told));
        let late = place.entry().order(Order::Difficulty(Difficulty::MIN)).unwrap();
        drop(place);
        assert!(late.await.is_err());
    }
}
