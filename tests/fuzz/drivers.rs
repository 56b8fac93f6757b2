//! What a fuzzer drives: one function per target, from any bytes to a panic if a promise is broken. The same
//! functions serve the seeded test of `tests/fuzz.rs` and the coverage-guided targets of `tests/fuzz/guided`.
#![allow(dead_code, reason = "each target of `tests/fuzz/guided` drives one of them")]

pub mod codec;
mod json;
mod miner;
pub mod proxy;
pub mod request;
pub mod session;
mod tape;
