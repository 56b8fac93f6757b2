//! The operator's commands, run as a process over real spools and a real database.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

mod support;

#[path = "tools/audit.rs"]
mod audit;
#[path = "tools/blocks.rs"]
mod blocks;
#[path = "tools/decide.rs"]
mod decide;
#[path = "tools/replay.rs"]
mod replay;
#[path = "tools/rig.rs"]
mod rig;
#[path = "tools/spool.rs"]
mod spool;
#[path = "pool/stage.rs"]
#[allow(dead_code, reason = "the pool's tests use the rest of it")]
mod stage;
