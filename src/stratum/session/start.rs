//! The difficulty a connection starts with: who may say it, and who stands above whom.

use super::Session;
use super::effects::Moment;
use crate::bytes::fields::{Damaged, Reader, Writer};
use crate::config::{AgentDifficulty, StartFrom};
use crate::difficulty::Difficulty;
use crate::stratum::password::Wishes;
use crate::work::board::JobBoard;

/// Where the difficulty of a connection comes from; the later ones stand above the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The port.
    Port,
    /// The list of mining programs.
    Agent,
    /// What suited the worker last.
    Remembered,
    /// The miner's request.
    Suggested,
    /// What is stored with the worker.
    Database,
    /// The password.
    Password,
}

impl Source {
    fn is_allowed(self, from: StartFrom) -> bool {
        match self {
            Source::Port => true,
            Source::Agent => from.agent,
            Source::Remembered => from.remembered,
            Source::Suggested => from.suggested,
            Source::Database => from.database,
            Source::Password => from.password,
        }
    }

    /// Whether somebody decided it, rather than somebody wishing or guessing it.
    fn is_firm(self) -> bool {
        self >= Source::Database
    }
}

/// How the difficulty of a connection was decided.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    source: Source,
    fixed: bool,
}

impl Start {
    /// As the port says.
    pub const PORT: Start = Start { source: Source::Port, fixed: false };

    /// Writes it, for the daemon's next life.
    pub(super) fn carry(self, writer: &mut Writer) {
        let number = Self::SOURCES.iter().position(|source| *source == self.source).unwrap_or(0);
        writer.u8(u8::try_from(number).unwrap_or(0));
        writer.bool(self.fixed);
    }

    /// Reads it.
    pub(super) fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let source = Self::SOURCES.get(usize::from(reader.u8()?)).copied();
        Ok(Self { source: source.ok_or_else(|| reader.damaged("a source"))?, fixed: reader.bool()? })
    }

    /// The sources by the numbers they are carried under: they stay what they are.
    const SOURCES: [Source; 6] =
        [Source::Port, Source::Agent, Source::Remembered, Source::Suggested, Source::Database, Source::Password];

    /// Whether nobody but the port has said anything.
    pub(super) fn is_of_port(self) -> bool {
        self.source == Source::Port
    }

    /// Whether somebody decided it, rather than somebody wishing or guessing it.
    pub(super) fn is_firm(self) -> bool {
        self.source.is_firm()
    }

    /// Whether the difficulty is not adjusted to the miner.
    pub fn is_fixed(self) -> bool {
        self.fixed
    }
}

impl Session {
    /// Takes up a difficulty to start with, unless one that stands above it is in force, or, where it is
    /// only a wish or a guess, the miner's own rate is known already. It is kept within the port's bounds
    /// and the network difficulty; a port of fixed difficulty lets only a higher one be decided.
    pub(super) fn propose(
        &mut self,
        now: Moment,
        (source, fixed): (Source, bool),
        wanted: Option<Difficulty>,
        board: &JobBoard,
    ) {
        let rules = &self.terms.port.rules;
        let Some(wanted) = wanted.filter(|_| source.is_allowed(rules.start_from)) else { return };
        // Who took up a session and wishes something else than before is heard, also something lower.
        let kept = self.floor;
        let is_taken_up = source == Source::Password && std::mem::take(&mut self.resumed);
        if is_taken_up {
            self.floor = self.least_of_agent();
        }
        let granted = self.within_port(wanted, source.is_firm(), board);
        let anew = is_taken_up && kept != Some(granted);
        if is_taken_up && !anew {
            self.floor = kept;
        }
        // What is stored for the worker may have been changed since.
        let anew = anew || source == Source::Database && std::mem::take(&mut self.resumed);
        let repeated = source == self.start.source && source != Source::Suggested && !anew;
        let measured = self.estimator.as_ref().is_some_and(|estimator| estimator.has_evidence());
        if source < self.start.source || repeated || measured && !source.is_firm() {
            return;
        }
        if self.terms.port.vardiff.is_none() && !source.is_firm() {
            return;
        }
        self.start = Start { source, fixed: self.start.fixed || fixed };
        if source == Source::Password && !fixed {
            self.floor = Some(granted);
        }
        self.change_difficulty(now, granted, board);
    }

