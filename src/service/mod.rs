//! The daemon put together: coins, ledgers, life.

mod accounts;
mod candidate;
mod coin;
mod desk;
mod jobs;
pub mod run;
mod supervisor;

pub use accounts::spool_dir;
