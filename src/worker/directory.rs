//! The directory: who may mine, asked of the database once per name and remembered.
//!
//! One task owns the memory and answers at once what it knows; a second one ([`lookup`]) asks the
//! source. Askers of the same name share one question. While the source cannot answer, workers that
//! are known keep mining, however old the answer is; about others the answer is "try again".

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::cache::Cache;
use super::lookup::{self, Failure, Question, Reply};
use super::name::{BadName, Name};
use super::source::{Found, SourceError, StoredWorker};
use crate::config::Workers;

/// Most asks on their way to the directory; beyond it the answer is [`Answer::Unavailable`].
pub const INBOUND_ASKS_MAX: usize = 1024;

/// Most asks that wait for the source; beyond it the answer is [`Answer::Unavailable`].
pub const WAITING_ASKS_MAX: usize = 16_384;

/// Most workers remembered; at it the one learnt longest ago is forgotten.
pub const KNOWN_WORKERS_MAX: usize = 65_536;

/// Most names remembered as unknown; at it the one learnt longest ago is forgotten. Apart from the
/// known ones, so that a flood of invented names cannot push those out.
pub const UNKNOWN_NAMES_MAX: usize = 16_384;

/// Longest time an asker waits; then the answer is [`Answer::Unavailable`].
pub const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Age from which a remembered worker is looked up again when a password does not match it: the
/// user may just have changed it. Also the least time between two such look-ups of one name.
pub const MISMATCH_REFRESH_AGE: Duration = Duration::from_secs(5);

/// How long the source is left alone after it failed.
pub const SOURCE_REST: Duration = Duration::from_secs(1);

/// May a worker mine?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes; shares are credited to this name, in the stored spelling.
    Granted(Arc<str>),
    /// No.
    Denied(Denial),
    /// Nobody can tell now; the miner should try again and is not to blame.
    Unavailable,
}

/// Why a worker may not mine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The name does not have the form `account.worker`.
    #[error("{0}")]
    BadName(BadName),
    /// The account exists, the worker does not.
    #[error("unknown worker")]
    UnknownWorker,
    /// There is no such account.
    #[error("unknown account")]
    UnknownAccount,
    /// The password is not the stored one.
    #[error("wrong password")]
    WrongPassword,
    /// An administrator has locked the account: its shares would earn nothing.
    #[error("account is locked")]
    Locked,
}

/// Handle of a directory; clones share it. The directory ends with its last handle.
#[derive(Debug, Clone)]
pub struct Directory {
    asks: mpsc::Sender<Ask>,
}

/// One miner's wish to be authorised.
#[derive(Debug)]
struct Ask {
    name: Name,
    password: Box<str>,
    reply: oneshot::Sender<Answer>,
}

impl Directory {
    /// Starts a directory in front of `source`. Must be called within a runtime.
    pub fn start<S: super::source::WorkerSource>(source: S, policy: Workers) -> Self {
        let (asks, inbound) = mpsc::channel(INBOUND_ASKS_MAX);
        // One question is asked at a time; the others wait here, where they can be merged.
        let (questions, asked) = mpsc::channel(1);
        let (answered, replies) = mpsc::channel(1);
        tokio::spawn(lookup::run(source, asked, answered));
        tokio::spawn(Task::new(policy, questions).run(inbound, replies));
        Self { asks }
    }

    /// Decides whether `name`, as a miner sent it, may mine with `password`.
    pub async fn authorize(&self, name: &str, password: &str) -> Answer {
        let name = match Name::parse(name) {
            Ok(name) => name,
            Err(bad) => return Answer::Denied(Denial::BadName(bad)),
        };
        let (reply, answer) = oneshot::channel();
        let ask = Ask { name, password: password.into(), reply };
        if self.asks.try_send(ask).is_err() {
            return Answer::Unavailable;
        }
        match timeout(ASK_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            _ => Answer::Unavailable,
        }
    }
}

/// A worker as remembered.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    password: Option<Box<str>>,
    locked: u8,
}

/// The directory's own task.
struct Task {
    policy: Workers,
    known: Cache<Known>,
    unknown: Cache<Denial>,
    /// Who waits for which name. A name is here exactly if it is asked now or queued.
    waiting: HashMap<Name, Vec<Ask>>,
    waiting_count: usize,
    queue: VecDeque<Name>,
    asking: bool,
    questions: mpsc::Sender<Question>,
    /// Until then the source rests.
    rest_until: Option<Instant>,
}

