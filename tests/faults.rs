//! The way of shares into the database under every fault: a spool on disk, its drainer, the writer and
//! a real MariaDB server behind a line that can be broken anywhere. After each fault the rows must be
//! the acknowledged shares: all of them, once, in order, column by column.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

mod support;

#[path = "faults/bytes.rs"]
mod bytes;
#[path = "faults/events.rs"]
mod events;
#[path = "faults/line.rs"]
mod line;
#[path = "faults/locks.rs"]
mod locks;
#[path = "faults/lookups.rs"]
mod lookups;
#[path = "faults/payouts.rs"]
mod payouts;
#[path = "faults/promptness.rs"]
mod promptness;
#[path = "faults/rates.rs"]
mod rates;
#[path = "faults/rig.rs"]
mod rig;
#[path = "faults/server.rs"]
mod server;
#[path = "faults/tables.rs"]
mod tables;
#[path = "faults/writers.rs"]
mod writers;
