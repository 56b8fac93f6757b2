//! MPOS's database: the only room that speaks SQL.

pub mod audit;
mod beside;
pub mod blocks;
pub mod connect;
pub mod cursor;
pub mod doctor;
pub mod hosts;
pub mod limits;
pub mod login;
pub mod login_proof;
pub mod others;
pub mod own_tokens;
pub mod pool_worker;
pub mod rows;
pub mod schema_check;
pub mod schema_files;
mod session;
pub mod share_sink;
pub mod skew;
pub mod trouble;
pub mod worker_source;
