//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
mod descriptors;
pub mod desk;
mod jobs;
pub mod local;
pub mod run;
mod summary;
mod supervisor;

pub use accounts::spool_dir;
