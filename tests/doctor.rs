//! `mpos-stratum doctor` on a real database and scripted nodes: the healthy pool gives nothing to say, and of each
//! planted fault exactly its check speaks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise"
)]

mod support;

#[path = "doctor/at_work.rs"]
mod at_work;
#[path = "doctor/catalogue.rs"]
mod catalogue;
#[path = "doctor/coin_node.rs"]
mod coin_node;
#[path = "doctor/machine.rs"]
mod machine;
#[path = "doctor/online.rs"]
mod online;
#[path = "doctor/planted.rs"]
mod planted;
#[path = "doctor/pool.rs"]
mod pool;
#[path = "doctor/server.rs"]
mod server;
#[path = "doctor/ward.rs"]
mod ward;
