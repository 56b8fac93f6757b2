//! The spools and their drains.

use super::text::{Kind, Text};
use super::whole;
use crate::service::scene::LedgerView;
use crate::service::status::SpoolStatus;

/// Every state a drain may be in.
const DRAIN_STATES: [&str; 6] = ["off", "running", "unavailable", "held", "paused", "stopped"];

/// A family with one sample per spool.
type PerSpool = (&'static str, Kind, &'static str, fn(&LedgerView, &SpoolStatus) -> f64);

const PER_SPOOL: [PerSpool; 13] = [
    (
        "mpos_stratum_spool_written_events_total",
        Kind::Counter,
        "Events written into the spool since it began.",
        |_, it| whole(it.written),
    ),
    ("mpos_stratum_spool_synced_events_total", Kind::Counter, "Of these, events that are on the disk.", |_, it| {
        whole(it.synced)
    }),
    ("mpos_stratum_spool_drained_events_total", Kind::Counter, "Of these, events that the database has.", |_, it| {
        whole(it.drained)
    }),
    ("mpos_stratum_spool_lag_events", Kind::Gauge, "Events that the database has not got.", |_, it| whole(it.lag)),
    ("mpos_stratum_spool_undrained_bytes", Kind::Gauge, "Bytes of events that the database has not got.", |_, it| {
        whole(it.undrained_bytes)
    }),
    (
        "mpos_stratum_spool_quarantined_rows_total",
        Kind::Counter,
        "Rows that the database refused, since the spool began.",
        |_, it| whole(it.quarantined),
    ),
    (
        "mpos_stratum_spool_unrecorded_shares_total",
        Kind::Counter,
        "Refused shares left out near the spool's bound.",
        |_, it| whole(it.unrecorded),
    ),
    (
        "mpos_stratum_spool_bound_refusals_total",
        Kind::Counter,
        "Appends refused because the spool is at its bound.",
        |_, it| whole(it.refused_at_bound),
    ),
    (
        "mpos_stratum_spool_disk_refusals_total",
        Kind::Counter,
        "Appends refused because the disk is full or fails.",
        |_, it| whole(it.refused_by_disk),
    ),
    (
        "mpos_stratum_spool_held_events",
        Kind::Gauge,
        "Candidates and verdicts that wait in memory for the disk.",
        |_, it| whole(it.held as u64),
    ),
    ("mpos_stratum_spool_sync_failing", Kind::Gauge, "1 while fdatasync fails.", |view, _| {
        f64::from(u8::from(view.ledger.status().sync_failed.is_some()))
    }),
    (
        "mpos_stratum_candidates_overdue",
        Kind::Gauge,
        "Block candidates that should be in the database and are not.",
        |view, _| view.ledger.overdue().map_or(0.0, |overdue| whole(overdue.candidates as u64)),
    ),
    (
        "mpos_stratum_clock_skew_seconds",
        Kind::Gauge,
        "By how much this machine's clock is ahead of the database's, where it is more than 5 s.",
        |view, _| view.skew.borrow().map_or(0.0, |skew| skew.ahead_ms as f64 / 1000.0),
    ),
];

pub(super) fn tell(text: &mut Text, spools: &[(&LedgerView, SpoolStatus)]) {
    for (name, kind, help, value) in PER_SPOOL {
        text.family(name, kind, help);
        for (view, status) in spools {
            text.sample(&[("spool", &status.name)], value(view, status));
        }
    }
    text.family(
        "mpos_stratum_drain_transaction_seconds",
        Kind::Histogram,
        "How long the database takes for a transaction with rows.",
    );
    for (view, status) in spools {
        text.histogram(&[("spool", &status.name)], &view.ledger.commits());
    }
    text.family("mpos_stratum_drain_state", Kind::Gauge, "1 for the state that the drain is in.");
    for (_, status) in spools {
        for state in DRAIN_STATES {
            text.sample(&[("spool", &status.name), ("state", state)], f64::from(u8::from(state == status.drain)));
        }
    }
}
