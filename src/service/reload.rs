//! A reload: the file is read and checked as a whole, compared with what is in force, and the difference applied while
//! the miners go on. If anything is wrong with it nothing is changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use super::blocks::Estate;
use super::changing::{NextCoin, prove_new_nodes};
use super::coin::CoinService;
use super::log_file::Opened;
use super::ports::{self, Ports};
use super::reloading::{Outcome, Reloaded};
use super::running::{Running, Setup, random};
use super::{descriptors, logins, supervisor};
use crate::config::change::{self, Change, Plan};
use crate::config::{self, Coin, Config, ConfigError, Port};

/// How long the daemon waits for a spool that is closed.
const CLOSING_MAX: Duration = Duration::from_secs(2);
/// Problems that a refusal names.
const PROBLEMS_MAX: usize = 50;

/// What came of looking at the file: it can be taken over, or not.
pub struct Examined(Result<Examination, String>);

struct Examination {
    plan: Plan,
    ready: Ready,
    warnings: Vec<String>,
}

impl Running {
    /// Reads the configuration again and makes everything ready that it wants. Nothing is changed yet, and whoever has
    /// to stop may drop this at any point. [`Running::take_over`] follows.
    pub async fn examine(&mut self) -> Examined {
        supervisor::reloading(self.setup.shared.clock.monotonic());
        self.reopen_log();
        Examined(self.look_at_file().await)
    }

    /// Opens the log's file again: somebody may have moved it away.
    pub fn reopen_log(&self) {
        if let Err(problem) = self.setup.log.file().reopen() {
            warn!("the log goes on in the file as it was: {problem}");
        }
    }

    async fn look_at_file(&mut self) -> Result<Examination, String> {
        let path = self.setup.path.clone();
        // Files and their owners are looked at.
        let read = tokio::task::spawn_blocking(move || config::load(&path));
        let file = read.await.map_err(|problem| problem.to_string())?.map_err(|error| listed(&error))?;
        let mut warnings: Vec<String> = file.warnings.iter().map(ToString::to_string).collect();
        let plan = change::plan(&self.setup.config, file);
        let (before, after) = (&self.setup.config.coins, &plan.config.coins);
        let logins = logins::prove_new_logins(&self.setup.books, before, after);
        let (nodes, logins) = tokio::try_join!(prove_new_nodes(before, after), logins)?;
        warnings.extend(nodes.into_iter().chain(logins));
        let ready = self.prepare(&plan.config).await.map_err(|reason| with_hint(reason, &plan.changes))?;
        Ok(Examination { plan, ready, warnings })
    }

    /// Takes over what was made ready, or says why not.
    pub async fn take_over(&mut self, Examined(examined): Examined) -> Outcome {
        let outcome = match examined {
            Ok(examination) => Ok(self.carry_out(examination).await),
            Err(reason) => Err(reason),
        };
        match &outcome {
            Ok(Reloaded { generation, applied, restart, .. }) => {
                let (changes, generation) = (applied.len(), *generation);
                info!(generation, changes, waiting_for_a_restart = restart.len(), "configuration taken over");
                self.reloads.generation = generation;
                self.reloads.refused = None;
                self.reloads.restart.clone_from(restart);
            }
            Err(reason) => {
                warn!("reload refused, nothing was changed: {reason}");
                self.reloads.refused = Some(reason.clone());
            }
        }
        self.show();
        supervisor::ready(&self.status());
        outcome
    }

