//! Workers and accounts as MPOS stores them. They may be in other schemas than the shares: MPOS can
//! share both between several coins.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::beside::{Beside, Open};
use super::connect::{self, ask, ask_first, quoted, within};
use super::hosts::InUse;
use super::login::Login;
use super::trouble::words;
use crate::config::Mpos;
use crate::worker::source::{Found, SourceError, StoredAccount, StoredWorker, WorkerSource};

/// Longest time for one look-up, connecting again included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// Error number of a row whose key exists already.
const DUPLICATE_KEY: u16 = 1062;

/// Looks workers up in `pool_worker` and `accounts`, with a connection of its own: to the server that
/// the shares are written to, or for reading to another one that answers.
pub struct PoolWorkers {
    line: Beside,
    find_worker: String,
    find_account: String,
    create_worker: String,
}

impl PoolWorkers {
    /// Connects when it is first asked.
    pub fn new(mpos: &Mpos) -> Self {
        let workers = quoted(&mpos.workers_database);
        let accounts = quoted(&mpos.accounts_database);
        Self {
            line: Beside::new(connect::hosts(mpos)),
            // More than one only where the unique key is missing; then the exact spelling goes first. The last
            // column tells whether the table's own comparison takes capital and small letters for the same.
            find_worker: format!(
                "SELECT username, password, LOWER(username) = UPPER(username) FROM {workers}.pool_worker \
                 WHERE username = ? LIMIT 8"
            ),
            find_account: format!("SELECT id, username, is_locked FROM {accounts}.accounts WHERE username = ? LIMIT 1"),
            create_worker: format!(
                "INSERT INTO {workers}.pool_worker (account_id, username, password) VALUES (?, ?, ?)"
            ),
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

    /// Finds a worker, on a new connection if the old one has died meanwhile.
    async fn look_up(&mut self, name: &str) -> Result<Found, Error> {
        if let Some(open) = self.line.kept() {
            match self.look_up_on(open, name).await {
                Err(error) if error.is_fatal() => {}
                result => return result,
            }
        }
        let open = self.line.connect().await?;
        self.look_up_on(open, name).await
    }

    /// Finds a worker; the connection is kept only if it is in order.
    async fn look_up_on(&mut self, mut open: Open, name: &str) -> Result<Found, Error> {
        let found = self.find_in(&mut open.conn, name).await?;
        self.line.keep(open);
        Ok(found)
    }

    async fn find_in(&self, conn: &mut Conn, name: &str) -> Result<Found, Error> {
        type Row = (String, Option<String>, bool);
        let workers: Vec<Row> = ask(conn, &self.find_worker, (name,)).await?;
        let is_only = workers.len() == 1;
        let exact = workers.iter().position(|(stored, ..)| stored == name).unwrap_or(0);
        let worker = workers.into_iter().nth(exact);
        // MPOS credits the text before the first dot of the stored name, whatever `account_id` says.
        let credited = worker.as_ref().map_or(name, |(stored, ..)| stored.as_str());
        let account = credited.split('.').next().unwrap_or_default().to_owned();
        let account: Option<(i64, String, i64)> = ask_first(conn, &self.find_account, (account,)).await?;
        let Some((id, account_name, locked)) = account else { return Ok(Found::Nothing) };
        // MPOS knows 0, 1 and 2; anything else counts as MPOS counts it: not 2, so not locked out.
        let locked = u8::try_from(locked).unwrap_or(1);
        Ok(match worker {
            Some((name, password, folds)) => {
                Found::Worker(StoredWorker { name, password, locked, folds_case: folds && is_only })
            }
            None => Found::OnlyAccount(StoredAccount { id, name: account_name, locked }),
        })
    }

    async fn insert(&mut self, account: &StoredAccount, name: &str, password: &str) -> Result<(), Error> {
        let mut open = self.line.connect_to_write().await?;
        let result = open.conn.exec_drop(self.create_worker.as_str(), (account.id, name, password)).await;
        if !matches!(&result, Err(error) if error.is_fatal()) {
            self.line.keep(open);
        }
        match result {
            Err(Error::Server(error)) if error.code == DUPLICATE_KEY => Ok(()),
            other => other,
        }
    }
}

impl WorkerSource for PoolWorkers {
    async fn find(&mut self, name: &str) -> Result<Found, SourceError> {
        within(LOOKUP_TIMEOUT, self.look_up(name)).await.map_err(|error| SourceError(words(&error)))
    }

    async fn create(
        &mut self,
        account: &StoredAccount,
        name: &str,
        password: &str,
    ) -> Result<StoredWorker, SourceError> {
        within(LOOKUP_TIMEOUT, self.insert(account, name, password))
            .await
            .map_err(|error| SourceError(words(&error)))?;
        // Read back: another process may have been faster, and the column may have changed the text.
        match self.find(name).await? {
            Found::Worker(worker) => Ok(worker),
            _ => Err(SourceError("a worker that was stored a moment ago is not there".into())),
        }
    }
}
