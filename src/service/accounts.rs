//! Ledgers and worker directories: one per `shares` table and one per place where workers are
//! stored, however many coins use them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::coin::Accounts;
use super::spools::{self, Choice, Stray};
use super::{place, server_note};
use crate::clock::Clock;
use crate::config::{Coin, Config, Endpoint, Mpos, Workers};
use crate::ledger::error::OpenError;
use crate::ledger::handle::Ledger;
use crate::ledger::replay;
use crate::mpos::hosts::InUse;
use crate::mpos::share_sink::ShareSink;
use crate::mpos::worker_source::PoolWorkers;
use crate::pulse::Pulse;
use crate::worker::directory::Directory;
use crate::worker::memory::Memory;

/// A `shares` table: its first server and its database.
type Table = (Endpoint, String);

/// A ledger at work.
struct Open {
    ledger: Arc<Ledger>,
    in_use: InUse,
    dir: PathBuf,
}

/// The opened ledgers with their drainers, and the directories.
pub struct Books {
    ledgers: BTreeMap<Table, Open>,
    /// The tables whose spool cannot be opened, and why: their coins stay down.
    unusable: BTreeMap<Table, String>,
    /// Spools that hold shares and that no coin uses.
    strays: Vec<Stray>,
    drainers: JoinSet<()>,
    directories: Vec<(Mpos, Workers, Directory)>,
}

impl Books {
    /// Opens the spools of all coins and starts to drain them. A database that is away is no error:
    /// the spools hold what it misses.
    ///
    /// A spool that cannot be used keeps its coins down and hurts no other.
    ///
    /// # Errors
    /// No spool can be opened.
    pub fn open(config: &Config, clock: &Arc<dyn Clock>, stop: &watch::Receiver<bool>) -> Result<Self, OpenError> {
        let mut books = Self {
            ledgers: BTreeMap::new(),
            unusable: BTreeMap::new(),
            strays: Vec::new(),
            drainers: JoinSet::new(),
            directories: Vec::new(),
        };
        let state_dir = &config.daemon.state_dir;
        let mut last = None;
        for coin in &config.coins {
            let table = table(coin);
            if books.unusable.contains_key(&table) {
                continue;
            }
            if !books.ledgers.contains_key(&table) {
                match books.open_ledger(state_dir, coin, clock, stop) {
                    Ok(open) => {
                        books.ledgers.insert(table.clone(), open);
                    }
                    Err(problem) => {
                        error!(coin = %coin.name, %problem, "the coin stays down: its shares could not be written down");
                        books.unusable.insert(table, problem.to_string());
                        last = Some(problem);
                        continue;
                    }
                }
            }
            if books.directory(coin).is_none() {
                let path = books.known_file(state_dir, coin);
                let memory = Memory::open(&path, coin.mpos.password.reveal(), Arc::clone(clock));
                let mut source = PoolWorkers::new(&coin.mpos);
                if let Some(open) = books.ledgers.get(&table) {
                    source = source.following(open.in_use.clone());
                }
                let directory = Directory::start(source, coin.workers.clone(), memory);
                books.directories.push((coin.mpos.clone(), coin.workers.clone(), directory));
            }
        }
        if let Some(problem) = last.filter(|_| books.ledgers.is_empty()) {
            return Err(problem);
        }
        let tables: Vec<&Mpos> = config.coins.iter().map(|coin| &coin.mpos).collect();
        books.strays = spools::strays(state_dir, &tables);
        for stray in &books.strays {
            error!("{stray}");
        }
        Ok(books)
    }

