//! The test miner's own arithmetic, without its socket.
#![allow(dead_code, reason = "the drivers need a part of it")]

#[path = "../support/miner/hash.rs"]
pub mod hash;
#[path = "../support/miner/hex.rs"]
pub mod hex;
#[path = "../support/miner/job.rs"]
pub mod job;
#[path = "../support/miner/layout.rs"]
pub mod layout;
#[path = "../support/miner/target.rs"]
pub mod target;

/// A line of the pool that a miner cannot read.
#[derive(Debug)]
pub struct Problem(pub String);

impl Problem {
    pub fn protocol(text: String) -> Self {
        Self(text)
    }
}
