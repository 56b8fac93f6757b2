//! The task that owns what the directory knows.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::{
    Answer, Denial, KNOWN_WORKERS_MAX, MISMATCH_REFRESH_AGE, SOURCE_REST, UNKNOWN_NAMES_MAX, WAITING_ASKS_MAX,
};
use crate::clock::Clock;
use crate::config::Workers;
use crate::worker::cache::{Cache, Remembered};
use crate::worker::known::Known;
use crate::worker::lookup::{Failure, Question, Reply};
use crate::worker::memory::{CONFIRMED_SAVE_AGE, Memory, SAVE_DELAY, Snapshot};
use crate::worker::name::Name;
use crate::worker::seal::Sealer;
use crate::worker::source::{Found, SourceError, StoredWorker};

/// What the task is told.
#[derive(Debug)]
pub(super) enum Message {
    /// Somebody asks about a worker.
    Ask(Ask),
    /// What is known is to be written down; answered with the number to wait for.
    Save(oneshot::Sender<u64>),
}

/// One miner's wish to be authorised, or to go on mining.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) name: Name,
    pub(super) password: Box<str>,
    /// Whether it may be stored if it is not there; not one that was authorised before.
    pub(super) may_create: bool,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// The directory's own task.
pub(super) struct Task {
    policy: Workers,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    /// By [`Name::key`].
    known: Cache<Arc<Known>>,
    /// By the name as it was sent.
    unknown: Cache<Denial>,
    /// Who waits for which name. A name is here exactly if it is asked now or queued.
    waiting: HashMap<Name, Vec<Ask>>,
    waiting_count: usize,
    queue: VecDeque<Name>,
    asking: bool,
    questions: mpsc::Sender<Question>,
    /// Until then the source rests.
    rest_until: Option<Instant>,
    /// Whether there is a file.
    is_kept: bool,
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// When the file is to be written; none while it is up to date.
    save_at: Option<Instant>,
}

