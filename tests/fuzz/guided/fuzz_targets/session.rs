//! Lives of sessions, with promises kept after every step.
#![no_main]

#[path = "../../drivers.rs"]
mod drivers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drivers::session::check(data));
