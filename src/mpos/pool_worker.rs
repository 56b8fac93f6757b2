//! The column `pool_worker.difficulty`. MPOS shows it to administrators; only we write it, and only where
//! the operator has not given it to himself to set.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error};

use super::connect::{self, Host, ask_first, quoted, within};
use super::limits::Limits;
use crate::config::Mpos;
use crate::worker::difficulties::DifficultyStore;
use crate::worker::source::SourceError;

/// Longest time for one statement, connecting again included.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);

/// The column, with a connection of its own.
pub struct PoolWorkerColumn {
    /// The one in use is first. After any failure the next one is tried: it may be away, or take no
    /// writes.
    hosts: Vec<Host>,
    limits: Limits,
    conn: Option<Conn>,
    write: String,
    read: String,
}

impl PoolWorkerColumn {
    /// Connects when it is first used.
    pub fn new(mpos: &Mpos) -> Self {
        let workers = quoted(&mpos.workers_database);
        Self {
            hosts: connect::hosts(mpos),
            limits: Limits::default(),
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
        match self.hosts.first() {
            Some(host) => connect::open(&host.opts, &self.limits).await,
            None => Err(Error::Driver(DriverError::ConnectionClosed)),
        }
    }

    /// What became of a statement, for the caller.
    fn done<T>(&mut self, result: Result<T, Error>) -> Result<T, SourceError> {
        result.map_err(|error| {
            self.conn = None;
            if !self.hosts.is_empty() {
                self.hosts.rotate_left(1);
            }
            SourceError(error.to_string())
        })
    }
}

impl DifficultyStore for PoolWorkerColumn {
    async fn write(&mut self, worker: &str, difficulty: f64) -> Result<(), SourceError> {
        let result = within(STATEMENT_TIMEOUT, self.write_on(worker, difficulty)).await;
        self.done(result)
    }

    async fn read(&mut self, worker: &str) -> Result<Option<f64>, SourceError> {
        let result = within(STATEMENT_TIMEOUT, self.read_on(worker)).await;
        self.done(result)
    }
}
