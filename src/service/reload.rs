//! A reload: the file is read and checked as a whole, compared with what is in force, and the difference applied while
//! the miners go on. If anything is wrong with it nothing is changed.

use tracing::{info, warn};

use super::reloading::{Outcome, Reloaded};
use super::running::Running;
use super::{descriptors, supervisor};
use crate::config::change::{self, Change, Plan};
use crate::config::{self, Config, ConfigError};
use crate::stratum::roster::Roster;

/// Connections that are told in one go, under the roster's lock.
const PAGE: usize = 1000;
/// Problems that a refusal names.
const PROBLEMS_MAX: usize = 50;

impl Running {
    /// Reads the configuration again and takes it over, or says why not.
    pub async fn reload(&mut self) -> Outcome {
        supervisor::reloading(self.setup.shared.clock.monotonic());
        let outcome = self.take_over().await;
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

    async fn take_over(&mut self) -> Outcome {
        let path = self.setup.path.clone();
        // Files and their owners are looked at.
        let read = tokio::task::spawn_blocking(move || config::load(&path));
        let file = read.await.map_err(|problem| problem.to_string())?.map_err(|error| listed(&error))?;
        let warnings: Vec<String> = file.warnings.iter().map(ToString::to_string).collect();
        let Plan { changes, config } = change::plan(&self.setup.config, file);
        self.apply(config)?;
        for warning in &warnings {
            warn!("{warning}");
        }
        for change in &changes {
            match change.needs_restart() {
                true => warn!("{change}"),
                false => info!("{change}"),
            }
        }
        let (restart, applied): (Vec<&Change>, Vec<&Change>) =
            changes.iter().partition(|change| change.needs_restart());
        let words = |changes: Vec<&Change>| changes.into_iter().map(ToString::to_string).collect();
        let generation = self.reloads.generation + 1;
        Ok(Reloaded { generation, applied: words(applied), restart: words(restart), warnings })
    }

    /// Makes everything ready that can fail, then changes what is to be changed.
    fn apply(&mut self, config: Config) -> Result<(), String> {
        let house = &self.setup.house;
        let mut ready = Vec::new();
        for (place, running) in self.coins.iter().enumerate() {
            let coin = config.coins.iter().find(|coin| coin.name == running.coin().name);
            if let Some(coin) = coin.filter(|coin| !std::sync::Arc::ptr_eq(coin, running.coin())) {
                ready.push((place, running.prepare(coin, house)?));
            }
        }
        // From here on nothing can fail.
        for (place, next) in ready {
            if let Some(running) = self.coins.get_mut(place) {
                running.change(next);
                call(&house.roster, &running.coin().name);
            }
        }
        house.certificates.reload();
        let (old, new) = (&self.setup.config.daemon, &config.daemon);
        if old.connections_max != new.connections_max || old.handshakes != new.handshakes {
            house.change(new, descriptors::connections_max(new.connections_max));
        }
        if old.log_level != new.log_level
            && let Err(problem) = self.setup.log.set(&new.log_level.to_string().to_lowercase())
        {
            warn!(%problem, "the level of the log stays as it is");
        }
        self.setup.config = config;
        Ok(())
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

/// Tells all connections of a coin that something else holds on their ports now.
fn call(roster: &Roster, coin: &str) {
    let mut after = 0;
    loop {
        let page = roster.page(after, PAGE);
        let Some(last) = page.last() else { return };
        after = last.id;
        page.iter().filter(|entry| *entry.coin == *coin).for_each(|entry| entry.call());
    }
}
