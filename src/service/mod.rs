//! The daemon put together.

pub mod run;
