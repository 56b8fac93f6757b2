//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
pub mod desk;
mod jobs;
pub mod run;
mod supervisor;
