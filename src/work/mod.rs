//! From template to judged share: pure functions and values, no I/O and no runtime.

pub mod bar;
pub mod board;
pub mod duplicates;
pub mod extranonce;
pub mod job;
pub mod outputs;
pub mod reject;
pub mod share;
pub mod template;
pub mod vardiff;
