//! The ledger: shares on disk before the miner's answer, in the database exactly once.

pub mod record;
pub mod sink;
