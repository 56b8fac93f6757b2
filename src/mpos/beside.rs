//! The connection of somebody who works beside the writer of `shares`: reads wherever an answer is to be
//! had, writes only where the shares go. What is written to a replica that takes writes is lost with it,
//! or takes the id of a row that is on its way.

use std::time::Duration;

use mysql_async::{Conn, DriverError, Error};
use tokio::time::Instant;

use super::connect::{self, Host};
use super::hosts::{Hosts, InUse};
use super::limits::Limits;
use super::login::Login;

/// Longest time for one server to take a connection. A look-up has time for more than one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long another server than the one in use is read from before that one is tried again.
const ELSEWHERE_MAX: Duration = Duration::from_secs(10);

/// The servers and the connection to one of them.
pub(super) struct Beside {
    /// The next to be asked is first.
    hosts: Vec<Host>,
    in_use: InUse,
    limits: Limits,
    conn: Option<Open>,
}

/// A connection in order.
pub(super) struct Open {
    pub(super) conn: Conn,
    server: String,
    since: Instant,
}

impl Beside {
    /// Takes the first of `hosts` for the one in use, until it [follows](Beside::follow) a writer.
    pub(super) fn new(hosts: Vec<Host>) -> Self {
        let in_use = Hosts::new(hosts.clone()).in_use();
        let limits = Limits { connect: CONNECT_TIMEOUT, ..Limits::default() };
        Self { hosts, in_use, limits, conn: None }
    }

    /// Connects as that says.
    pub(super) fn log_in_by(&mut self, login: &Login) {
        self.hosts.iter_mut().for_each(|host| host.login = login.clone());
    }

    /// Takes for the one in use what the writer says.
    pub(super) fn follow(&mut self, in_use: InUse) {
        self.in_use = in_use;
        self.in_use.mark_changed();
    }

    /// Keeps a connection that is in order for the next time.
    pub(super) fn keep(&mut self, open: Open) {
        self.conn = Some(open);
    }

    /// The connection that is kept, if it is still good for reading.
    pub(super) fn kept(&mut self) -> Option<Open> {
        // An error only says that the writer is gone, and its word with it.
        if self.in_use.has_changed().unwrap_or(false) {
            self.begin_with_in_use();
        }
        let open = self.conn.take()?;
        let elsewhere = *open.server != **self.in_use.borrow();
        if elsewhere && open.since.elapsed() >= ELSEWHERE_MAX {
            self.begin_with_in_use();
            return None;
        }
        Some(open)
    }

    fn begin_with_in_use(&mut self) {
        let name = self.in_use.borrow_and_update().clone();
        self.hosts.sort_by_key(|host| *host.name != *name);
        self.conn = None;
    }

    /// A new connection for reading, to the server that answered last, else to the next one: the question
    /// after one that ran out of time begins there.
    pub(super) async fn connect(&mut self) -> Result<Open, Error> {
        let mut last = Error::Driver(DriverError::ConnectionClosed);
        for _ in 0..self.hosts.len() {
            let Some(host) = self.hosts.first().cloned() else { break };
            // Counts also if this is dropped while it waits.
            self.hosts.rotate_left(1);
            match connect::open(&host.now(), &self.limits).await {
                Ok(conn) => {
                    self.hosts.rotate_right(1);
                    return Ok(Open { conn, server: host.name, since: Instant::now() });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A connection for writing: to the server in use and to no other.
    pub(super) async fn connect_to_write(&mut self) -> Result<Open, Error> {
        let name = self.in_use.borrow().clone();
        if let Some(open) = self.kept().filter(|open| *open.server == *name) {
            return Ok(open);
        }
        let Some(host) = self.hosts.iter().find(|host| *host.name == *name) else {
            return Err(Error::Driver(DriverError::ConnectionClosed));
        };
        let server = host.name.clone();
        Ok(Open { conn: connect::open(&host.now(), &self.limits).await?, server, since: Instant::now() })
    }
}
