//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
pub mod control;
mod descriptors;
pub mod desk;
mod doors;
mod fd_store;
mod handover;
mod inherited;
mod jobs;
pub mod left;
pub mod local;
pub mod logging;
mod meter;
pub mod metrics;
pub mod payout;
pub mod place;
mod ports;
pub mod proof;
mod proposals;
mod remembered;
mod reload;
pub mod reloading;
pub mod run;
mod running;
mod scene;
pub mod server_note;
mod serving;
pub mod spools;
pub mod status;
mod stop;
mod summary;
mod supervisor;
mod watchdog;

pub use spools::spool_dir;
