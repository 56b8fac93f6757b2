//! Lines that are requests, and others.
#![no_main]

#[path = "../../drivers.rs"]
mod drivers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drivers::request::check(data));
