//! The daemon put together: coins, ledgers, life.

mod accounts;
mod candidate;
mod coin;
mod descriptors;
mod desk;
mod jobs;
pub mod run;
mod supervisor;
