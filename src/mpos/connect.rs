//! Connections to MPOS's database: where to, how long anything may take, and the session's own
//! settings, so that nothing depends on how the server is configured.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, Params, Row, SslOpts};

use super::limits::{IDLE_SESSION_SECS, IDLE_TRANSACTION_SECS, Limits, NET_TIMEOUT_SECS};
use super::login::Login;
use super::trouble::words;
use crate::config::{Endpoint, Mpos};

/// Silence after which the operating system asks whether the other side still lives.
const TCP_KEEPALIVE: Duration = Duration::from_secs(10);

/// A database server and how to connect to it.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its address, for messages.
    pub name: String,
    /// How to connect, in the schema that holds `shares`.
    pub opts: Opts,
    /// As whom, if that has changed since.
    pub login: Login,
}

impl Host {
    /// How to connect now.
    pub fn now(&self) -> Opts {
        self.login.of(&self.opts)
    }
}

/// The servers that may hold the database of `mpos`: the first is the one to begin with, the others
/// are for fail-over.
pub fn hosts(mpos: &Mpos) -> Vec<Host> {
    let host =
        |endpoint: &Endpoint| Host { name: endpoint.to_string(), opts: opts(mpos, endpoint), login: Login::default() };
    std::iter::once(&mpos.endpoint).chain(&mpos.failover).map(host).collect()
}

fn opts(mpos: &Mpos, endpoint: &Endpoint) -> Opts {
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
    let builder = match endpoint {
        Endpoint::Tcp(host, port) => {
            // Only those whom the operator trusts vouch for the server.
            let ssl = |path: &PathBuf| {
                SslOpts::default().with_root_certs(vec![path.clone().into()]).with_disable_built_in_roots(true)
            };
            builder.ip_or_hostname(host.as_str()).tcp_port(*port).ssl_opts(mpos.ca_file.as_ref().map(ssl))
        }
        Endpoint::Socket(path) => builder.socket(Some(path.to_string_lossy())),
    };
    builder.into()
}

/// Opens a connection and makes its session ours.
pub async fn open(opts: &Opts, limits: &Limits) -> Result<Conn, Error> {
    within(limits.connect, async {
        let mut conn = Conn::new(opts.clone()).await?;
        for statement in session_statements(limits.lock_wait_secs) {
            conn.query_drop(statement).await?;
        }
        Ok(conn)
    })
    .await
}

/// Opens a connection for a command that reads: to the first server of `mpos` that answers, beginning
/// with the one named `first` if it is among them. Returns its name too.
///
/// # Errors
/// What became of each of them, with its name.
pub async fn open_any(mpos: &Mpos, first: Option<&str>, limits: &Limits) -> Result<(Conn, String), String> {
    if let Some(why) = mpos.password.why_unread() {
        return Err(format!("not asked: {why}"));
    }
    let mut hosts = hosts(mpos);
    hosts.sort_by_key(|host| Some(host.name.as_str()) != first);
    let mut problems = Vec::new();
    for host in hosts {
        match open(&host.now(), limits).await {
            Ok(conn) => return Ok((conn, host.name)),
            Err(error) => problems.push(format!("{}: {}", host.name, words(&error))),
        }
    }
    Err(problems.join("; "))
}

/// What every session of ours is told first. The comments are read by one brand of server only:
/// MariaDB knows a limit for idle transactions, MySQL 8 caches table statistics unless told not to.
fn session_statements(lock_wait_secs: u32) -> [String; 2] {
    let settings = format!(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
         innodb_lock_wait_timeout = {lock_wait_secs}, wait_timeout = {IDLE_SESSION_SECS}, \
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
            let text = format!("no answer from the database within {} ms", limit.as_millis());
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
            failover: vec![Endpoint::Tcp("second".into(), 3308)],
            ca_file: None,
            allow_myisam: false,
        }
    }

    #[test]
    fn goes_where_it_is_told() {
        let [tcp, second] = &hosts(&mpos(Endpoint::Tcp("db.example".into(), 3307)))[..] else { panic!("not two") };
        let tcp = &tcp.opts;
        assert_eq!((second.name.as_str(), second.opts.tcp_port()), ("second:3308", 3308));
        assert_eq!((tcp.ip_or_hostname(), tcp.tcp_port(), tcp.socket()), ("db.example", 3307, None));
        assert_eq!((tcp.user(), tcp.pass(), tcp.db_name()), (Some("pool"), Some("p@ss:/?#"), Some("coin")));
        assert!(!tcp.prefer_socket() && tcp.client_found_rows());
        assert!(tcp.ssl_opts().is_none());
        let encrypted = Mpos { ca_file: Some("/ca.pem".into()), ..mpos(Endpoint::Tcp("db.example".into(), 3307)) };
        assert!(hosts(&encrypted).iter().all(|host| host.opts.ssl_opts().is_some()), "the others too");
        let socket = &hosts(&mpos(Endpoint::Socket("/run/mysqld/mysqld.sock".into())))[0];
        assert_eq!(socket.opts.socket(), Some("/run/mysqld/mysqld.sock"));
    }

    #[tokio::test]
    async fn whoever_cannot_be_reached_is_named() {
        let at = |port| Endpoint::Tcp("127.0.0.1".into(), port);
        let nowhere = Mpos { failover: vec![at(2)], ..mpos(at(1)) };
        let problem = open_any(&nowhere, Some("127.0.0.1:2"), &Limits::default()).await.map(drop).unwrap_err();
        let refused = "Connection refused (os error 111)";
        assert_eq!(problem, format!("127.0.0.1:2: {refused}; 127.0.0.1:1: {refused}"));
    }

    #[test]
    fn schema_names_cannot_leave_their_quotes() {
        assert_eq!(quoted("pool-ltc"), "`pool-ltc`");
        assert_eq!(quoted("a`b"), "`a``b`");
    }
}
