//! What is still done for a connection that is over: what its miner sent before counts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::hashing::next_hash;
use super::{CARRY_THROUGH_TIMEOUT, Connection, End, seen};
use crate::stratum::counters::WireCounters;
use crate::stratum::session::effects::CloseReason;
use crate::stratum::wire::stream::{Ready, Stream};
use crate::work::board::JobBoard;

/// The most that is read of what a miner sent before it stopped taking answers, and how long each part of it may take.
const REST_BYTES_MAX: usize = 1 << 20;
const REST_WAIT: Duration = Duration::from_millis(100);

impl Connection {
    /// What had been read when the connection was given up still counts, for one line of it may be a block:
    /// no more than the line buffer holds, and at any pace.
    pub(super) async fn read_the_rest(&mut self, board: &watch::Receiver<Arc<JobBoard>>) {
        if self.closing.is_none() || self.drained {
            return;
        }
        // What is more than may be under way is read when there is room again.
        self.drained = self.handle_lines(board);
        self.carry_out().await;
    }

    /// Handles the lines that were read, as many as may be under way; true if those were all.
    fn handle_lines(&mut self, board: &watch::Receiver<Arc<JobBoard>>) -> bool {
        let (now, snapshot) = (self.now(), seen(board));
        while self.session.may_read() {
            let Ok(Some(line)) = self.lines.next_line() else { return true };
            self.session.on_line(now, line, &snapshot);
        }
        false
    }

    /// The miner takes no more answers, but what it sent before still counts: up to the end of what the kernel has of
    /// it, and no more than [`REST_BYTES_MAX`].
    pub(super) async fn hear_out(&mut self, stream: &mut Stream, board: &watch::Receiver<Arc<JobBoard>>) {
        let mut read = 0;
        loop {
            let were_all = self.handle_lines(board);
            self.carry_out().await;
            if !were_all {
                self.carry_through(CARRY_THROUGH_TIMEOUT).await;
                // Nobody hears an answer any more, whether or not the disk has what it waits for.
                self.session.on_synced(u64::MAX, self.now().monotonic);
                if !self.session.may_read() {
                    return;
                }
                continue;
            }
            let lines = &mut self.lines;
            match timeout(REST_WAIT, stream.ready(true, false, |bytes| lines.push(bytes))).await {
                Ok(Ok(Ready::Read(more @ 1..))) if read + more <= REST_BYTES_MAX => read += more,
                _ => return,
            }
        }
    }

    /// The connection is over: submits that were read before still count, for one of them may be a
    /// block. Nobody waits for the disk any more.
    pub(super) async fn carry_through(&mut self, limit: Duration) {
        let end = self.context.clock.monotonic() + limit;
        while self.session.has_unjudged() {
            let now = self.context.clock.monotonic();
            if now >= end {
                warn!(coin = %self.context.coin, "a submit of a closed connection got no answer in time and is given up");
                return;
            }
            let snapshot = seen(&self.context.board);
            tokio::select! {
                Some(Ok(authorised)) = self.authorisations.join_next(), if !self.authorisations.is_empty() => {
                    self.on_authorised(authorised, &snapshot);
                }
                Some((ticket, hash)) = next_hash(&mut self.hashes) => self.session.on_hash(self.now(), ticket, hash),
                // A candidate does not wait for its name.
                () = sleep(self.session.deadline().min(end).saturating_sub(now)) => {
                    self.session.on_tick(self.now(), &snapshot);
                }
            }
            self.carry_out().await;
        }
    }
}

/// For what a connection is held against its address: for what it ended, and, whoever ended it, for its shares. Else
/// somebody would choose how to end and never be banned.
pub(super) fn reasons(end: &End, has_misbehaved: bool) -> impl Iterator<Item = CloseReason> {
    let own = match end {
        End::Session(reason) => Some(*reason),
        _ => None,
    };
    let shares = has_misbehaved && !matches!(end, End::Stop) && own != Some(CloseReason::InvalidShares);
    own.into_iter().chain(shares.then_some(CloseReason::InvalidShares))
}

/// What counts the connections that a session gave up for this reason; `None`: it is nobody's fault.
pub(super) fn counter(wire: &WireCounters, reason: CloseReason) -> Option<&AtomicU64> {
    match reason {
        CloseReason::Junk => Some(&wire.junk),
        CloseReason::LineTooLong => Some(&wire.line_too_long),
        CloseReason::NotSubscribed => Some(&wire.not_subscribed),
        CloseReason::NotAuthorised => Some(&wire.not_authorised),
        CloseReason::Idle => Some(&wire.idle),
        CloseReason::InvalidShares => Some(&wire.invalid_shares),
        CloseReason::OtherWorker | CloseReason::Operator | CloseReason::Moved => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_shares_are_held_against_whoever_ends() {
        let of = |end: &End, misbehaved| reasons(end, misbehaved).collect::<Vec<_>>();
        let (bad, junk) = (CloseReason::InvalidShares, CloseReason::Junk);
        assert_eq!(of(&End::Peer, false), []);
        assert_eq!(of(&End::Peer, true), [bad]);
        assert_eq!(of(&End::Deaf, true), [bad]);
        assert_eq!(of(&End::Session(junk), false), [junk]);
        assert_eq!(of(&End::Session(junk), true), [junk, bad]);
        assert_eq!(of(&End::Session(bad), true), [bad], "once");
        assert_eq!(of(&End::Stop, true), [], "the daemon ends it");
    }
}
