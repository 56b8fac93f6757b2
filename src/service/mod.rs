//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
mod descriptors;
pub mod desk;
mod fd_store;
mod handover;
mod inherited;
mod jobs;
pub mod left;
pub mod local;
pub mod payout;
pub mod place;
mod ports;
pub mod proof;
mod proposals;
mod remembered;
pub mod run;
pub mod server_note;
pub mod spools;
mod stop;
mod summary;
mod supervisor;
mod watchdog;

pub use spools::spool_dir;