    /// What a worker that was just authorised brings with it.
    pub(super) fn propose_for_worker(&mut self, now: Moment, wishes: Wishes, board: &JobBoard) {
        let of_password = match wishes {
            Wishes { fixed: Some(fixed), .. } => Some((fixed, true)),
            Wishes { start: Some(start), .. } => Some((start, false)),
            Wishes { terahashes: Some(rate), .. } => Some((self.difficulty_of_rate(rate * 1e12), false)),
            _ => None,
        };
        if let Some((difficulty, fixed)) = of_password {
            self.propose(now, (Source::Password, fixed), Difficulty::new(difficulty), board);
        }
        let Some(worker) = self.workers.last().map(|worker| worker.credited.clone()) else { return };
        let memory = &self.terms.memory;
        let stored = memory.stored.known(&worker);
        let remembered = memory.remembered.get(&worker, &self.agent, now.monotonic);
        if self.resumed && stored.is_none() && self.start.source == Source::Database {
            self.start = Start::PORT;
            self.change_difficulty(now, self.difficulty_on_this_port(board), board);
        }
        self.propose(now, (Source::Database, true), stored, board);
        self.propose(now, (Source::Remembered, false), remembered, board);
    }

    /// What suits the mining program, by the port's list.
    pub(super) fn propose_for_agent(&mut self, now: Moment, board: &JobBoard) {
        let listed = self.listed_agent().map(|listed| listed.difficulty);
        self.propose(now, (Source::Agent, false), listed, board);
        if let Some(least) = self.least_of_agent() {
            self.raise_floor(least);
        }
    }

    /// The entry for the mining program in the port's list: the longest name found in it decides.
    fn listed_agent(&self) -> Option<&AgentDifficulty> {
        let agent = self.agent.to_lowercase();
        let listed = self.terms.port.rules.agent_difficulties.iter();
        listed.filter(|listed| agent.contains(&listed.agent)).max_by_key(|listed| listed.agent.len())
    }

    /// The least difficulty of the mining program, where it has one.
    fn least_of_agent(&self) -> Option<Difficulty> {
        let vardiff = self.terms.port.vardiff.as_ref().filter(|_| self.terms.port.rules.start_from.agent)?;
        self.listed_agent().filter(|listed| listed.least).map(|listed| listed.difficulty.min(vardiff.max))
    }

    /// Sets the least difficulty of the connection, unless it has a higher one.
    pub(super) fn raise_floor(&mut self, floor: Difficulty) {
        self.floor = Some(self.floor.map_or(floor, |present| present.max(floor)));
    }

    /// The difficulty at which so many hashes a second are one share per aim.
    fn difficulty_of_rate(&self, hashes_per_sec: f64) -> f64 {
        let aim = self.terms.port.vardiff.as_ref().map_or(15.0, |vardiff| vardiff.target.as_secs_f64());
        hashes_per_sec * aim / 2f64.powi(i32::from(self.terms.stratum_bits))
    }

    /// Shows the difficulty where the operator looks for it.
    pub(super) fn note_difficulty(&self) {
        for worker in &self.workers {
            self.terms.memory.stored.note(&worker.credited, self.difficulty);
        }
    }

    /// Remembers what suited the miner, if that was measured.
    pub(super) fn remember_difficulty(&self, now: Moment) {
        if self.estimator.as_ref().is_some_and(|estimator| estimator.has_evidence()) {
            for worker in &self.workers {
                self.terms.memory.remembered.put(&worker.credited, &self.agent, self.difficulty, now.monotonic);
            }
        }
    }
}