impl Task {
    pub(super) fn new(
        policy: Workers,
        memory: Memory,
        questions: mpsc::Sender<Question>,
        snapshots: watch::Sender<Arc<Snapshot>>,
    ) -> Self {
        let mut known = Cache::new(KNOWN_WORKERS_MAX);
        for (key, worker) in memory.workers {
            known.put(&key, worker, None);
        }
        Self {
            policy,
            sealer: memory.sealer,
            clock: memory.clock,
            known,
            unknown: Cache::new(UNKNOWN_NAMES_MAX),
            waiting: HashMap::new(),
            waiting_count: 0,
            queue: VecDeque::new(),
            asking: false,
            questions,
            rest_until: None,
            is_kept: memory.file.is_some(),
            snapshots,
            save_at: None,
        }
    }

    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>, mut replies: mpsc::Receiver<Reply>) {
        loop {
            let save_at = self.save_at;
            tokio::select! {
                reply = replies.recv() => match reply {
                    Some(reply) => self.on_reply(reply),
                    None => return,
                },
                message = messages.recv() => match message {
                    Some(Message::Ask(ask)) => self.on_ask(ask),
                    Some(Message::Save(reply)) => {
                        let _ = reply.send(self.save());
                    }
                    None => {
                        if save_at.is_some() {
                            self.save();
                        }
                        return;
                    }
                },
                () = save_time(save_at) => {
                    self.save();
                }
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

    /// What is known about the worker that the store would find under `name`.
    fn known(&self, name: &Name) -> Option<&Remembered<Arc<Known>>> {
        self.known.get(&name.key()).filter(|entry| entry.value.is_meant_by(name.as_str()))
    }

    /// The answer, as far as what is remembered is fresh enough to give one.
    fn remembered(&self, ask: &Ask) -> Option<Answer> {
        if let Some(entry) = self.known(&ask.name) {
            let answer = self.judge(&entry.value, ask);
            let age_max = match &answer {
                Answer::Denied(Denial::WrongPassword) => MISMATCH_REFRESH_AGE.min(self.policy.cache),
                Answer::Denied(_) => self.policy.negative_cache.min(self.policy.cache),
                _ => self.policy.cache,
            };
            return entry.is_younger_than(age_max).then_some(answer);
        }
        let entry = self.unknown.get(ask.name.as_str())?;
        entry.is_younger_than(self.policy.negative_cache).then_some(Answer::Denied(entry.value))
    }

    /// The answer while the source is away: a worker that is known keeps mining; everything else
    /// may have changed since.
    fn without_source(&self, ask: &Ask) -> Answer {
        let known = self.known(&ask.name).map(|entry| &entry.value).filter(|known| !self.is_too_old(known));
        match known.map(|known| self.judge(known, ask)) {
            Some(Answer::Denied(Denial::WrongPassword)) | None => Answer::Unavailable,
            Some(answer) => answer,
        }
    }

    /// Whether the store has not confirmed a worker for too long.
    fn is_too_old(&self, known: &Known) -> bool {
        self.clock.unix_secs().saturating_sub(known.confirmed_at) > self.policy.remember.as_secs()
    }

    /// Judges a password and a lock by what is stored.
    fn judge(&self, worker: &Known, ask: &Ask) -> Answer {
        if self.policy.check_password {
            let given = self.sealer.seal(&ask.name.key(), &ask.password);
            if worker.password != Some(given) {
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
            let Some(asks) = self.waiting.get_mut(&name) else { continue };
            // Nobody is asked about names whose miners have hung up: there may be thousands of them.
            let before = asks.len();
            asks.retain(|ask| !ask.reply.is_closed());
            self.waiting_count = self.waiting_count.saturating_sub(before - asks.len());
            if asks.is_empty() {
                self.waiting.remove(&name);
                continue;
            }
            let creator = asks.iter().find(|ask| ask.may_create && self.policy.auto_create);
            let create_with = creator.map(|ask| ask.password.to_string());
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
                if self.rest_until.take().is_some() {
                    info!("workers can be looked up again");
                }
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
        let now = Some(Instant::now());
        let denial = match found {
            Found::Worker(worker) => {
                self.unknown.forget(name.as_str());
                return self.remember_worker(&name.key(), worker, now);
            }
            Found::OnlyAccount(account) if account.locked == 2 && self.policy.refuse_locked => Denial::Locked,
            Found::OnlyAccount(_) => Denial::UnknownWorker,
            Found::Nothing => Denial::UnknownAccount,
        };
        // Another worker, of which only the letters' case differs, is still there.
        if self.known(name).is_some() {
            self.known.forget(&name.key());
            self.save_soon();
        }
        self.unknown.put(name.as_str(), denial, now);
    }

    fn remember_worker(&mut self, key: &str, worker: StoredWorker, now: Option<Instant>) {
        let StoredWorker { name, password, locked, folds_case } = worker;
        let password = password.map(|password| self.sealer.seal(key, &password));
        let confirmed_at = self.clock.unix_secs();
        let known = Known { name: name.into(), password, locked, folds_case, confirmed_at };
        let before = self.known.get(key).map(|entry| &entry.value);
        let written = self.snapshots.borrow().taken_at;
        let is_news = before.is_none_or(|before| before.differs_from(&known));
        if is_news || confirmed_at.saturating_sub(written) >= CONFIRMED_SAVE_AGE.as_secs() {
            self.save_soon();
        }
        self.known.put(key, Arc::new(known), now);
    }

    /// The answer by what was remembered a moment ago.
    fn just_learnt(&self, ask: &Ask) -> Answer {
        if let Some(entry) = self.known(&ask.name) {
            return self.judge(&entry.value, ask);
        }
        self.unknown.get(ask.name.as_str()).map_or(Answer::Unavailable, |entry| Answer::Denied(entry.value))
    }

    fn save_soon(&mut self) {
        if self.is_kept && self.save_at.is_none() {
            self.save_at = Some(Instant::now() + SAVE_DELAY);
        }
    }

    /// Hands what is known over to be written down; returns the number of it, 0 where there is no file.
    fn save(&mut self) -> u64 {
        self.save_at = None;
        if !self.is_kept {
            return 0;
        }
        let known = self.known.iter().filter(|(_, known)| !self.is_too_old(known));
        let workers = known.map(|(key, known)| (Arc::clone(key), Arc::clone(known))).collect();
        let number = self.snapshots.borrow().number + 1;
        self.snapshots.send_replace(Arc::new(Snapshot { number, taken_at: self.clock.unix_secs(), workers }));
        number
    }
}

/// Ready when the file is to be written.
async fn save_time(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// An asker that went away meanwhile needs no answer.
fn answer_to(ask: Ask, answer: Answer) {
    let _ = ask.reply.send(answer);
}
