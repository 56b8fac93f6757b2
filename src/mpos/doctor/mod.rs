//! What `mpos-stratum doctor` asks the database. It only reads: the session is read-only, each statement
//! ends after [`STATEMENT_SECS`], and big tables are read by their indexes, a bounded number of rows.
//!
//! Every answer stands by itself: what cannot be asked says why, and the others are asked all the same.

pub mod grants;
pub mod ids;
pub mod pool;
pub mod rows;
pub mod server;
pub mod tables;
pub mod workers;

use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Error, Params};

use super::connect::{self, Host, ask, within};
use super::cursor::{self, Standing};
use super::limits::Limits;
use super::trouble::words;
use crate::config::Mpos;

/// The server ends a statement of ours that takes longer.
pub const STATEMENT_SECS: u32 = 5;

/// Longest wait for an answer, the way there and back included.
const ANSWER_MAX: Duration = Duration::from_secs(STATEMENT_SECS as u64 + 3);

/// Most examples that are fetched of one kind; one more tells that there are more.
pub const EXAMPLES_MAX: u32 = 10;

/// Something that was looked at, or why it could not be.
pub type Seen<T> = Result<T, String>;

/// How a server of the list answered.
pub type Reached = (String, Result<(), String>);

/// A read-only connection that is opened anew after it broke.
pub struct Line {
    host: Option<Host>,
    conn: Option<Conn>,
    /// Why nothing can be asked any more.
    away: Option<String>,
}

impl Line {
    /// Tries every server of `mpos`, and goes on with the first that answers, beginning with the one named
    /// `first` if it is among them.
    pub async fn open(mpos: &Mpos, first: Option<&str>) -> (Self, Vec<Reached>) {
        if mpos.password.why_unread().is_some() {
            // Why not is said once, by the check that looks whether it can be reached.
            return (Self { host: None, conn: None, away: Some("not asked: see db.reachable".to_owned()) }, Vec::new());
        }
        let mut hosts = connect::hosts(mpos);
        hosts.sort_by_key(|host| Some(host.name.as_str()) != first);
        let mut reached = Vec::new();
        let mut line = Self { host: None, conn: None, away: Some("no server of the database answers".to_owned()) };
        for host in hosts {
            let opened = open_read_only(&host).await;
            reached.push((host.name.clone(), opened.as_ref().map(|_| ()).map_err(words)));
            if let (None, Ok(conn)) = (&line.conn, opened) {
                line = Self { host: Some(host), conn: Some(conn), away: None };
            }
        }
        (line, reached)
    }

    /// Goes on with a connection that is open.
    pub(super) fn over(host: Host, conn: Conn) -> Self {
        Self { host: Some(host), conn: Some(conn), away: None }
    }

    /// The server that is asked.
    pub fn server(&self) -> &str {
        self.host.as_ref().map_or("", |host| &host.name)
    }

    /// Asks for rows.
    pub async fn ask<T: FromRow>(&mut self, sql: &str, params: impl Into<Params> + Send) -> Seen<Vec<T>> {
        let conn = self.connection().await?;
        let answer = within(ANSWER_MAX, ask(conn, sql, params)).await;
        self.heed(answer)
    }

    /// Asks for one row.
    pub async fn one<T: FromRow>(&mut self, sql: &str, params: impl Into<Params> + Send) -> Seen<T> {
        self.ask(sql, params).await?.into_iter().next().ok_or_else(|| "the database gave no row".to_owned())
    }

    /// The row of the cursor and the position kept for a spool.
    pub async fn standing(&mut self, spool: &str) -> Seen<(Option<Standing>, Option<u64>)> {
        let conn = self.connection().await?;
        let answer = within(ANSWER_MAX, cursor::standing(conn, spool)).await;
        self.heed(answer)
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Some(conn) = self.conn {
            // Closed by the server anyway if that does not get through.
            let _ = conn.disconnect().await;
        }
    }

    async fn connection(&mut self) -> Seen<&mut Conn> {
        if let Some(reason) = &self.away {
            return Err(reason.clone());
        }
        if self.conn.is_none() {
            let Some(host) = &self.host else { return Err("there is no server to ask".to_owned()) };
            match open_read_only(host).await {
                Ok(conn) => self.conn = Some(conn),
                Err(error) => {
                    let reason = format!("{} went away: {}", host.name, words(&error));
                    self.away = Some(reason.clone());
                    return Err(reason);
                }
            }
        }
        self.conn.as_mut().ok_or_else(|| "there is no connection".to_owned())
    }

    /// A connection on which something broke, or which is still in the middle of it, is not used again.
    fn heed<T>(&mut self, answer: Result<T, Error>) -> Seen<T> {
        answer.map_err(|error| {
            if !matches!(error, Error::Server(_)) {
                self.conn = None;
            }
            words(&error)
        })
    }
}

/// A session that the server itself keeps from writing, and whose statements it ends.
async fn open_read_only(host: &Host) -> Result<Conn, Error> {
    let limits = Limits::default();
    let mut conn = connect::open(&host.now(), &limits).await?;
    let bounds = format!(
        "SET SESSION lock_wait_timeout = {STATEMENT_SECS} /*M!100101 , max_statement_time = {STATEMENT_SECS} */ \
         /*!50708 , max_execution_time = {STATEMENT_SECS}000 */"
    );
    within(limits.connect, async {
        conn.query_drop("SET SESSION TRANSACTION READ ONLY").await?;
        conn.query_drop(bounds).await
    })
    .await?;
    Ok(conn)
}
