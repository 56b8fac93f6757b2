//! Which of the database's servers is written to.
//!
//! The first one is used until it has been away for a while; then the next one in the operator's
//! list that can be attached to takes its place. From then on the earlier ones are not looked at
//! again: they may come back without what was stored since. Which server was in use is not kept
//! across a restart; a server that lacks what was stored is then recognised by its cursor, which
//! stands below what the spool knows to be stored.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::connect::Host;
use super::login::Login;

/// The name of the server in use, for everybody else who speaks to the same database: only there may
/// anything be written.
pub type InUse = watch::Receiver<Arc<str>>;

/// The servers, in the operator's order, and the one in use.
#[derive(Debug)]
pub(super) struct Hosts {
    all: Vec<Host>,
    current: usize,
    /// When the one in use was first found away, if it was since it was last reached.
    away_since: Option<Duration>,
    /// Tells [`Hosts::in_use`].
    told: watch::Sender<Arc<str>>,
}

impl Hosts {
    /// Begins with the first of `all`.
    pub(super) fn new(all: Vec<Host>) -> Self {
        let first = all.first().map_or_else(|| "".into(), |host| host.name.as_str().into());
        Self { all, current: 0, away_since: None, told: watch::Sender::new(first) }
    }

    /// All of them are logged in to like that.
    pub(super) fn log_in_by(&mut self, login: &Login) {
        self.all.iter_mut().for_each(|host| host.login = login.clone());
    }

    /// The name of the server in use, now and later.
    pub(super) fn in_use(&self) -> InUse {
        self.told.subscribe()
    }

    /// The server in use.
    pub(super) fn current(&self) -> Option<&Host> {
        self.all.get(self.current)
    }

    /// The server in use answered, whatever it said.
    pub(super) fn reached(&mut self) {
        self.away_since = None;
    }

    /// The server in use is away, as it was found at `now`. Returns the places of those to try
    /// instead: none before it has been away for `patience`.
    pub(super) fn away(&mut self, now: Duration, patience: Duration) -> std::ops::Range<usize> {
        let since = *self.away_since.get_or_insert(now);
        if now.saturating_sub(since) < patience {
            return 0..0;
        }
        self.current + 1..self.all.len()
    }

    /// The server at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Host> {
        self.all.get(place)
    }

    /// Goes on with the server at `place`, for good.
    pub(super) fn move_to(&mut self, place: usize) {
        self.current = place;
        self.away_since = None;
        if let Some(host) = self.all.get(place) {
            self.told.send_replace(host.name.as_str().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use mysql_async::Opts;

    use super::*;

    fn hosts() -> Hosts {
        let host = |name: &str| Host { name: name.into(), opts: Opts::default(), login: Login::default() };
        Hosts::new(["a", "b", "c"].map(host).to_vec())
    }

    #[test]
    fn another_server_is_tried_only_after_patience_and_never_an_earlier_one() {
        let (mut hosts, patience) = (hosts(), Duration::from_secs(15));
        let (at, in_use) = (Duration::from_secs, hosts.in_use());
        assert_eq!(&**in_use.borrow(), "a");
        assert_eq!(hosts.away(at(100), patience), 0..0);
        assert_eq!(hosts.away(at(114), patience), 0..0);
        hosts.reached();
        assert_eq!(hosts.away(at(115), patience), 0..0, "it was there in between");
        assert_eq!(hosts.away(at(130), patience), 1..3);
        hosts.move_to(1);
        assert_eq!((hosts.current().unwrap().name.as_str(), &**in_use.borrow()), ("b", "b"));
        assert_eq!(hosts.away(at(131), patience), 0..0);
        assert_eq!(hosts.away(at(146), patience), 2..3);
        hosts.move_to(2);
        assert_eq!(hosts.away(at(200), Duration::ZERO), 3..3, "none is left, and none is gone back to");
    }
}
