//! Ledgers and worker directories: one per `shares` table and one per place where workers are
//! stored, however many coins use them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use super::coin::Accounts;
use super::scene::LedgerView;
use super::spools::{self, Choice, Stray};
use super::{place, remembered, server_note};
use crate::clock::Clock;
use crate::config::{Coin, Config, Endpoint, Mpos, Workers};
use crate::ledger::error::OpenError;
use crate::ledger::handle::Ledger;
use crate::ledger::open::Opened;
use crate::ledger::tokens::Tokens;
use crate::ledger::{overdue, replay};
use crate::mpos::hosts::InUse;
use crate::mpos::login::Login;
use crate::mpos::share_sink::ShareSink;
use crate::mpos::skew::Skew;
use crate::mpos::worker_source::PoolWorkers;
use crate::pulse::Pulse;
use crate::worker::directory::Directory;
use crate::worker::memory::Memory;

/// Beside the segments of a spool: dossiers of found blocks, and blocks in flight.
const BLOCKS_DIR: &str = "blocks";

/// Where they are for the spool in `dir`.
pub fn blocks_dir(dir: &Path) -> PathBuf {
    dir.join(BLOCKS_DIR)
}

/// Longest wait at the start for a process that works with a spool, such as `spool replay` without a daemon.
/// Then the coin stays down.
const IN_USE_WAIT: Duration = Duration::from_secs(10);
const IN_USE_POLL: Duration = Duration::from_millis(100);

/// A `shares` table: its first server and its database.
type Table = (Endpoint, String);

/// A ledger at work.
struct Open {
    ledger: Arc<Ledger>,
    in_use: InUse,
    /// As whom its database is connected to.
    login: Login,
    skew: watch::Receiver<Option<Skew>>,
    /// For what is kept about found blocks.
    blocks: PathBuf,
    /// True: it is drained no further.
    stop: watch::Sender<bool>,
    /// Its drainer and those who attend to it.
    tasks: JoinSet<()>,
}

impl Open {
    /// Whether the database has everything.
    fn is_drained(&self) -> bool {
        let status = self.ledger.status();
        status.drained >= status.written && status.held == 0
    }

