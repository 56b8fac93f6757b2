//! The column `pool_worker.difficulty`. MPOS shows it to administrators; only we write it, and only where
//! the operator has not given it to himself to set.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts};

use super::connect::{self, ask_first, quoted, within};
use crate::config::Mpos;
use crate::worker::difficulties::DifficultyStore;
use crate::worker::source::SourceError;

/// Longest time for one statement, connecting again included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The column, with a connection of its own.
pub struct PoolWorkerColumn {
    opts: Opts,
    conn: Option<Conn>,
    write: String,
    read: String,
}

impl PoolWorkerColumn {
    /// Connects when it is first used.
    pub fn new(mpos: &Mpos) -> Self {
        let workers = quoted(&mpos.workers_database);
        Self {
            opts: connect::opts(mpos),
            conn: None,
            // The name is the stored one; where the unique key is missing, all rows of it are the worker.
            write: format!("UPDATE {workers}.pool_worker SET difficulty = ? WHERE username = ?"),
            // A float's text is rounded; its value as a double is not.
            read: format!("SELECT difficulty + 0e0 FROM {workers}.pool_worker WHERE username = ? LIMIT 1"),
        }
    }

    async fn write_on(&mut self, worker: &str, difficulty: f64) -> Result<(), Error> {
        let mut conn = self.connection().await?;
        conn.exec_drop(self.write.as_str(), (difficulty, worker)).await?;
        self.conn = Some(conn);
        Ok(())
    }

    async fn read_on(&mut self, worker: &str) -> Result<Option<f64>, Error> {
        let mut conn = self.connection().await?;
        let stored: Option<(Option<f64>,)> = ask_first(&mut conn, &self.read, (worker,)).await?;
        self.conn = Some(conn);
        Ok(stored.and_then(|(difficulty,)| difficulty).filter(|difficulty| *difficulty > 0.0))
    }

    /// The connection that is left, or a new one. It is put back only if it is in order.
    async fn connection(&mut self) -> Result<Conn, Error> {
        if let Some(mut conn) = self.conn.take()
            && conn.ping().await.is_ok()
        {
            return Ok(conn);
        }
        connect::open(&self.opts).await
    }
}

impl DifficultyStore for PoolWorkerColumn {
    async fn write(&mut self, worker: &str, difficulty: f64) -> Result<(), SourceError> {
        within(STATEMENT_TIMEOUT, self.write_on(worker, difficulty)).await.map_err(|error| text(&error))
    }

    async fn read(&mut self, worker: &str) -> Result<Option<f64>, SourceError> {
        within(STATEMENT_TIMEOUT, self.read_on(worker)).await.map_err(|error| text(&error))
    }
}

fn text(error: &Error) -> SourceError {
    SourceError(error.to_string())
}
