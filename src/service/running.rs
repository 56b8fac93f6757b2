//! The running daemon: what it was started with, what is in force, and everything that runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accounts::Books;
use super::blocks::Estate;
use super::coin::{CoinService, Shared};
use super::doors;
use super::handover::Past;
use super::local::Notify;
use super::logging::Log;
use super::ports::Ports;
use super::reloading::{ReloadBell, Reloads};
use super::scene::Scene;
use super::{fd_store, stop, watchdog};
use crate::config::{Coin, Config};
use crate::stratum::gate::House;
use crate::stratum::stop::Stop;

/// Where bans are kept, in the state directory.
const BANS_FILE: &str = "bans";

/// What the daemon is started with.
pub struct Setup {
    /// The configuration.
    pub config: Config,
    /// Where it was read.
    pub path: PathBuf,
    /// The log.
    pub log: Log,
    /// What all ports share.
    pub house: House,
    /// What all coins share.
    pub shared: Shared,
    /// Ledgers and directories.
    pub books: Books,
    /// Where a reload is asked for.
    pub bell: ReloadBell,
}

/// The running daemon.
pub struct Running {
    pub(super) setup: Setup,
    pub(super) coins: Vec<CoinService>,
    /// Coins that were taken out of the configuration and are not over yet.
    pub(super) retiring: Vec<CoinService>,
    /// What is remembered of reloads.
    pub(super) reloads: Reloads,
    notify: Notify,
    started: u64,
    scene: watch::Sender<Arc<Scene>>,
    _doors: JoinSet<()>,
}

/// Where bans are kept.
pub fn bans_file(config: &Config) -> PathBuf {
    config.daemon.state_dir.join(BANS_FILE)
}

impl Running {
    /// Starts the coins on their bound ports, with what the daemon's last life left of them, and opens the doors.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub async fn start(setup: Setup, bound: Vec<(Arc<Coin>, Ports)>, mut past: Past) -> Result<Self, String> {
        let mut coins = Vec::new();
        // Coins of one chain share a ledger and a folder of blocks.
        let folder = |coin: &Coin| setup.books.blocks_of(coin).map(Path::to_owned);
        let served: Vec<(Option<PathBuf>, Arc<str>)> =
            bound.iter().map(|(coin, _)| (folder(coin), coin.name.as_str().into())).collect();
        let mut inherited: Vec<&Path> = Vec::new();
        for (coin, ports) in bound {
            // Without a spool the coin stays down: its ports are closed.
            let books = &setup.books;
            let (Some(accounts), Some(blocks)) = (books.of(&coin), books.blocks_of(&coin)) else {
                // Nor may the service manager keep them open, or miners would wait in them instead of going elsewhere.
                ports.iter().for_each(|(port, ..)| fd_store::remove(&fd_store::port_name(port.listen)));
                continue;
            };
            let past = past.remove(&coin.name);
            let ledger = Arc::clone(&accounts.ledger);
            let service = CoinService::start(coin, ports, accounts, &setup.shared, blocks, (random()?, past));
            let estate = if inherited.contains(&blocks) {
                Estate::Own
            } else {
                inherited.push(blocks);
                let share = served.iter().filter(|(folder, _)| folder.as_deref() == Some(blocks));
                let names = share.map(|(_, name)| Arc::clone(name));
                Estate::Heir { others: names.filter(|name| **name != *service.coin().name).collect() }
            };
            service.resume(&ledger, estate);
            coins.push(service);
        }
        let (started, notify) = (setup.shared.clock.unix_secs(), Notify::reloading(setup.bell.clone()));
        let reloads = Reloads { generation: 1, ..Reloads::default() };
        let scene = watch::Sender::new(Arc::new(scene(&setup, &coins, &reloads, started)));
        let (daemon, clock) = (&setup.config.daemon, &setup.shared.clock);
        let mut doors = doors::local_doors(daemon, &notify, clock).await;
        doors::operators_doors(&mut doors, daemon, clock, &scene.subscribe()).await;
        doors.spawn(watchdog::run(scene.subscribe(), Arc::clone(clock)));
        let running = Self { setup, coins, retiring: Vec::new(), reloads, notify, started, scene, _doors: doors };
        running.show();
        Ok(running)
    }

    /// Shows everybody who looks what runs now.
    pub(super) fn show(&self) {
        self.notify.set(self.coins.iter().map(CoinService::bell).collect());
        self.scene.send_replace(Arc::new(scene(&self.setup, &self.coins, &self.reloads, self.started)));
    }

    /// One line for people.
    pub fn status(&self) -> String {
        let coins = self.coins.iter().map(CoinService::status);
        let taken_over = (self.reloads.generation > 1).then(|| format!("configuration {}", self.reloads.generation));
        let notes = taken_over.into_iter().chain(self.reloads.notes());
        let all: Vec<String> = notes.chain(coins).chain([self.setup.books.status()]).collect();
        // What is told to the service manager is one line.
        all.join("; ").replace(char::is_control, " ")
    }

    /// Writes the bans down, if they have changed.
    pub fn save_bans(&self) {
        self.setup.house.guard.save(&bans_file(&self.setup.config), &*self.setup.shared.clock);
    }

    /// Ends it in order.
    pub async fn finish(self, stop: &watch::Sender<Stop>) {
        let (guard, clock) = (Arc::clone(&self.setup.house.guard), Arc::clone(&self.setup.shared.clock));
        let (bans, hand_over) = (bans_file(&self.setup.config), self.setup.shared.hand_over);
        let coins = self.coins.into_iter().chain(self.retiring).collect();
        stop::finish(coins, self.setup.books, stop, hand_over).await;
        guard.save(&bans, &*clock);
    }
}

fn scene(setup: &Setup, coins: &[CoinService], reloads: &Reloads, started: u64) -> Scene {
    let Setup { config, log, house, shared, books, bell, .. } = setup;
    Scene {
        started,
        clock: Arc::clone(&shared.clock),
        guard: Arc::clone(&house.guard),
        bans: bans_file(config),
        roster: Arc::clone(&house.roster),
        hashers: shared.hashers.clone(),
        log: log.clone(),
        coins: coins.iter().map(CoinService::view).collect(),
        ledgers: books.views(),
        troubles: books.troubles(),
        down: config.coins.iter().filter(|coin| books.of(coin).is_none()).map(|coin| coin.name.clone()).collect(),
        pulses: coins.iter().map(CoinService::pulse).chain(books.pulses()).collect(),
        reload: bell.clone(),
        reloads: reloads.clone(),
    }
}

pub(super) fn random() -> Result<[u8; 44], String> {
    let mut bytes = [0; 44];
    getrandom::fill(&mut bytes).map_err(|problem| format!("the system gives no random numbers: {problem}"))?;
    Ok(bytes)
}
