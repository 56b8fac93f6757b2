//! Where a spool and its database stand towards each other, seen from outside.

use std::fmt;

use crate::config::Mpos;
use crate::ledger::decision::Position;
use crate::ledger::inspect::SpoolFiles;
use crate::ledger::tokens::Tokens;
use crate::mpos::connect;
use crate::mpos::cursor::{self, LEASE_SECS, Standing};
use crate::mpos::limits::{Limits, STATEMENT_TIMEOUT};
use crate::mpos::trouble::words;
use crate::service::{place, server_note};

/// What the database says about the writer of `shares`.
pub(in crate::cli) struct Database {
    /// The cursor's row.
    pub(in crate::cli) standing: Option<Standing>,
    /// The position kept for this spool after another one took over.
    pub(in crate::cli) kept: Option<u64>,
    /// The server that said so.
    pub(in crate::cli) server: String,
    /// Where this spool is at work when it is in its own place.
    pub(in crate::cli) place: String,
    /// This spool wrote the row itself, as far as it knows its tokens.
    pub(in crate::cli) is_own: bool,
}

/// Asks the database, on the server that the daemon writes to if one runs; the text says why it cannot be asked.
pub(in crate::cli) async fn ask(mpos: &Mpos, files: &SpoolFiles) -> Result<Database, String> {
    let in_use = server_note::of_daemon(files);
    let opened = connect::open_any(mpos, in_use.as_deref(), &Limits::default()).await;
    let (mut conn, server) = opened?;
    let spool = files.spool().to_string();
    let read = connect::within(STATEMENT_TIMEOUT, cursor::standing(&mut conn, &spool)).await;
    // Closed by the server anyway if that does not get through.
    let _ = conn.disconnect().await;
    let (standing, kept) = read.map_err(|error| format!("{server}: {}", words(&error)))?;
    let is_own = is_own(files, standing.as_ref())?;
    Ok(Database { standing, kept, server, is_own, place: place::of_spool(files.dir()) })
}

/// Whether the spool wrote the row itself, as far as it knows its tokens.
pub(in crate::cli) fn is_own(files: &SpoolFiles, row: Option<&Standing>) -> Result<bool, String> {
    let Some(row) = row else { return Ok(true) };
    Tokens::knows_in(files.dir(), files.spool(), &row.token).map_err(|error| format!("the spool's tokens: {error}"))
}

/// What keeps the drain from going on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Trouble {
    /// There is no row, though events were stored.
    RowMissing,
    /// The row is behind what was confirmed: the database lost rows.
    Behind(u64),
    /// The row is ahead of what the spool can have sent.
    Ahead(u64),
    /// Another spool is the writer.
    Foreign(Box<Standing>),
    /// A copy of this spool is the writer.
    Copy(Box<Standing>),
    /// A copy of this spool was the writer, or this one was put back from a backup.
    Diverged(Box<Standing>),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::RowMissing => f.write_str("the row of mpos_stratum_cursor is gone, though events were stored"),
            Trouble::Behind(seq) => write!(f, "the database knows events up to {seq} only: it lost rows"),
            Trouble::Ahead(seq) => {
                write!(f, "the database is at event {seq}, which the spool has not sent: the spool is older")
            }
            Trouble::Copy(row) => write!(
                f,
                "a copy of this spool is at work on {} (last sign of life {} s ago), or it was moved from there: stop the \
                 copy, then the lease ends by itself",
                row.host, row.age_secs
            ),
            Trouble::Diverged(row) => write!(
                f,
                "a copy of this spool has written to the database last (up to event {}, on {}), or this one was put back \
                 from an older backup",
                row.position.seq, row.host
            ),
            Trouble::Foreign(row) => write!(
                f,
                "spool {} on host {} is the writer (last sign of life {} s ago)",
                row.position.spool, row.host, row.age_secs
            ),
        }
    }
}

/// Both sides.
pub(in crate::cli) struct Situation {
    /// What an operator has to decide about, if anything can be seen from outside.
    pub(in crate::cli) trouble: Option<Trouble>,
    /// Up to where the database has this spool's events, as far as it says so itself.
    pub(in crate::cli) stored: u64,
    /// The event to send next without sending anything twice; `None`: only the operator can know.
    pub(in crate::cli) next_seq: Option<u64>,
    /// The cursor's row, as it was found.
    pub(in crate::cli) found: Option<Position>,
}

