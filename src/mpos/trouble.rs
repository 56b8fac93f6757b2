//! What can go wrong with the database, and what that means for the caller.

use mysql_async::{DriverError, Error, IoError};

use crate::ledger::sink::SinkError;

/// Error numbers that speak of a value in a row, so that the same row can never be stored:
/// NULL not allowed (1048), out of range (1264), truncated or not in the enumeration (1265), not a
/// date (1292), not in the character set (1366), too long (1406), no parent row for a foreign key
/// (1216, 1452), a trigger's SIGNAL (1644), a CHECK constraint in MySQL (3819) and in MariaDB (4025).
const ROW_VALUE_ERRORS: [u16; 11] = [1048, 1216, 1264, 1265, 1292, 1366, 1406, 1452, 1644, 3819, 4025];

/// Two rows with one value in a unique index. In one that an operator added it is the row's value;
/// in the primary key it means that ids have gone back, which is no row's fault.
const DUPLICATE_KEY: u16 = 1062;

/// Error numbers that speak of the whole server, so that another one may do better: no cluster node
/// yet (1047), shutting down (1053), read-only (1290, 1836).
const SERVER_ERRORS: [u16; 4] = [1047, 1053, 1290, 1836];

/// SQLSTATE of a SIGNAL that names no error number of its own.
const STATE_SIGNAL: &str = "45000";

/// What an error of the database means for what was being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing about the rows: wait, connect again, repeat.
    Unavailable,
    /// One of the rows can never be stored.
    Refused,
}

/// Tells errors of row values from everything else.
pub fn classify(error: &Error) -> Meaning {
    match error {
        Error::Server(server) if ROW_VALUE_ERRORS.contains(&server.code) || server.state == STATE_SIGNAL => {
            Meaning::Refused
        }
        Error::Server(server) if server.code == DUPLICATE_KEY && !server.message.contains("PRIMARY'") => {
            Meaning::Refused
        }
        _ => Meaning::Unavailable,
    }
}

/// An error of the database for people: of the way to it only what the system says, which the driver introduces twice.
pub fn words(error: &Error) -> String {
    match error {
        Error::Io(IoError::Io(error)) => error.to_string(),
        other => other.to_string(),
    }
}

/// Why a step of the writer failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The database or the way to it.
    #[error("{}", words(.0))]
    Sql(#[from] Error),
    /// The server may not be written to; another one perhaps.
    #[error("{0}")]
    ReadOnly(String),
    /// The database works but must not be written to now; a later attempt may find it mended.
    #[error("{0}")]
    NotNow(String),
    /// A row was refused for its values.
    #[error("{0}")]
    Row(String),
    /// An operator has to decide.
    #[error("{0}")]
    Stop(String),
}

impl Trouble {
    /// The meaning of an error that a statement with row values gave.
    pub fn of_row(error: Error) -> Self {
        match classify(&error) {
            Meaning::Refused => Trouble::Row(words(&error)),
            Meaning::Unavailable => Trouble::Sql(error),
        }
    }

    /// Whether it is the server itself that cannot work, and not what it says about login, tables or
    /// rows.
    pub fn is_of_the_server(&self) -> bool {
        match self {
            Trouble::Sql(Error::Io(_) | Error::Driver(DriverError::ConnectionClosed)) | Trouble::ReadOnly(_) => true,
            Trouble::Sql(Error::Server(server)) => SERVER_ERRORS.contains(&server.code),
            _ => false,
        }
    }

    /// The same with the server's name in its text.
    #[must_use]
    pub fn at(self, server: &str) -> Self {
        match self {
            Trouble::Row(text) => Trouble::Row(format!("{server}: {text}")),
            Trouble::Stop(text) => Trouble::Stop(format!("{server}: {text}")),
            other => Trouble::NotNow(format!("{server}: {other}")),
        }
    }
}

impl From<Trouble> for SinkError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sql(error) => SinkError::Unavailable(format!("database: {}", words(&error))),
            Trouble::ReadOnly(text) | Trouble::NotNow(text) => SinkError::Unavailable(text),
            Trouble::Row(text) => SinkError::Refused(text),
            Trouble::Stop(text) => SinkError::Stop(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, state: &str) -> Error {
        Error::Server(mysql_async::ServerError { code, state: state.into(), message: "text".into() })
    }

    #[test]
    fn values_are_told_from_everything_else() {
        for code in ROW_VALUE_ERRORS {
            assert_eq!(classify(&server(code, "22001")), Meaning::Refused, "{code}");
        }
        assert_eq!(classify(&server(30_001, "45000")), Meaning::Refused);
        let duplicate = |key: &str| {
            let message = format!("Duplicate entry 'x' for key {key}");
            classify(&Error::Server(mysql_async::ServerError { code: 1062, state: "23000".into(), message }))
        };
        assert_eq!(duplicate("'one_per_second'"), Meaning::Refused);
        assert_eq!(
            (duplicate("'PRIMARY'"), duplicate("'shares.PRIMARY'")),
            (Meaning::Unavailable, Meaning::Unavailable)
        );
        // No such table or column, no default, denied, lock wait, deadlock, read-only,
        // shutdown, disk full, killed.
        for code in [1146, 1054, 1364, 1142, 1205, 1213, 1290, 1836, 1053, 1021, 1114, 1317, 1927, 1047] {
            assert_eq!(classify(&server(code, "HY000")), Meaning::Unavailable, "{code}");
        }
        let io = Error::Io(mysql_async::IoError::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert_eq!(classify(&io), Meaning::Unavailable);
    }

    #[test]
    fn what_the_system_says_is_said_once() {
        let refused = || Error::Io(IoError::Io(std::io::ErrorKind::ConnectionRefused.into()));
        assert_eq!(words(&refused()), "connection refused");
        assert_eq!(Trouble::from(refused()).at("db:3306").to_string(), "db:3306: connection refused");
        assert_eq!(SinkError::from(Trouble::from(refused())).to_string(), "database: connection refused");
        assert!(words(&server(1045, "28000")).contains("ERROR 1045 (28000): text"));
    }

    #[test]
    fn only_a_server_that_cannot_work_is_left_for_another() {
        let io = Error::Io(mysql_async::IoError::Io(std::io::ErrorKind::ConnectionRefused.into()));
        assert!(Trouble::from(io).is_of_the_server());
        assert!(Trouble::ReadOnly("r".into()).is_of_the_server());
        for code in SERVER_ERRORS {
            assert!(Trouble::from(server(code, "HY000")).is_of_the_server(), "{code}");
        }
        // Too many connections, wrong password, no such table, lock wait.
        for code in [1040, 1045, 1146, 1205] {
            assert!(!Trouble::from(server(code, "HY000")).is_of_the_server(), "{code}");
        }
        assert!(!Trouble::Stop("s".into()).is_of_the_server() && !Trouble::NotNow("n".into()).is_of_the_server());
    }
}