    async fn carry_out(
        &mut self,
        Examination { plan: Plan { changes, config }, ready, warnings }: Examination,
    ) -> Reloaded {
        self.apply(config, ready).await;
        warnings.iter().for_each(|warning| warn!("{warning}"));
        for change in &changes {
            match change.needs_restart() {
                true => warn!("{change}"),
                false => info!("{change}"),
            }
        }
        let (restart, applied): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.needs_restart());
        let words = |changes: Vec<&Change>| -> Vec<String> { changes.into_iter().map(ToString::to_string).collect() };
        let Setup { config, books, .. } = &self.setup;
        let down = config.coins.iter().filter(|coin| books.of(coin).is_none());
        let down =
            down.map(|coin| format!("coin {}: it is down, its spool cannot be used, until a restart", coin.name));
        let restart = words(restart).into_iter().chain(down).collect();
        let generation = self.reloads.generation + 1;
        Reloaded { generation, applied: words(applied), restart, warnings }
    }

    /// Makes everything ready that can fail.
    async fn prepare(&mut self, config: &Config) -> Result<Ready, String> {
        let Setup { config: in_force, house, books, shared, .. } = &mut self.setup;
        let (mut changed, mut bound) = (Vec::new(), Vec::new());
        for coin in &config.coins {
            match self.coins.iter().position(|running| running.coin().name == coin.name) {
                Some(place) => {
                    let Some(running) = self.coins.get(place) else { continue };
                    if !Arc::ptr_eq(coin, running.coin()) {
                        changed.push((place, running.prepare(coin, house)?));
                    }
                }
                // It stays down for its spool, which only a restart opens.
                None if named(&in_force.coins, &coin.name) => {}
                None if self.retiring.iter().any(|retiring| retiring.coin().name == coin.name) => {
                    return Err(format!("coin {} is still being taken down: try again", coin.name));
                }
                None => {
                    let open = |port: &Arc<Port>| {
                        ports::open(&coin.name, port, house).map(|(bound, gate)| (Arc::clone(port), bound, gate))
                    };
                    bound.push((Arc::clone(coin), coin.ports.iter().map(open).collect::<Result<Ports, String>>()?));
                }
            }
        }
        let mut added = Vec::new();
        for (coin, ports) in bound {
            let opened = books.add(&config.daemon.state_dir, &coin, &shared.clock).await;
            let is_new = opened.map_err(|problem| format!("coin {}: {problem}", coin.name))?;
            added.push((coin, ports, is_new, random()?));
        }
        let path = config.daemon.log_file.as_ref().filter(|_| config.daemon.log_file != in_force.daemon.log_file);
        let log_file = path.map(|path| Opened::at(path)).transpose()?;
        Ok(Ready { changed, added, log_file })
    }

    /// Changes what is to be changed. Nothing of it can fail.
    async fn apply(&mut self, config: Config, Ready { changed, added, log_file }: Ready) {
        let Setup { house, books, shared, log, .. } = &self.setup;
        logins::take_over(books, &self.setup.config.coins, &config.coins);
        for (place, next) in changed {
            if let Some(running) = self.coins.get_mut(place) {
                running.change(next, &house.roster).await;
            }
        }
        let (stay, gone) = self.coins.drain(..).partition(|running| named(&config.coins, &running.coin().name));
        self.coins = stay;
        for mut running in Vec::from_iter::<Vec<CoinService>>(gone) {
            running.retire(&house.roster);
            self.retiring.push(running);
        }
        for (coin, ports, is_new, random) in added {
            let (Some(accounts), Some(blocks)) = (books.of(&coin), books.blocks_of(&coin)) else { continue };
            let ledger = Arc::clone(&accounts.ledger);
            let running = CoinService::start(coin, ports, accounts, shared, blocks, (random, None));
            if is_new {
                running.resume(&ledger, Estate::Heir { others: Vec::new() });
            }
            self.coins.push(running);
        }
        let place = |running: &CoinService| config.coins.iter().position(|coin| coin.name == running.coin().name);
        self.coins.sort_by_key(place);
        house.certificates.reload();
        let (old, new) = (&self.setup.config.daemon, &config.daemon);
        if old.connections_max != new.connections_max || old.handshakes != new.handshakes {
            house.change(new, descriptors::connections_max(new.connections_max));
        }
        if old.log_level != new.log_level
            && let Err(problem) = log.set(&new.log_level.to_string())
        {
            warn!(%problem, "the level of the log stays as it is");
        }
        if old.log_file != new.log_file {
            log.file().take(log_file);
        }
        self.setup.books.look_for_strays(&config);
        self.setup.config = config;
        self.tidy().await;
    }

    /// Ends coins that were taken down and are over, and closes the spools that they leave empty.
    pub async fn tidy(&mut self) {
        let mut over = Vec::new();
        for mut running in std::mem::take(&mut self.retiring) {
            match running.is_over() {
                true => over.push(running),
                false => {
                    // Whoever was about to log in when it was taken down goes now.
                    running.retire(&self.setup.house.roster);
                    self.retiring.push(running);
                }
            }
        }
        for running in over {
            let name = running.coin().name.clone();
            running.finish().await;
            info!(coin = name, "the coin is taken down");
        }
        let retiring = self.retiring.iter().map(|running| Arc::clone(running.coin()));
        let used: Vec<Arc<Coin>> = self.setup.config.coins.iter().cloned().chain(retiring).collect();
        let closing = self.setup.books.release(&used);
        if closing.is_empty() {
            return;
        }
        self.show();
        for closed in closing {
            // What takes longer goes on by itself.
            let _ = timeout(CLOSING_MAX, closed).await;
        }
    }
}

/// What is ready to be applied.
struct Ready {
    /// By the place of the running coin.
    changed: Vec<(usize, NextCoin)>,
    /// New coins with their ports, whether their ledger is new, and random bytes for them.
    added: Vec<(Arc<Coin>, Ports, bool, [u8; 44])>,
    /// The log's new file.
    log_file: Option<Opened>,
}

fn named(coins: &[Arc<Coin>], name: &str) -> bool {
    coins.iter().any(|coin| coin.name == name)
}

/// A port that goes may be in the way of one that comes.
fn with_hint(reason: String, changes: &[Change]) -> String {
    match changes.iter().any(|change| matches!(change, Change::PortRemoved { .. } | Change::CoinRemoved { .. })) {
        true => {
            format!("{reason}; if a port that goes is in its way, take that out first and reload, then add the new one")
        }
        false => reason,
    }
}

/// What is wrong with the file, a problem a line.
fn listed(error: &ConfigError) -> String {
    let mut lines: Vec<String> = error.problems.iter().take(PROBLEMS_MAX).map(ToString::to_string).collect();
    let more = error.problems.len().saturating_sub(PROBLEMS_MAX);
    if more > 0 {
        lines.push(format!("and {more} more: `mpos-stratum check` lists them all"));
    }
    lines.join("\n")
}