/// Judges as the drain does. `confirmed` is the spool's; beyond `explained_max` it cannot have sent anything.
pub(in crate::cli) fn judge(spool: &str, database: &Database, confirmed: u64, explained_max: u64) -> Situation {
    let kept = database.kept.unwrap_or(0);
    let found = database.standing.as_ref().map(|row| row.position.clone());
    let (stored, trouble) = match &database.standing {
        None => (kept, (confirmed.max(kept) > 0).then_some(Trouble::RowMissing)),
        Some(row) if row.position.spool != spool => {
            let replaceable = row.age_secs >= LEASE_SECS && kept >= confirmed;
            (kept, (!replaceable).then(|| Trouble::Foreign(Box::new(row.clone()))))
        }
        Some(row) if place::are_apart(&row.host, &database.place) && row.age_secs < LEASE_SECS => {
            (row.position.seq, Some(Trouble::Copy(Box::new(row.clone()))))
        }
        Some(row) if row.position.seq < confirmed => (row.position.seq, Some(Trouble::Behind(row.position.seq))),
        Some(row) if row.position.seq > explained_max => (row.position.seq, Some(Trouble::Ahead(row.position.seq))),
        Some(row) if !database.is_own => (row.position.seq, Some(Trouble::Diverged(Box::new(row.clone())))),
        Some(row) => (row.position.seq, None),
    };
    let next_seq = match trouble {
        Some(Trouble::Ahead(_) | Trouble::Copy(_) | Trouble::Diverged(_)) => None,
        _ => Some(stored.max(confirmed) + 1),
    };
    Situation { trouble, stored, next_seq, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(row: Option<(&str, u64, i64)>, kept: Option<u64>) -> Database {
        let standing = row.map(|(spool, seq, age_secs)| Standing {
            position: Position { spool: spool.into(), seq },
            host: "h".into(),
            version: "1".into(),
            age_secs,
            token: "t".into(),
            lease_at: String::new(),
        });
        Database { standing, kept, server: "s".into(), place: "h".into(), is_own: true }
    }

    #[test]
    fn every_state_is_told() {
        let judged = |row, kept, confirmed| {
            let situation = judge("me", &database(row, kept), confirmed, 100);
            (situation.trouble.map(|trouble| trouble.to_string()), situation.stored, situation.next_seq)
        };
        assert_eq!(judged(None, None, 0), (None, 0, Some(1)));
        assert_eq!(judged(Some(("me", 50, 0)), None, 50), (None, 50, Some(51)));
        assert_eq!(judged(Some(("me", 60, 0)), None, 50), (None, 60, Some(61)));
        for (row, kept, confirmed, word, stored, next) in [
            (None, None, 50, "is gone", 0, Some(51)),
            (None, Some(60), 50, "is gone", 60, Some(61)),
            (Some(("me", 40, 0)), None, 50, "up to 40 only", 40, Some(51)),
            (Some(("me", 101, 0)), None, 50, "at event 101", 101, None),
            (Some(("other", 7, 5)), Some(50), 50, "spool other on host h", 50, Some(51)),
            (Some(("other", 7, 500)), Some(40), 50, "spool other on host h", 40, Some(51)),
        ] {
            let (trouble, is_stored, next_seq) = judged(row, kept, confirmed);
            assert!(trouble.as_ref().is_some_and(|text| text.contains(word)), "{trouble:?}");
            assert_eq!((is_stored, next_seq), (stored, next), "{word}");
        }
        assert_eq!(judged(Some(("other", 7, 60)), Some(50), 50).0, None);
        let mut elsewhere = database(Some(("me", 60, 59)), None);
        elsewhere.place = "elsewhere".into();
        let situation = judge("me", &elsewhere, 50, 100);
        assert!(matches!(situation.trouble, Some(Trouble::Copy(_))) && situation.next_seq.is_none());
        // The daemon's place, as a sandbox without /proc/sys makes it, and a command's outside.
        let unsure = |host: &str, place: &str| {
            let mut database = database(Some(("me", 60, 59)), None);
            database.place = place.into();
            database.standing = database.standing.map(|row| Standing { host: host.into(), ..row });
            judge("me", &database, 50, 100).trouble
        };
        assert_eq!(unsure("h?000000000001", "h#000000000002"), None);
        assert!(matches!(unsure("h#000000000001", "h#000000000002"), Some(Trouble::Copy(_))));
        let copied = |seq| Database { is_own: false, ..database(Some(("me", seq, 500)), None) };
        let situation = judge("me", &copied(60), 50, 100);
        assert!(matches!(situation.trouble, Some(Trouble::Diverged(_))) && situation.next_seq.is_none());
        assert!(matches!(judge("me", &copied(40), 50, 100).trouble, Some(Trouble::Behind(40))), "it says more");
    }
}
