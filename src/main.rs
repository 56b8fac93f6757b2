//! The `mpos-stratum` binary.

fn main() {}
