//! What processes that are killed, disks that fail and databases that are dead may not take: shares.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]
#![allow(dead_code, reason = "of the whole daemon's stage, this crate uses its own part")]

mod support;

#[path = "loss/account.rs"]
mod account;
#[path = "loss/crew.rs"]
mod crew;
#[path = "loss/dead.rs"]
mod dead;
#[path = "loss/disk.rs"]
mod disk;
#[path = "loss/kills.rs"]
mod kills;
#[path = "loss/pool.rs"]
mod pool;
#[path = "loss/spool.rs"]
mod spool;
#[path = "pool/stage.rs"]
mod stage;
