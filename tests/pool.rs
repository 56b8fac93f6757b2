//! The whole daemon from outside: real databases, real coin nodes, miners on real sockets. What a miner
//! was told is compared with the rows that MPOS reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]

mod support;

#[path = "pool/algorithms.rs"]
mod algorithms;
#[path = "pool/blocks.rs"]
mod blocks;
#[path = "pool/coins.rs"]
mod coins;
#[path = "pool/dossiers.rs"]
mod dossiers;
#[path = "pool/finding.rs"]
mod finding;
#[path = "pool/flow.rs"]
mod flow;
#[path = "pool/headers.rs"]
mod headers;
#[path = "pool/junk.rs"]
mod junk;
#[path = "pool/life.rs"]
mod life;
#[path = "pool/logs.rs"]
mod logs;
#[path = "pool/orphans.rs"]
mod orphans;
#[path = "pool/resume.rs"]
mod resume;
#[path = "pool/several_nodes.rs"]
mod several_nodes;
#[path = "pool/shares.rs"]
mod shares;
#[path = "pool/stage.rs"]
mod stage;
#[path = "pool/staked.rs"]
mod staked;
#[path = "pool/stranger.rs"]
mod stranger;
#[path = "pool/told.rs"]
mod told;
#[path = "pool/work.rs"]
mod work;
#[path = "pool/workers.rs"]
mod workers;