    /// Brings everything to the disk and ends the drainer, which finishes the transaction it is in.
    async fn close(self) {
        let Self { ledger, stop, mut tasks, .. } = self;
        stop.send_replace(true);
        if let Err(problem) = tokio::task::spawn_blocking(move || ledger.close()).await {
            warn!(%problem, "closing a spool failed");
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// A directory, and what its workers and their policy are.
struct Known {
    mpos: Mpos,
    workers: Workers,
    directory: Directory,
    login: Login,
}

/// The opened ledgers with their drainers, and the directories.
pub struct Books {
    ledgers: BTreeMap<Table, Open>,
    /// The tables whose spool cannot be opened, and why: their coins stay down.
    unusable: BTreeMap<Table, String>,
    /// Spools that hold shares and that no coin uses.
    strays: Vec<Stray>,
    directories: Vec<Known>,
}

impl Books {
    /// Opens the spools of all coins and starts to drain them. A database that is away is no error:
    /// the spools hold what it misses.
    ///
    /// A spool that cannot be used keeps its coins down and hurts no other.
    ///
    /// # Errors
    /// No spool can be opened.
    pub async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, OpenError> {
        let mut books =
            Self { ledgers: BTreeMap::new(), unusable: BTreeMap::new(), strays: Vec::new(), directories: Vec::new() };
        let mut last = None;
        for coin in &config.coins {
            if books.unusable.contains_key(&table(coin)) {
                continue;
            }
            if let Err(problem) = books.add(&config.daemon.state_dir, coin, clock).await {
                error!(coin = %coin.name, %problem, "the coin stays down: its shares could not be written down");
                books.unusable.insert(table(coin), problem.to_string());
                last = Some(problem);
            }
        }
        if let Some(problem) = last.filter(|_| books.ledgers.is_empty()) {
            return Err(problem);
        }
        books.look_for_strays(config);
        Ok(books)
    }

    /// Opens what a coin needs that is not open yet; true: its ledger was not.
    ///
    /// # Errors
    /// The spool cannot be opened.
    pub async fn add(&mut self, state_dir: &Path, coin: &Coin, clock: &Arc<dyn Clock>) -> Result<bool, OpenError> {
        let table = table(coin);
        let is_new = !self.ledgers.contains_key(&table);
        if is_new {
            let open = Self::open_ledger(state_dir, coin, clock).await?;
            self.ledgers.insert(table.clone(), open);
        }
        if self.directory(coin).is_none() {
            let memory = self.memory(state_dir, coin, clock);
            let login = Login::default();
            let mut source = PoolWorkers::new(&coin.mpos).logging_in_by(&login);
            if let Some(open) = self.ledgers.get(&table) {
                source = source.following(open.in_use.clone());
            }
            let directory = Directory::start(source, coin.workers.clone(), memory);
            let (mpos, workers) = (coin.mpos.clone(), coin.workers.clone());
            self.directories.push(Known { mpos, workers, directory, login });
        }
        Ok(is_new)
    }

    /// From now on the databases of a coin are connected to as it says now; connections that are open stay.
    pub fn log_in_by(&self, coin: &Coin) {
        if let Some(open) = self.ledgers.get(&table(coin)) {
            open.login.change(&coin.mpos);
        }
        for known in self.directories.iter().filter(|known| known.is_of(coin)) {
            known.login.change(&coin.mpos);
        }
    }

    /// The name of the server that the shares of a coin go to; empty if nobody knows.
    pub fn server_of(&self, coin: &Coin) -> Arc<str> {
        self.ledgers.get(&table(coin)).map_or_else(|| "".into(), |open| Arc::clone(&open.in_use.borrow()))
    }

    /// Looks for spools that hold shares and that no coin uses.
    pub fn look_for_strays(&mut self, config: &Config) {
        let tables: Vec<&Mpos> = config.coins.iter().map(|coin| &coin.mpos).collect();
        let mut strays = spools::strays(&config.daemon.state_dir, &tables);
        // Those of coins that were removed are still being drained.
        strays.retain(|stray| !self.ledgers.values().any(|open| open.blocks.starts_with(&stray.dir)));
        for stray in strays.iter().filter(|stray| !self.strays.contains(stray)) {
            error!("{stray}");
        }
        self.strays = strays;
    }

    /// Closes what none of `coins` uses, a ledger once the database has all of it. Ready when that is done.
    pub fn release(&mut self, coins: &[Arc<Coin>]) -> Vec<JoinHandle<()>> {
        let used: Vec<Table> = coins.iter().map(|coin| table(coin)).collect();
        self.unusable.retain(|table, _| used.contains(table));
        let done = |(table, open): (&Table, &Open)| (!used.contains(table) && open.is_drained()).then(|| table.clone());
        let done: Vec<Table> = self.ledgers.iter().filter_map(done).collect();
        let mut closing = Vec::new();
        for table in &done {
            if let Some(open) = self.ledgers.remove(table) {
                info!(
                    database = table.1,
                    "the database has all shares of a coin that was taken down: its spool is closed"
                );
                closing.push(tokio::spawn(open.close()));
            }
        }
        let is_used = |known: &Known| coins.iter().any(|coin| known.is_of(coin));
        for Known { directory, .. } in self.directories.extract_if(.., |known| !is_used(known)) {
            closing.push(tokio::spawn(async move { directory.save().await }));
        }
        closing
    }

    async fn open_ledger(state_dir: &Path, coin: &Coin, clock: &Arc<dyn Clock>) -> Result<Open, OpenError> {
        let Choice { dir, rivals } = spools::choose(state_dir, &coin.mpos);
        if !rivals.is_empty() {
            let others = rivals.iter().map(|rival| rival.display().to_string()).collect::<Vec<_>>().join(", ");
            let reason = format!(
                "it is not the only spool of database {} on these servers that holds events which were never drained; \
                 there is also {others}: move all but one away, let that one be drained, then put the next in its place",
                coin.mpos.database
            );
            return Err(OpenError::Unusable { path: dir, reason });
        }
        let opened = open_when_free(&dir, coin, clock).await?;
        let blocks = blocks_dir(&dir);
        if let Err(source) = std::fs::create_dir_all(&blocks) {
            return Err(OpenError::Io { action: "make", path: blocks, source });
        }
        if let Err(problem) = spools::remember(&dir, &coin.mpos) {
            warn!(dir = %dir.display(), %problem, "it cannot be noted which servers the spool belongs to");
        }
        let recovered = &opened.recovered;
        info!(
            dir = %dir.display(), spool = %recovered.spool, events = recovered.highest_seq,
            in_database = recovered.confirmed, "spool open"
        );
        for problem in &recovered.damage {
            warn!(dir = %dir.display(), problem, "the spool is damaged");
        }
        let login = Login::default();
        let here = place::of_spool(&dir);
        if !place::knows_its_boot(&here) {
            warn!(
                "/proc/sys/kernel/random/boot_id cannot be read: after a crash the drain waits until its lease has ended"
            );
        }
        let mut sink = ShareSink::new(&coin.mpos, Arc::clone(clock), here).logging_in_by(&login);
        match Tokens::open(&dir, opened.ledger.spool()) {
            Ok(tokens) => sink = sink.with_tokens(tokens),
            Err(problem) => {
                warn!(dir = %dir.display(), %problem, "it cannot be noted with which tokens the spool becomes the writer: a copy of it would not be noticed");
            }
        }
        let (in_use, skew) = (sink.in_use(), sink.skew());
        let (stop, mut tasks) = (watch::Sender::new(false), JoinSet::new());
        // Ends with the sink.
        tasks.spawn(server_note::keep(dir, in_use.clone()));
        let drainer = opened.ledger.drainer(sink).run(stop.subscribe());
        tasks.spawn(async move { drainer.await.close().await });
        tasks.spawn(replay::attend(Arc::clone(&opened.ledger), stop.subscribe()));
        tasks.spawn(overdue::watch(Arc::clone(&opened.ledger), stop.subscribe()));
        Ok(Open { ledger: opened.ledger, in_use, login, skew, blocks, stop, tasks })
    }

    /// The ledger and the directory of a coin that was among those opened.
    pub fn of(&self, coin: &Coin) -> Option<Accounts> {
        let Open { ledger, in_use, login, .. } = self.ledgers.get(&table(coin))?;
        let (ledger, in_use, login) = (Arc::clone(ledger), in_use.clone(), login.clone());
        Some(Accounts { ledger, in_use, login, directory: self.directory(coin)?.clone() })
    }

    /// The folder for dossiers and blocks in flight of a coin that was among those opened.
    pub fn blocks_of(&self, coin: &Coin) -> Option<&Path> {
        Some(&self.ledgers.get(&table(coin))?.blocks)
    }

    fn directory(&self, coin: &Coin) -> Option<&Directory> {
        self.directories.iter().find(|known| known.is_of(coin)).map(|known| &known.directory)
    }

    /// The memory of the next directory, that of `coin`. Directories of the same workers with another
    /// policy have a file each, by their order.
    fn memory(&self, state_dir: &Path, coin: &Coin, clock: &Arc<dyn Clock>) -> Memory {
        let store = |mpos: &Mpos| {
            let Mpos { endpoint, accounts_database, workers_database, .. } = mpos;
            (endpoint.clone(), accounts_database.clone(), workers_database.clone())
        };
        let earlier = self.directories.iter().filter(|known| store(&known.mpos) == store(&coin.mpos)).count();
        let remembered::Choice { file, unused } = remembered::choose(state_dir, &coin.mpos, earlier);
        for unused in unused {
            warn!(
                file = %unused.display(), used = %file.display(),
                "remembered workers of another place or an older file are not used: name their server again, first or in `failover`, or remove the file"
            );
        }
        if let Err(problem) = remembered::remember(&file, &coin.mpos) {
            warn!(file = %file.display(), %problem, "it cannot be noted which servers the remembered workers belong to");
        }
        Memory::open(&file, coin.mpos.password.reveal(), Arc::clone(clock))
    }

    /// Signs of life of the ledgers.
    pub fn pulses(&self) -> Vec<Arc<Pulse>> {
        self.ledgers.values().flat_map(|open| open.ledger.pulses()).collect()
    }

    /// The ledgers as operators look at them.
    pub fn views(&self) -> Vec<LedgerView> {
        let view = |((_, database), open): (&Table, &Open)| LedgerView {
            // The blocks are in the spool's folder.
            name: open.blocks.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned(),
            database: database.clone(),
            ledger: Arc::clone(&open.ledger),
            skew: open.skew.clone(),
        };
        self.ledgers.iter().map(view).collect()
    }

    /// Spools that cannot be used, and those that nobody uses.
    pub fn troubles(&self) -> Vec<String> {
        let down = self.unusable.iter().map(|((_, database), problem)| format!("{database} is DOWN: {problem}"));
        down.chain(self.strays.iter().map(|stray| format!("FORGOTTEN: {stray}"))).collect()
    }

    /// One line for people: what the database still misses and why.
    pub fn status(&self) -> String {
        let line = |((_, database), open): (&Table, &Open)| {
            let status = open.ledger.status();
            let behind = status.written.saturating_sub(status.drained);
            let mut line = format!("{database}: {behind} rows behind, {}", status.drain);
            if let Some(overdue) = open.ledger.overdue() {
                line.push_str(&format!(", {overdue}"));
            }
            if let Some(skew) = *open.skew.borrow() {
                line.push_str(&format!(", {skew}"));
            }
            line
        };
        self.ledgers.iter().map(line).chain(self.troubles()).collect::<Vec<_>>().join("; ")
    }

    /// Nothing more is to be drained by this life of the daemon; everything is brought to the disk.
    pub async fn close(self) {
        for Known { directory, .. } in &self.directories {
            directory.save().await;
        }
        self.ledgers.into_values().map(Open::close).collect::<JoinSet<()>>().join_all().await;
    }
}

impl Known {
    /// Whether it is the directory of a coin.
    fn is_of(&self, coin: &Coin) -> bool {
        // How often sessions ask is their own business.
        let policy = |workers: &Workers| Workers { recheck: Duration::ZERO, ..workers.clone() };
        let store = |mpos: &Mpos| {
            let Mpos { endpoint, accounts_database, workers_database, .. } = mpos.clone();
            (endpoint, accounts_database, workers_database)
        };
        store(&self.mpos) == store(&coin.mpos) && policy(&self.workers) == policy(&coin.workers)
    }
}

/// Opens a spool, and waits for a while for a command that works with it.
async fn open_when_free(dir: &Path, coin: &Coin, clock: &Arc<dyn Clock>) -> Result<Opened, OpenError> {
    let begun = clock.monotonic();
    let mut is_told = false;
    loop {
        match Ledger::open(dir, &coin.ledger, Arc::clone(clock)) {
            Err(problem @ OpenError::InUse { .. }) if clock.monotonic().saturating_sub(begun) < IN_USE_WAIT => {
                if !std::mem::replace(&mut is_told, true) {
                    warn!(coin = %coin.name, %problem, "waiting for up to {} s", IN_USE_WAIT.as_secs());
                }
                tokio::time::sleep(IN_USE_POLL).await;
            }
            done => return done,
        }
    }
}

fn table(coin: &Coin) -> Table {
    (coin.mpos.endpoint.clone(), coin.mpos.database.clone())
}
