//! Lines of any bytes in any pieces.
#![no_main]

#[path = "../../drivers.rs"]
mod drivers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| drivers::codec::check(data));
