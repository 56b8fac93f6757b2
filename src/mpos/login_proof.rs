//! Whether the database lets somebody in, and with which rights: a changed login is tried before it is used.

use std::fmt;

use mysql_async::Error;

use super::connect;
use super::doctor::Line;
use super::doctor::grants::{Need, granted, missing, needs};
use super::doctor::tables::{ACCOUNTS, OWN, WORKERS};
use super::limits::Limits;
use super::trouble::words;
use crate::config::{Mpos, Workers};

/// Error numbers by which a server says that it does not let this user in, now or later: not into this schema
/// (1044), wrong user or password (1045), not from this machine (1130), an authentication that is not spoken here
/// (1251, 1524) or that wants another user of the operating system (1698), an expired password (1820, 1862), a
/// locked account in MySQL (3118) and in MariaDB (4151).
const REJECTIONS: [u16; 10] = [1044, 1045, 1130, 1251, 1524, 1698, 1820, 1862, 3118, 4151];

/// Why a login is not good, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The server does not let the user in.
    Rejected(String),
    /// It does, but the user may not do what shares and workers need: the statements that mend it.
    Powerless(Vec<String>),
    /// It does, and what is needed at once is allowed, but not everything: the statements that mend it.
    Lacking(Vec<String>),
    /// No server could be asked.
    Unasked(String),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(problem) => write!(f, "the database does not let the user in: {problem}"),
            Self::Powerless(mending) | Self::Lacking(mending) => {
                write!(f, "the database user has not all rights; missing: {}", mending.join(" "))
            }
            Self::Unasked(problem) => {
                write!(f, "the database cannot be asked now whether it lets the user in: {problem}")
            }
        }
    }
}

/// Logs in as `mpos` says and looks what the user may do: at the server named `first` if it answers, else at the
/// next one of the list.
///
/// # Errors
/// What is wrong with the login, or why that cannot be told.
pub async fn prove(mpos: &Mpos, workers: &Workers, first: &str) -> Result<(), Doubt> {
    let mut hosts = connect::hosts(mpos);
    hosts.sort_by_key(|host| host.name != first);
    let mut silent = "no database server is configured".to_owned();
    for host in hosts {
        match connect::open(&host.now(), &Limits::default()).await {
            Ok(conn) => {
                let mut line = Line::over(host, conn);
                let doubt = doubt_of_rights(&mut line, mpos, workers).await;
                line.close().await;
                return doubt;
            }
            Err(Error::Server(error)) if REJECTIONS.contains(&error.code) => {
                return Err(Doubt::Rejected(format!("{}: {error}", host.name)));
            }
            Err(error) => silent = format!("{}: {}", host.name, words(&error)),
        }
    }
    Err(Doubt::Unasked(silent))
}

async fn doubt_of_rights(line: &mut Line, mpos: &Mpos, workers: &Workers) -> Result<(), Doubt> {
    let (user, grants) = granted(line).await.map_err(Doubt::Unasked)?;
    let needs = needs(mpos, workers);
    let lacking = missing(&needs, &grants);
    let mending = || lacking.iter().map(|need| need.statement(&user)).collect();
    match lacking.iter().any(|need| is_needed_at_once(need)) {
        true => Err(Doubt::Powerless(mending())),
        false if lacking.is_empty() => Ok(()),
        false => Err(Doubt::Lacking(mending())),
    }
}

/// Whether no share becomes a row, or nobody is let in, without it.
fn is_needed_at_once(need: &Need) -> bool {
    match need.table.as_str() {
        ACCOUNTS | WORKERS => need.privilege == "SELECT",
        table => table == "shares" || OWN.contains(&table),
    }
}
