//! The daemon put together: coins, ledgers, life.

mod accounts;
pub mod blocks;
mod coin;
mod descriptors;
pub mod desk;
mod jobs;
pub mod left;
pub mod local;
pub mod payout;
pub mod place;
pub mod proof;
mod proposals;
mod remembered;
pub mod run;
pub mod server_note;
pub mod spools;
mod summary;
mod supervisor;

pub use spools::spool_dir;
