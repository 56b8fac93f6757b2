//! Headers of proxies, and what is told by first bytes.
#![no_main]

#[path = "../../drivers.rs"]
mod drivers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drivers::proxy::check(data));
