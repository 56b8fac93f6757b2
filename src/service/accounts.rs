//! Ledgers and worker directories: one per `shares` table and one per place where workers are
//! stored, however many coins use them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::coin::Accounts;
use super::server_note;
use crate::clock::Clock;
use crate::config::{Coin, Config, Endpoint, Mpos, Workers};
use crate::ledger::error::OpenError;
use crate::ledger::handle::Ledger;
use crate::ledger::replay;
use crate::mpos::share_sink::ShareSink;
use crate::mpos::worker_source::PoolWorkers;
use crate::worker::directory::Directory;
use crate::worker::memory::Memory;

/// The opened ledgers with their drainers, and the directories.
pub struct Books {
    ledgers: BTreeMap<(Endpoint, String), Arc<Ledger>>,
    drainers: JoinSet<()>,
    directories: Vec<(Mpos, Workers, Directory)>,
}

impl Books {
    /// Opens the spools of all coins and starts to drain them. A database that is away is no error:
    /// the spools hold what it misses.
    ///
    /// # Errors
    /// A spool cannot be opened.
    pub fn open(config: &Config, clock: &Arc<dyn Clock>, stop: &watch::Receiver<bool>) -> Result<Self, OpenError> {
        let mut books = Self { ledgers: BTreeMap::new(), drainers: JoinSet::new(), directories: Vec::new() };
        for coin in &config.coins {
            let key = (coin.mpos.endpoint.clone(), coin.mpos.database.clone());
            if !books.ledgers.contains_key(&key) {
                let ledger = books.open_ledger(&config.daemon.state_dir, coin, clock, stop)?;
                books.ledgers.insert(key, ledger);
            }
            if books.directory(coin).is_none() {
                let path = books.known_file(&config.daemon.state_dir, coin);
                let memory = Memory::open(&path, coin.mpos.password.reveal(), Arc::clone(clock));
                let directory = Directory::start(PoolWorkers::new(&coin.mpos), coin.workers.clone(), memory);
                books.directories.push((coin.mpos.clone(), coin.workers.clone(), directory));
            }
        }
        Ok(books)
    }

    fn open_ledger(
        &mut self,
        state_dir: &Path,
        coin: &Coin,
        clock: &Arc<dyn Clock>,
        stop: &watch::Receiver<bool>,
    ) -> Result<Arc<Ledger>, OpenError> {
        let dir = spool_dir(state_dir, &coin.mpos);
        let opened = Ledger::open(&dir, &coin.ledger, Arc::clone(clock))?;
        let recovered = &opened.recovered;
        info!(
            dir = %dir.display(), spool = %recovered.spool, events = recovered.highest_seq,
            in_database = recovered.confirmed, "spool open"
        );
        for problem in &recovered.damage {
            warn!(dir = %dir.display(), problem, "the spool is damaged");
        }
        let sink = ShareSink::new(&coin.mpos, Arc::clone(clock), host_name());
        // Ends with the sink.
        self.drainers.spawn(server_note::keep(dir, sink.in_use()));
        let drainer = opened.ledger.drainer(sink).run(stop.clone());
        self.drainers.spawn(async move { drainer.await.close().await });
        self.drainers.spawn(replay::attend(Arc::clone(&opened.ledger), stop.clone()));
        Ok(opened.ledger)
    }

    /// The ledger and the directory of a coin that was among those opened.
    pub fn of(&self, coin: &Coin) -> Option<Accounts> {
        let key = (coin.mpos.endpoint.clone(), coin.mpos.database.clone());
        Some(Accounts { ledger: Arc::clone(self.ledgers.get(&key)?), directory: self.directory(coin)?.clone() })
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
        let (endpoint, accounts, workers) = store(&coin.mpos);
        let mut name = tagged(&workers, &format!("{}/{accounts}/{workers}", server(&endpoint)));
        if earlier > 0 {
            name += &format!("-{}", earlier + 1);
        }
        state_dir.join("workers").join(format!("{name}.known"))
    }

    /// One line for people: what the database still misses and why.
    pub fn status(&self) -> String {
        let line = |((_, database), ledger): (&(Endpoint, String), &Arc<Ledger>)| {
            let status = ledger.status();
            format!("{database}: {} rows behind, {}", status.written.saturating_sub(status.drained), status.drain)
        };
        self.ledgers.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    /// Brings everything to the disk and ends the drainers, which finish the transaction they are
    /// in; the rest is drained by the next run.
    pub async fn close(mut self) {
        for (.., directory) in &self.directories {
            directory.save().await;
        }
        let ledgers: Vec<Arc<Ledger>> = self.ledgers.values().cloned().collect();
        let synced = tokio::task::spawn_blocking(move || ledgers.iter().for_each(|ledger| ledger.close())).await;
        if let Err(problem) = synced {
            warn!(%problem, "closing the spools failed");
        }
        while self.drainers.join_next().await.is_some() {}
    }
}

/// Where the spool of a `shares` table lives: its name for people, a checksum of the server for
/// equal names on two servers. The spool stays the same when another of the table's servers is put
/// first: it holds what the database has not got yet.
pub fn spool_dir(state_dir: &Path, mpos: &Mpos) -> PathBuf {
    let first = spool_dir_of(state_dir, &mpos.endpoint, &mpos.database);
    let others = mpos.failover.iter().map(|endpoint| spool_dir_of(state_dir, endpoint, &mpos.database));
    std::iter::once(first.clone()).chain(others).find(|dir| dir.exists()).unwrap_or(first)
}

fn spool_dir_of(state_dir: &Path, endpoint: &Endpoint, database: &str) -> PathBuf {
    let place = format!("{}/{database}", server(endpoint));
    state_dir.join("spool").join(tagged(database, &place))
}

fn server(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(host, port) => format!("{host}:{port}"),
        Endpoint::Socket(path) => path.display().to_string(),
    }
}

/// A file name of a database's name and a checksum of its whole place.
fn tagged(database: &str, place: &str) -> String {
    let plain: String =
        database.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
    format!("{plain}-{:08x}", crc32c::crc32c(place.as_bytes()))
}

/// The machine's name, for the operator who finds it in the cursor row.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn the_spool_stays_when_another_server_is_put_first() {
        let server = |name: &str| Endpoint::Tcp(name.into(), 3306);
        let mpos = |first: &str, failover: &[&str]| Mpos {
            endpoint: server(first),
            user: "u".into(),
            password: Secret::new(""),
            database: "pool".into(),
            accounts_database: "pool".into(),
            workers_database: "pool".into(),
            failover: failover.iter().map(|name| server(name)).collect(),
            allow_myisam: false,
        };
        let state = tempfile::tempdir().unwrap();
        let dir = |mpos: &Mpos| spool_dir(state.path(), mpos);
        let old = dir(&mpos("a", &["b"]));
        assert_eq!(old, dir(&mpos("a", &[])));
        assert_ne!(old, dir(&mpos("b", &["a"])), "there is none yet");
        std::fs::create_dir_all(&old).unwrap();
        assert_eq!(old, dir(&mpos("b", &["a"])));
        assert_ne!(old, dir(&mpos("b", &[])), "another server with a database of that name");
    }
}
