//! Strangers are served one after another, so that no miner stands behind a crowd of them.
//!
//! The runtime handles whoever has something to do in the order in which it hears of it. A thousand connections
//! that all send something would be a thousand turns in front of a miner's share. Those of whom no share has
//! counted yet therefore wait in a line of their own, of which only a few at a time are among the others. A
//! miner's first share lets his connection through for good.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::available_parallelism;

/// Strangers that may have their turn at once, for each processor.
const AT_ONCE_PER_PROCESSOR: usize = 2;

/// Whether a connection still waits in the line of strangers.
#[derive(Debug, Clone, Default)]
pub struct Pass(Arc<AtomicBool>);

impl Pass {
    /// It does not wait any more.
    pub fn let_through(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_through(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Has nothing to do, as far as the line knows.
const IDLE: u8 = 0;
/// Stands in the line.
const WAITING: u8 = 1;
/// May have its turn.
const GRANTED: u8 = 2;
/// Has left; its place in the line means nothing.
const GONE: u8 = 3;

/// The line of strangers.
#[derive(Debug)]
pub struct Turnstile {
    line: Mutex<Line>,
    at_once: usize,
}

#[derive(Debug, Default)]
struct Line {
    /// How many may have their turn now.
    granted: usize,
    waiting: VecDeque<(Arc<AtomicU8>, Waker)>,
}

impl Default for Turnstile {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, std::num::NonZero::get);
        Self { line: Mutex::default(), at_once: AT_ONCE_PER_PROCESSOR * processors }
    }
}

impl Turnstile {
    /// A connection that waits in line for each of its turns until it is let through.
    pub fn behind<F: Future>(self: &Arc<Self>, connection: impl FnOnce(Pass) -> F) -> Behind<F> {
        let pass = Pass::default();
        let connection = Box::pin(connection(pass.clone()));
        Behind { connection, pass, turnstile: Arc::clone(self), state: Arc::new(AtomicU8::new(IDLE)) }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, state: &Arc<AtomicU8>, waker: &Waker) {
        let mut line = self.lock();
        if line.granted < self.at_once {
            line.granted += 1;
            state.store(GRANTED, Ordering::Relaxed);
            drop(line);
            // Behind all who are awake already.
            waker.wake_by_ref();
        } else {
            state.store(WAITING, Ordering::Relaxed);
            line.waiting.push_back((Arc::clone(state), waker.clone()));
        }
    }

    /// A turn is over: the next one's begins.
    fn leave(&self) {
        let mut line = self.lock();
        while let Some((state, waker)) = line.waiting.pop_front() {
            if state.compare_exchange(WAITING, GRANTED, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                drop(line);
                waker.wake();
                return;
            }
        }
        line.granted = line.granted.saturating_sub(1);
    }
}

/// A connection behind the turnstile.
#[derive(Debug)]
pub struct Behind<F> {
    connection: Pin<Box<F>>,
    pass: Pass,
    turnstile: Arc<Turnstile>,
    state: Arc<AtomicU8>,
}

impl<F: Future> Future for Behind<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.pass.is_through() {
            return this.connection.as_mut().poll(cx);
        }
        match this.state.load(Ordering::Relaxed) {
            GRANTED => {
                let turn = Turn(this);
                turn.0.connection.as_mut().poll(cx)
            }
            IDLE => {
                this.turnstile.join(&this.state, cx.waker());
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }
}

/// Ends the turn also if the connection panics.
struct Turn<'a, F>(&'a mut Behind<F>);

impl<F> Drop for Turn<'_, F> {
    fn drop(&mut self) {
        self.0.state.store(IDLE, Ordering::Relaxed);
        self.0.turnstile.leave();
    }
}

impl<F> Drop for Behind<F> {
    fn drop(&mut self) {
        // Under the line's lock, so that nobody grants a turn in this moment.
        let line = self.turnstile.lock();
        let state = self.state.swap(GONE, Ordering::Relaxed);
        drop(line);
        if state == GRANTED {
            self.turnstile.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    /// This runtime has one thread and a queue in order, so that turns can be counted.
    #[tokio::test]
    async fn b_a_miner_waits_for_few_of_a_crowd() {
        let turnstile = Arc::new(Turnstile { at_once: 4, ..Turnstile::default() });
        let (sender, news) = watch::channel(0);
        let turns = Arc::new(AtomicUsize::new(0));
        let mut crowd = JoinSet::new();
        for _ in 0..1000 {
            let (mut news, turns) = (news.clone(), Arc::clone(&turns));
            crowd.spawn(turnstile.behind(|_| async move {
                while news.changed().await.is_ok() {
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        while turnstile.lock().granted > 0 || crowd.len() < 1000 {
            yield_now().await;
        }
        yield_now().await;
        sender.send_replace(1);
        // All of them are awake now. Whoever comes behind them sees a few at work each time around.
        let mut before = 0;
        for _ in 0..5 {
            yield_now().await;
            let now = turns.load(Ordering::Relaxed);
            assert!(now - before <= 4, "{before} {now}");
            before = now;
        }
        // And nobody is forgotten.
        while turns.load(Ordering::Relaxed) < 1000 {
            yield_now().await;
        }
        drop(sender);
        while crowd.join_next().await.is_some() {}
        assert_eq!(turnstile.lock().granted, 0);
    }

    #[tokio::test]
    async fn whoever_is_let_through_does_not_wait_and_whoever_goes_leaves_no_hole() {
        let turnstile = Arc::new(Turnstile { at_once: 1, ..Turnstile::default() });
        // Somebody who never ends his turn, because he never gets it: he goes before.
        let first = turnstile.behind(|_| std::future::pending::<()>());
        let first = tokio::spawn(first);
        let miner = tokio::spawn(turnstile.behind(|pass| async move {
            pass.let_through();
            for _ in 0..10 {
                yield_now().await;
            }
            7
        }));
        let stranger =
            tokio::spawn(turnstile.behind(|_| async move { tokio::time::sleep(Duration::from_millis(1)).await }));
        first.abort();
        assert_eq!(miner.await.unwrap(), 7);
        stranger.await.unwrap();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(turnstile.lock().granted, 0);
        assert!(turnstile.lock().waiting.is_empty());
    }
}
