//! Connections to MPOS's database: where to, how long anything may take, and the session's own
//! settings, so that nothing depends on how the server is configured.

use std::future::Future;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, Params, Row};

use crate::config::{Endpoint, Mpos};

/// Longest time to connect, log in and set the session up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time one statement may take, beyond [`LOCK_WAIT_SECS`]; then the connection is given up.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for a row lock. MPOS's payout holds locks for seconds; a wait that fails is repeated.
pub const LOCK_WAIT_SECS: u32 = 8;

/// The server ends a session that is silent for so long, so that one whose client is gone does not
/// live on with its locks. Our writer speaks more often than that.
pub const IDLE_SESSION_SECS: u32 = 60;

/// The server ends a transaction that is silent for so long (MariaDB only).
pub const IDLE_TRANSACTION_SECS: u32 = 10;

/// The server ends a session that takes or sends nothing in the middle of a packet for so long.
pub const NET_TIMEOUT_SECS: u32 = 10;

/// Silence after which the operating system asks whether the other side still lives.
const TCP_KEEPALIVE: Duration = Duration::from_secs(10);

/// How to connect to the database of `mpos`, in the schema that holds `shares`.
pub fn opts(mpos: &Mpos) -> Opts {
    let builder = OptsBuilder::default()
        .user(Some(&mpos.user))
        .pass(Some(mpos.password.reveal()))
        .db_name(Some(&mpos.database))
        .tcp_keepalive(Some(TCP_KEEPALIVE))
        // UPDATE counts the rows it found: a row that already is as wanted was found all the same.
        .client_found_rows(true)
        .stmt_cache_size(64)
        // Go where the operator said, not to a socket that the server mentions.
        .prefer_socket(false);
    let builder = match &mpos.endpoint {
        Endpoint::Tcp(host, port) => builder.ip_or_hostname(host.as_str()).tcp_port(*port),
        Endpoint::Socket(path) => builder.socket(Some(path.to_string_lossy())),
    };
    builder.into()
}

/// Opens a connection and makes its session ours.
pub async fn open(opts: &Opts) -> Result<Conn, Error> {
    within(CONNECT_TIMEOUT, async {
        let mut conn = Conn::new(opts.clone()).await?;
        for statement in session_statements() {
            conn.query_drop(statement).await?;
        }
        Ok(conn)
    })
    .await
}

/// What every session of ours is told first. The comments are read by one brand of server only:
/// MariaDB knows a limit for idle transactions, MySQL 8 caches table statistics unless told not to.
fn session_statements() -> [String; 2] {
    let settings = format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
         innodb_lock_wait_timeout = {LOCK_WAIT_SECS}, wait_timeout = {IDLE_SESSION_SECS}, \
         net_read_timeout = {NET_TIMEOUT_SECS}, net_write_timeout = {NET_TIMEOUT_SECS} \
         /*M!100300 , idle_transaction_timeout = {IDLE_TRANSACTION_SECS} */ \
         /*!80003 , information_schema_stats_expiry = 0 */"
    );
    [settings, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ".into()]
}

/// Runs something against the database with an end. When time is up the connection is in the middle
/// of something and must be dropped.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("no answer from the database within {} s", limit.as_secs());
            Err(Error::Io(IoError::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, text))))
        }
    }
}

/// Asks for rows. A column of an unexpected type is an error, where the driver's own conversion
/// would panic.
pub async fn ask<T: FromRow>(conn: &mut Conn, sql: &str, params: impl Into<Params> + Send) -> Result<Vec<T>, Error> {
    let rows: Vec<Row> = conn.exec(sql, params.into()).await?;
    let convert =
        |row| mysql_async::from_row_opt(row).map_err(|error| Error::Driver(DriverError::FromRow { row: error.0 }));
    rows.into_iter().map(convert).collect()
}

/// As [`ask`], for the first row.
pub async fn ask_first<T: FromRow>(
    conn: &mut Conn,
    sql: &str,
    params: impl Into<Params> + Send,
) -> Result<Option<T>, Error> {
    Ok(ask(conn, sql, params).await?.into_iter().next())
}

/// A schema or table name as it may stand in a statement.
pub fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn mpos(endpoint: Endpoint) -> Mpos {
        Mpos {
            endpoint,
            user: "pool".into(),
            password: Secret::new("p@ss:/?#"),
            database: "coin".into(),
            accounts_database: "shared".into(),
            workers_database: "shared".into(),
        }
    }

    #[test]
    fn goes_where_it_is_told() {
        let tcp = opts(&mpos(Endpoint::Tcp("db.example".into(), 3307)));
        assert_eq!((tcp.ip_or_hostname(), tcp.tcp_port(), tcp.socket()), ("db.example", 3307, None));
        assert_eq!((tcp.user(), tcp.pass(), tcp.db_name()), (Some("pool"), Some("p@ss:/?#"), Some("coin")));
        assert!(!tcp.prefer_socket() && tcp.client_found_rows());
        let socket = opts(&mpos(Endpoint::Socket("/run/mysqld/mysqld.sock".into())));
        assert_eq!(socket.socket(), Some("/run/mysqld/mysqld.sock"));
    }

    #[test]
    fn schema_names_cannot_leave_their_quotes() {
        assert_eq!(quoted("pool-ltc"), "`pool-ltc`");
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
