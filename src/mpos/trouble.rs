//! What can go wrong with the database, and what that means for the caller.

use mysql_async::Error;

use crate::ledger::sink::SinkError;

/// Error numbers that speak of a value in a row, so that the same row can never be stored:
/// NULL not allowed (1048), out of range (1264), truncated or not in the enumeration (1265), not a
/// date (1292), not in the character set (1366), too long (1406), a trigger's SIGNAL (1644), a CHECK
/// constraint in MySQL (3819) and in MariaDB (4025).
const ROW_VALUE_ERRORS: [u16; 9] = [1048, 1264, 1265, 1292, 1366, 1406, 1644, 3819, 4025];

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
        _ => Meaning::Unavailable,
    }
}

/// Why a step of the writer failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The database or the way to it.
    #[error("{0}")]
    Sql(#[from] Error),
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
            Meaning::Refused => Trouble::Row(error.to_string()),
            Meaning::Unavailable => Trouble::Sql(error),
        }
    }
}

impl From<Trouble> for SinkError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sql(error) => SinkError::Unavailable(format!("database: {error}")),
            Trouble::NotNow(text) => SinkError::Unavailable(text),
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
        // Duplicate key, no such table or column, no default, denied, lock wait, deadlock, read-only,
        // shutdown, disk full, killed.
        for code in [1062, 1146, 1054, 1364, 1142, 1205, 1213, 1290, 1836, 1053, 1021, 1114, 1317, 1927, 1047] {
            assert_eq!(classify(&server(code, "HY000")), Meaning::Unavailable, "{code}");
        }
        let io = Error::Io(mysql_async::IoError::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert_eq!(classify(&io), Meaning::Unavailable);
    }
}
