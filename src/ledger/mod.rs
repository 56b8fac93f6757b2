//! The ledger: shares on disk before the miner's answer, in the database exactly once.

mod appender;
mod codec;
mod confirmed;
pub mod drainer;
mod envelope;
pub mod error;
mod group;
pub mod handle;
mod identity;
pub mod memory_sink;
pub mod open;
pub mod quarantine;
mod queue;
mod reader;
pub mod record;
pub mod recovery;
mod scan;
mod segment;
mod segments;
mod shared;
pub mod sink;
pub mod status;
mod sync;

pub use drainer::Drainer;
pub use handle::{Ledger, Receipt};
pub use open::Opened;

#[cfg(test)]
mod tests;
