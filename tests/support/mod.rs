// Every test program uses its own part of the support.
#![allow(dead_code)]

pub mod bcoin;
pub mod fake_node;
pub mod litecoind;
pub mod ports;
