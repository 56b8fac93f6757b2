//! The database server: can it be used as it is set up, by us and by MPOS?

use super::report::{Check, Words, fault, note, warning};
use crate::mpos::doctor::Reached;
use crate::mpos::doctor::server::{Connections, Settings, Version};
use crate::mpos::skew::Skew;

pub(super) static REACHABLE: Check = Check {
    id: "db.reachable",
    means: "Shares wait in the spool, and unknown workers cannot log in, until the database answers.",
};
pub(super) static READ_ONLY: Check =
    Check { id: "db.read_only", means: "A replica or a server that takes no writes: shares wait in the spool." };
pub(super) static VERSION: Check =
    Check { id: "db.version", means: "MPOS's own queries do not run, or not safely, on every version." };
pub(super) static SQL_MODE: Check = Check {
    id: "db.sql_mode",
    means: "MPOS's sessions take the server's global mode. With ONLY_FULL_GROUP_BY its payouts end with error 1055 and \
            \"No shares found for block\". Our own sessions set their mode themselves.",
};
pub(super) static TIME_ZONE: Check = Check {
    id: "db.time_zone",
    means: "MPOS's archive keeps local times: where clocks are put forward and back its statistics jump by an hour. Our \
            rows are written in UTC whatever the server does.",
};
pub(super) static CLOCK: Check = Check {
    id: "db.clock",
    means: "MPOS compares the times of shares with the database's clock: hash rates become wrong, beyond 180 s zero, and \
            its last attempts to find a block's share look in the wrong seconds.",
};
pub(super) static CONNECTIONS: Check = Check {
    id: "db.connections",
    means: "At max_connections MPOS's pages, its cron jobs and our look-ups of workers are refused.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 7] = [&REACHABLE, &READ_ONLY, &VERSION, &SQL_MODE, &TIME_ZONE, &CLOCK, &CONNECTIONS];

/// Skew from which on MPOS shows no hash rate at all.
const SKEW_FAULT_MS: u64 = 180_000;

pub(super) fn reachable(servers: &[Reached]) -> Words {
    let any = servers.iter().any(|(_, answer)| answer.is_ok());
    let judge = |(name, answer): &Reached| {
        let why = answer.as_ref().err()?;
        let saw = format!("{name}: {why}");
        let mend = "check that the server runs and listens there, and user and password in [coin.mpos]: \
                    mariadb --host=... --user=... -p";
        Some(if any { warning(saw, mend) } else { fault(saw, mend) })
    };
    servers.iter().filter_map(judge).collect()
}

pub(super) fn read_only(settings: &Settings) -> Words {
    if !settings.read_only {
        return Words::new();
    }
    vec![fault("the server is read-only", "name the primary server in [coin.mpos], or: SET GLOBAL read_only = 0;")]
}

pub(super) fn version(settings: &Settings) -> Words {
    match settings.parsed() {
        None => vec![note(format!("unknown version {:?}", settings.version), "MPOS is known to run on MariaDB 10.11")],
        Some(Version { is_mariadb: false, number }) if number >= (8, 0, 13) => vec![fault(
            format!("MySQL {}", settings.version),
            "from MySQL 8.0.13 on there is no GROUP BY ... DESC, which unmodified MPOS 1.1.0 uses for payouts: move the \
             database to MariaDB, or mend MPOS's queries (share.class.php, roundstats.class.php)",
        )],
        Some(Version { is_mariadb, number })
            if (is_mariadb && number < (10, 2, 4)) || (!is_mariadb && number < (8, 0, 0)) =>
        {
            vec![note(
                format!("version {} forgets AUTO_INCREMENT when it restarts with an empty table", settings.version),
                "we look at every start and refuse to reuse share ids; MariaDB 10.2.4 and later remember",
            )]
        }
        Some(_) => Words::new(),
    }
}

pub(super) fn sql_mode(settings: &Settings) -> Words {
    if settings.has_mode("ONLY_FULL_GROUP_BY") {
        let kept: Vec<&str> =
            settings.sql_mode.split(',').filter(|mode| !mode.eq_ignore_ascii_case("ONLY_FULL_GROUP_BY")).collect();
        // ANSI stands for several modes and puts it in again.
        let kept = kept.into_iter().filter(|mode| *mode != "ANSI").collect::<Vec<_>>().join(",");
        return vec![fault(
            format!("the global sql_mode has ONLY_FULL_GROUP_BY: {}", settings.sql_mode),
            format!("SET GLOBAL sql_mode = '{kept}'; and the same as sql_mode in the server's file, under [mysqld]"),
        )];
    }
    if !settings.has_mode("STRICT_TRANS_TABLES") && !settings.has_mode("STRICT_ALL_TABLES") {
        return vec![note(
            format!("the global sql_mode is not strict: {:?}", settings.sql_mode),
            "MPOS recommends STRICT_TRANS_TABLES; without it its own values are cut off in silence where they do not fit",
        )];
    }
    Words::new()
}

pub(super) fn time_zone(settings: &Settings) -> Words {
    match settings.utc_offset_secs {
        Some(0) => Words::new(),
        Some(offset) => vec![note(
            format!("the server's time zone {} is {} min from UTC at the moment", settings.time_zone, offset / 60),
            "nothing has to be done; a new site does well with default_time_zone = '+00:00'",
        )],
        None => vec![note(
            format!("the server does not know its own time zone {:?}", settings.time_zone),
            "mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql",
        )],
    }
}

pub(super) fn clock(skew: &Option<Skew>) -> Words {
    let Some(skew) = skew else { return Words::new() };
    let secs = skew.ahead_ms.unsigned_abs() / 1000;
    let side = if skew.ahead_ms > 0 { "ahead of" } else { "behind" };
    let saw = format!("this machine's clock is {secs} s {side} the database's");
    let mend = "timedatectl set-ntp true, on the machine whose clock is wrong";
    match skew.ahead_ms.unsigned_abs() > SKEW_FAULT_MS {
        true => vec![fault(saw, mend)],
        false => vec![warning(saw, mend)],
    }
}

pub(super) fn connections(max: u64, connections: &Connections) -> Words {
    let Connections { open, most, refused } = *connections;
    let mend = format!("SET GLOBAL max_connections = {}; and the same in the server's file", max.saturating_mul(2));
    if open.saturating_mul(20) >= max.saturating_mul(19) {
        vec![fault(format!("{open} of {max} connections are open"), mend)]
    } else if open.saturating_mul(5) >= max.saturating_mul(4) {
        vec![warning(format!("{open} of {max} connections are open"), mend)]
    } else if refused > 0 {
        vec![note(
            format!("{refused} connections were refused since the server started; at most {most} of {max} were open"),
            mend,
        )]
    } else {
        Words::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};

    fn settings() -> Settings {
        Settings {
            version: "10.11.6-MariaDB".into(),
            sql_mode: "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION".into(),
            time_zone: "SYSTEM".into(),
            utc_offset_secs: Some(0),
            connections_max: 151,
            read_only: false,
        }
    }

    fn severity(words: &Words) -> Option<Severity> {
        assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()));
        words.iter().map(|word| word.severity).max()
    }

    #[test]
    fn a_usual_server_is_fine_and_each_fault_is_told() {
        let good = settings();
        for words in [read_only(&good), version(&good), sql_mode(&good), time_zone(&good)] {
            assert_eq!(words, Words::new());
        }
        assert_eq!(severity(&read_only(&Settings { read_only: true, ..good.clone() })), Some(Fault));
        for (text, expected) in [
            ("8.0.36", Some(Fault)),
            ("8.0.12", None),
            ("5.7.44-log", Some(Note)),
            ("10.1.48-MariaDB", Some(Note)),
            ("odd", Some(Note)),
        ] {
            assert_eq!(severity(&version(&Settings { version: text.into(), ..good.clone() })), expected, "{text}");
        }
        let grouped = sql_mode(&Settings { sql_mode: "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES".into(), ..good.clone() });
        assert_eq!(severity(&grouped), Some(Fault));
        assert!(grouped[0].mend.starts_with("SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES';"), "{grouped:?}");
        assert_eq!(severity(&sql_mode(&Settings { sql_mode: String::new(), ..good.clone() })), Some(Note));
        for offset in [Some(3600), None] {
            assert_eq!(severity(&time_zone(&Settings { utc_offset_secs: offset, ..good.clone() })), Some(Note));
        }
    }

    #[test]
    fn clocks_and_connections_are_weighed() {
        assert_eq!(clock(&None), Words::new());
        assert_eq!(severity(&clock(&Some(Skew { ahead_ms: -6_000 }))), Some(Warning));
        assert_eq!(severity(&clock(&Some(Skew { ahead_ms: 181_000 }))), Some(Fault));
        for (open, refused, expected) in
            [(10, 0, None), (10, 3, Some(Note)), (80, 0, Some(Warning)), (95, 0, Some(Fault))]
        {
            assert_eq!(severity(&connections(100, &Connections { open, most: open, refused })), expected, "{open}");
        }
    }

    #[test]
    fn a_spare_server_that_is_away_is_no_fault() {
        let server = |name: &str, good: bool| (name.to_owned(), if good { Ok(()) } else { Err("refused".to_owned()) });
        assert_eq!(reachable(&[server("a", true)]), Words::new());
        assert_eq!(severity(&reachable(&[server("a", true), server("b", false)])), Some(Warning));
        assert_eq!(severity(&reachable(&[server("a", false), server("b", false)])), Some(Fault));
    }
}
