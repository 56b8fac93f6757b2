//! The ledger: shares on disk before the miner's answer, in the database exactly once.
//!
//! A spool is a directory: `spool.id` (its identity), `lock`, segments named by their first
//! sequence number, `next.seg` (the one allocated ahead), `confirmed` (the last position the
//! database confirmed, and how far it can be explained) and `quarantine.jsonl` (rows it can never store). The files of `decision` and `replay`
//! are how commands speak to the daemon; `inspect` reads a spool from outside.
//!
//! - `handle` appends: one write under a short mutex gives events their number and second.
//! - `late` and `held` keep a candidate or verdict that the disk refuses in memory, ahead of
//!   everything newer, until it is written.
//! - `sync` is the thread that waits for the disk: fdatasync, a marker behind it, the segment
//!   ahead, removal of old segments.
//! - `drainer` reads what is synced and commits it to a `Sink`, whose own position decides after
//!   every doubt.
//! - `open` and `recovery` read the newest segments after a stop of any kind. Missing numbers
//!   above the last marker are a gap of a power cut and are noted; at or below it they are damage:
//!   the reader stops there, appends go on behind it.
//!
//! Two rules carry the promise: nothing is sent before it is on the disk, so the database is never
//! ahead of the spool; and a number that may have been acknowledged or stored is never given again.

mod appender;
mod codec;
mod confirmed;
mod decide;
pub mod decision;
pub mod drainer;
mod envelope;
pub mod error;
pub mod files;
mod group;
pub mod handle;
pub mod held;
mod identity;
pub mod inspect;
pub mod late;
mod lookup;
pub mod memory_sink;
pub mod mended;
pub mod open;
pub mod overdue;
pub mod pace;
pub mod poison;
pub mod quarantine;
mod queue;
mod reader;
pub mod record;
pub mod recovery;
pub mod replay;
mod scan;
mod segment;
mod segments;
mod shared;
pub mod sink;
pub mod status;
mod sync;
pub mod tokens;
pub mod verify;

pub use drainer::Drainer;
pub use handle::{Ledger, Receipt};
pub use open::Opened;

#[cfg(test)]
pub(crate) mod tests;
