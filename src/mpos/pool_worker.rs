//! The column `pool_worker.difficulty`. MPOS shows it to administrators; only we write it, and only where
//! the operator has not given it to himself to set.

use std::time::Duration;

use mysql_async::Error;
use mysql_async::prelude::Queryable;

use super::beside::{Beside, Open};
use super::connect::{self, ask_first, quoted, within};
use super::hosts::InUse;
use super::login::Login;
use super::trouble::words;
use crate::config::Mpos;
use crate::worker::difficulties::DifficultyStore;
use crate::worker::source::SourceError;

/// Longest time for one statement, connecting again included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The column, with a connection of its own.
pub struct PoolWorkerColumn {
    line: Beside,
    write: String,
    read: String,
}

impl PoolWorkerColumn {
    /// Connects when it is first used.
    pub fn new(mpos: &Mpos) -> Self {
        let workers = quoted(&mpos.workers_database);
        Self {
            line: Beside::new(connect::hosts(mpos)),
            // The name is the stored one; where the unique key is missing, all rows of it are the worker.
            write: format!("UPDATE {workers}.pool_worker SET difficulty = ? WHERE username = ?"),
            // A float's text is rounded; its value as a double is not.
            read: format!("SELECT difficulty + 0e0 FROM {workers}.pool_worker WHERE username = ? LIMIT 1"),
        }
    }

    /// The same, connecting as that says.
    #[must_use]
    pub fn logging_in_by(mut self, login: &Login) -> Self {
        self.line.log_in_by(login);
        self
    }

    /// The same, reading first and writing only where the shares are written.
    #[must_use]
    pub fn following(mut self, in_use: InUse) -> Self {
        self.line.follow(in_use);
        self
    }

    async fn write_on(&mut self, worker: &str, difficulty: f64) -> Result<(), Error> {
        let mut open = self.line.connect_to_write().await?;
        let mut result = open.conn.exec_drop(self.write.as_str(), (difficulty, worker)).await;
        if matches!(&result, Err(error) if error.is_fatal()) {
            // It died since the last time, perhaps a minute ago.
            open = self.line.connect_to_write().await?;
            result = open.conn.exec_drop(self.write.as_str(), (difficulty, worker)).await;
        }
        result?;
        self.line.keep(open);
        Ok(())
    }

    /// The connection that is kept, if it still answers.
    async fn alive(&mut self) -> Option<Open> {
        let mut open = self.line.kept()?;
        open.conn.ping().await.is_ok().then_some(open)
    }

    async fn read_on(&mut self, worker: &str) -> Result<Option<f64>, Error> {
        let mut open = match self.alive().await {
            Some(open) => open,
            None => self.line.connect().await?,
        };
        let stored: Option<(Option<f64>,)> = ask_first(&mut open.conn, &self.read, (worker,)).await?;
        self.line.keep(open);
        Ok(stored.and_then(|(difficulty,)| difficulty).filter(|difficulty| *difficulty > 0.0))
    }
}

impl DifficultyStore for PoolWorkerColumn {
    async fn write(&mut self, worker: &str, difficulty: f64) -> Result<(), SourceError> {
        let result = within(STATEMENT_TIMEOUT, self.write_on(worker, difficulty)).await;
        result.map_err(|error| SourceError(words(&error)))
    }

    async fn read(&mut self, worker: &str) -> Result<Option<f64>, SourceError> {
        let result = within(STATEMENT_TIMEOUT, self.read_on(worker)).await;
        result.map_err(|error| SourceError(words(&error)))
    }
}
