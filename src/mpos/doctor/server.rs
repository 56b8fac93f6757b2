//! What the server says about itself.

use mysql_async::Params;

use super::{Line, Seen};
use crate::clock::Clock;
use crate::mpos::skew::{Skew, difference};

/// Settings of the server, as MPOS's sessions get them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Such as `10.11.6-MariaDB` or `8.0.36`.
    pub version: String,
    /// The mode of sessions that set none, as MPOS's.
    pub sql_mode: String,
    /// The time zone of such sessions.
    pub time_zone: String,
    /// What that zone is from UTC at the moment; `None`: the server does not know the zone.
    pub utc_offset_secs: Option<i64>,
    /// Most connections at once.
    pub connections_max: u64,
    /// Whether it takes no writes.
    pub read_only: bool,
}

/// A brand and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// MariaDB, else MySQL.
    pub is_mariadb: bool,
    /// Major, minor, patch.
    pub number: (u32, u32, u32),
}

impl Settings {
    /// The version as numbers.
    pub fn parsed(&self) -> Option<Version> {
        let is_mariadb = self.version.to_ascii_lowercase().contains("mariadb");
        // Some show themselves as `5.5.5-10.11.6-MariaDB` for the sake of old replicas.
        let text = self.version.strip_prefix("5.5.5-").unwrap_or(&self.version);
        let mut parts = text.split(['.', '-']).map(|part| part.parse::<u32>().ok());
        let number = (parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0));
        Some(Version { is_mariadb, number })
    }

    /// Whether the mode has a word.
    pub fn has_mode(&self, word: &str) -> bool {
        self.sql_mode.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(word))
    }
}

/// How many connections there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Connections {
    /// Now.
    pub open: u64,
    /// The most since the server started.
    pub most: u64,
    /// Refused since then because there were too many.
    pub refused: u64,
}

/// Reads the settings.
pub async fn settings(line: &mut Line) -> Seen<Settings> {
    type Row = (String, String, String, Option<i64>, u64, String, String);
    // As text: newer servers know more values than on and off.
    let sql = "SELECT VERSION(), CAST(@@global.sql_mode AS CHAR), CAST(@@global.time_zone AS CHAR), \
               TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone)), \
               CAST(@@global.max_connections AS UNSIGNED), CAST(@@global.read_only AS CHAR), \
               CAST(@@global.innodb_read_only AS CHAR)";
    let (version, sql_mode, time_zone, utc_offset_secs, connections_max, server, engine): Row =
        line.one(sql, Params::Empty).await?;
    let off = |word: &str| word == "0" || word.eq_ignore_ascii_case("off");
    let read_only = !(off(&server) && off(&engine));
    Ok(Settings { version, sql_mode, time_zone, utc_offset_secs, connections_max, read_only })
}

/// Counts the connections.
pub async fn connections(line: &mut Line) -> Seen<Connections> {
    let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN \
               ('Threads_connected', 'Max_used_connections', 'Connection_errors_max_connections')";
    let rows: Vec<(String, String)> = line.ask(sql, Params::Empty).await?;
    let number = |name: &str| {
        let found = rows.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
    };
    Ok(Connections {
        open: number("Threads_connected"),
        most: number("Max_used_connections"),
        refused: number("Connection_errors_max_connections"),
    })
}

/// Compares the clocks; `None`: they agree as far as the time of the answer lets tell.
pub async fn skew(line: &mut Line, clock: &dyn Clock) -> Seen<Option<Skew>> {
    // The first question opens the connection; only the second one's time counts.
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)";
    let _: u64 = line.one(sql, Params::Empty).await?;
    let (asked_ms, asked) = (clock.unix_ms(), clock.monotonic());
    let theirs: u64 = line.one(sql, Params::Empty).await?;
    Ok(difference(asked_ms, clock.monotonic().saturating_sub(asked), theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_brands_are_read() {
        let settings = |version: &str| Settings {
            version: version.into(),
            sql_mode: "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY".into(),
            time_zone: "SYSTEM".into(),
            utc_offset_secs: None,
            connections_max: 151,
            read_only: false,
        };
        for (text, is_mariadb, number) in [
            ("10.11.6-MariaDB-0+deb12u1", true, (10, 11, 6)),
            ("5.5.5-10.1.48-MariaDB", true, (10, 1, 48)),
            ("8.0.36-0ubuntu0.22.04.1", false, (8, 0, 36)),
            ("5.7.44-log", false, (5, 7, 44)),
        ] {
            assert_eq!(settings(text).parsed(), Some(Version { is_mariadb, number }), "{text}");
        }
        assert_eq!(settings("unknown").parsed(), None);
        assert!(settings("8.0.1").has_mode("only_full_group_by") && !settings("8.0.1").has_mode("GROUP_BY"));
    }
}