    fn open_ledger(
        &mut self,
        state_dir: &Path,
        coin: &Coin,
        clock: &Arc<dyn Clock>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Open, OpenError> {
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
        let opened = Ledger::open(&dir, &coin.ledger, Arc::clone(clock))?;
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
        let sink = ShareSink::new(&coin.mpos, Arc::clone(clock), place::of_spool(&dir));
        let in_use = sink.in_use();
        // Ends with the sink.
        self.drainers.spawn(server_note::keep(dir.clone(), in_use.clone()));
        let drainer = opened.ledger.drainer(sink).run(stop.clone());
        self.drainers.spawn(async move { drainer.await.close().await });
        self.drainers.spawn(replay::attend(Arc::clone(&opened.ledger), stop.clone()));
        Ok(Open { ledger: opened.ledger, in_use, dir })
    }

    /// The ledger and the directory of a coin that was among those opened.
    pub fn of(&self, coin: &Coin) -> Option<Accounts> {
        let Open { ledger, in_use, .. } = self.ledgers.get(&table(coin))?;
        let (ledger, in_use) = (Arc::clone(ledger), in_use.clone());
        Some(Accounts { ledger, in_use, directory: self.directory(coin)?.clone() })
    }

    /// The spool's directory of a coin that was among those opened.
    pub fn dir_of(&self, coin: &Coin) -> Option<&Path> {
        Some(&self.ledgers.get(&table(coin))?.dir)
    }

    fn directory(&self, coin: &Coin) -> Option<&Directory> {
        let same = |(mpos, workers, _): &&(Mpos, Workers, Directory)| {
            (&mpos.endpoint, &mpos.user, &mpos.password, &mpos.accounts_database, &mpos.workers_database, workers)
                == (
                    &coin.mpos.endpoint,
                    &coin.mpos.user,
                    &coin.mpos.password,
                    &coin.mpos.accounts_database,
                    &coin.mpos.workers_database,
                    &coin.workers,
                )
        };
        self.directories.iter().find(same).map(|(_, _, directory)| directory)
    }

    /// Where the next directory, that of `coin`, keeps the workers it remembers. Directories of the
    /// same workers (with another policy or database user) have a file each, by their order.
    fn known_file(&self, state_dir: &Path, coin: &Coin) -> PathBuf {
        let store = |mpos: &Mpos| {
            let Mpos { endpoint, accounts_database, workers_database, .. } = mpos;
            (endpoint.clone(), accounts_database.clone(), workers_database.clone())
        };
        let earlier = self.directories.iter().filter(|(mpos, ..)| store(mpos) == store(&coin.mpos)).count();
        known_file(state_dir, &coin.mpos, earlier)
    }

    /// Signs of life of the ledgers.
    pub fn pulses(&self) -> Vec<Arc<Pulse>> {
        self.ledgers.values().flat_map(|open| open.ledger.pulses()).collect()
    }

    /// One line for people: what the database still misses and why.
    pub fn status(&self) -> String {
        let line = |((_, database), open): (&Table, &Open)| {
            let status = open.ledger.status();
            format!("{database}: {} rows behind, {}", status.written.saturating_sub(status.drained), status.drain)
        };
        let down = self.unusable.iter().map(|((_, database), problem)| format!("{database} is DOWN: {problem}"));
        let strays = self.strays.iter().map(|stray| format!("FORGOTTEN: {stray}"));
        self.ledgers.iter().map(line).chain(down).chain(strays).collect::<Vec<_>>().join("; ")
    }

    /// Brings everything to the disk and ends the drainers, which finish the transaction they are
    /// in; the rest is drained by the next run.
    pub async fn close(mut self) {
        for (.., directory) in &self.directories {
            directory.save().await;
        }
        let ledgers: Vec<Arc<Ledger>> = self.ledgers.values().map(|open| Arc::clone(&open.ledger)).collect();
        let synced = tokio::task::spawn_blocking(move || ledgers.iter().for_each(|ledger| ledger.close())).await;
        if let Err(problem) = synced {
            warn!(%problem, "closing the spools failed");
        }
        while self.drainers.join_next().await.is_some() {}
    }
}

fn table(coin: &Coin) -> Table {
    (coin.mpos.endpoint.clone(), coin.mpos.database.clone())
}

/// The file for the remembered workers of `mpos`, the `earlier`th after the first of the same workers. It
/// stays the same when another of the servers is put first.
fn known_file(state_dir: &Path, mpos: &Mpos, earlier: usize) -> PathBuf {
    let Mpos { accounts_database: accounts, workers_database: workers, .. } = mpos;
    let number = if earlier > 0 { format!("-{}", earlier + 1) } else { String::new() };
    let files: Vec<PathBuf> = std::iter::once(&mpos.endpoint)
        .chain(&mpos.failover)
        .map(|endpoint| spools::tagged(workers, &format!("{}/{accounts}/{workers}", spools::server(endpoint))))
        .map(|name| state_dir.join("workers").join(format!("{name}{number}.known")))
        .collect();
    files.iter().find(|file| file.exists()).or(files.first()).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn the_workers_are_remembered_when_another_server_is_put_first() {
        let state = tempfile::tempdir().unwrap();
        let server = |name: &str| Endpoint::Tcp(name.into(), 3306);
        let file = |first: &str, second: &str, earlier| {
            let mpos = Mpos {
                endpoint: server(first),
                user: "u".into(),
                password: Secret::new(""),
                database: "pool".into(),
                accounts_database: "pool".into(),
                workers_database: "pool".into(),
                failover: vec![server(second)],
                allow_myisam: false,
            };
            known_file(state.path(), &mpos, earlier)
        };
        let old = file("a", "b", 0);
        assert_ne!(old, file("a", "b", 1));
        std::fs::create_dir_all(old.parent().unwrap()).unwrap();
        std::fs::write(&old, "").unwrap();
        assert_eq!(file("b", "a", 0), old);
        assert_ne!(file("b", "c", 0), old);
        assert_ne!(file("b", "a", 1), old);
    }
}