impl Task {
    fn new(policy: Workers, questions: mpsc::Sender<Question>) -> Self {
        Self {
            policy,
            known: Cache::new(KNOWN_WORKERS_MAX),
            unknown: Cache::new(UNKNOWN_NAMES_MAX),
            waiting: HashMap::new(),
            waiting_count: 0,
            queue: VecDeque::new(),
            asking: false,
            questions,
            rest_until: None,
        }
    }

    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut replies: mpsc::Receiver<Reply>) {
        loop {
            tokio::select! {
                reply = replies.recv() => match reply {
                    Some(reply) => self.on_reply(reply),
                    None => return,
                },
                ask = asks.recv() => match ask {
                    Some(ask) => self.on_ask(ask),
                    None => return,
                },
            }
            self.ask_next();
        }
    }

    /// Answers from memory, or lets the ask wait for the source.
    fn on_ask(&mut self, ask: Ask) {
        if let Some(answer) = self.remembered(&ask) {
            return answer_to(ask, answer);
        }
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            let answer = self.without_source(&ask);
            return answer_to(ask, answer);
        }
        if self.waiting_count >= WAITING_ASKS_MAX {
            return answer_to(ask, Answer::Unavailable);
        }
        self.waiting_count += 1;
        match self.waiting.get_mut(&ask.name) {
            Some(others) => others.push(ask),
            None => {
                self.queue.push_back(ask.name.clone());
                self.waiting.insert(ask.name.clone(), vec![ask]);
            }
        }
    }

    /// The answer, as far as what is remembered is fresh enough to give one.
    fn remembered(&self, ask: &Ask) -> Option<Answer> {
        let name = ask.name.as_str();
        if let Some(entry) = self.known.get(name) {
            let answer = self.judge(&entry.value, &ask.password);
            let age_max = match &answer {
                Answer::Denied(Denial::WrongPassword) => MISMATCH_REFRESH_AGE.min(self.policy.cache),
                Answer::Denied(_) => self.policy.negative_cache.min(self.policy.cache),
                _ => self.policy.cache,
            };
            return (entry.since.elapsed() < age_max).then_some(answer);
        }
        let entry = self.unknown.get(name)?;
        (entry.since.elapsed() < self.policy.negative_cache).then_some(Answer::Denied(entry.value))
    }

    /// The answer while the source is away: a worker that is known keeps mining; everything else
    /// may have changed since.
    fn without_source(&self, ask: &Ask) -> Answer {
        match self.known.get(ask.name.as_str()).map(|entry| self.judge(&entry.value, &ask.password)) {
            Some(Answer::Denied(Denial::WrongPassword)) | None => Answer::Unavailable,
            Some(answer) => answer,
        }
    }

    /// Judges a password and a lock by what is stored.
    fn judge(&self, worker: &Known, password: &str) -> Answer {
        if self.policy.check_password {
            // CHAR columns cannot hold blanks at the end, so they cannot be part of a password.
            let given = password.trim_end_matches(' ');
            let matches = worker
                .password
                .as_deref()
                .is_some_and(|stored| same_bytes(stored.trim_end_matches(' ').as_bytes(), given.as_bytes()));
            if !matches {
                return Answer::Denied(Denial::WrongPassword);
            }
        }
        if self.policy.refuse_locked && worker.locked == 2 {
            return Answer::Denied(Denial::Locked);
        }
        Answer::Granted(Arc::clone(&worker.name))
    }

    /// Hands the next name to the source, if it is free.
    fn ask_next(&mut self) {
        while !self.asking {
            let Some(name) = self.queue.pop_front() else { return };
            let Some(first) = self.waiting.get(&name).and_then(|asks| asks.first()) else { continue };
            let create_with = self.policy.auto_create.then(|| String::from(&*first.password));
            // Cannot be full: only one question is out at a time.
            self.asking = self.questions.try_send(Question { name, create_with }).is_ok();
            if !self.asking {
                return;
            }
        }
    }

    fn on_reply(&mut self, Reply { name, found }: Reply) {
        self.asking = false;
        match found {
            Ok(found) => {
                self.rest_until = None;
                self.remember(&name, found);
                for ask in self.take_waiting(&name) {
                    let answer = self.just_learnt(&ask);
                    answer_to(ask, answer);
                }
            }
            Err(Failure::Create(error)) => {
                warn!(worker = ?name.as_str(), %error, "cannot store a new worker");
                for ask in self.take_waiting(&name) {
                    answer_to(ask, Answer::Unavailable);
                }
            }
            Err(Failure::Source(error)) => self.on_failure(&error),
        }
    }

    /// Everybody who waits gets what memory has; the source is left alone for a moment.
    fn on_failure(&mut self, error: &SourceError) {
        if self.rest_until.is_none() {
            warn!(%error, "cannot look up workers; the known ones keep mining");
        }
        self.rest_until = Some(Instant::now() + SOURCE_REST);
        self.queue.clear();
        self.waiting_count = 0;
        for ask in std::mem::take(&mut self.waiting).into_values().flatten() {
            let answer = self.without_source(&ask);
            answer_to(ask, answer);
        }
    }

    fn take_waiting(&mut self, name: &Name) -> Vec<Ask> {
        let asks = self.waiting.remove(name).unwrap_or_default();
        self.waiting_count = self.waiting_count.saturating_sub(asks.len());
        asks
    }

    /// Remembers what the source said.
    fn remember(&mut self, name: &Name, found: Found) {
        let now = Instant::now();
        let denial = match found {
            Found::Worker(StoredWorker { name: stored, password, locked }) => {
                let known = Known { name: stored.into(), password: password.map(Into::into), locked };
                self.unknown.forget(name.as_str());
                return self.known.put(name.as_str(), known, now);
            }
            Found::OnlyAccount(account) if account.locked == 2 && self.policy.refuse_locked => Denial::Locked,
            Found::OnlyAccount(_) => Denial::UnknownWorker,
            Found::Nothing => Denial::UnknownAccount,
        };
        self.known.forget(name.as_str());
        self.unknown.put(name.as_str(), denial, now);
    }

    /// The answer by what was remembered a moment ago.
    fn just_learnt(&self, ask: &Ask) -> Answer {
        if let Some(entry) = self.known.get(ask.name.as_str()) {
            return self.judge(&entry.value, &ask.password);
        }
        self.unknown.get(ask.name.as_str()).map_or(Answer::Unavailable, |entry| Answer::Denied(entry.value))
    }
}

/// An asker that went away meanwhile needs no answer.
fn answer_to(ask: Ask, answer: Answer) {
    let _ = ask.reply.send(answer);
}

/// Compares without telling by the time it takes where the difference is. The length is not secret.
fn same_bytes(stored: &[u8], given: &[u8]) -> bool {
    let differences = stored.iter().zip(given).fold(0u8, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    stored.len() == given.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests;
