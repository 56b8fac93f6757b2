//! What integration tests, the demo and the bench share.
#![allow(dead_code, reason = "every program uses its own part of the support")]

pub mod bcoin;
pub mod bitcoind;
pub mod daemon;
pub mod disk;
pub mod fake_manager;
pub mod fake_node;
pub mod fault_proxy;
pub mod litecoind;
pub mod mariadb;
pub mod miner;
pub mod ports;
pub mod scripted_node;
pub mod spool;
