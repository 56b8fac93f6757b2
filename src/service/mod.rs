//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
mod descriptors;
pub mod desk;
mod jobs;
pub mod run;
pub mod server_note;
mod supervisor;

pub use accounts::spool_dir;
