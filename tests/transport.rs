//! Sockets of the whole daemon: TLS, proxies in front, limits per address, visitors that do not speak
//! Stratum, readers that do not read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]

mod support;

#[allow(dead_code, reason = "these tests use their own part of the stage")]
#[path = "pool/stage.rs"]
mod stage;

#[path = "transport/limits.rs"]
mod limits;
#[path = "transport/moving.rs"]
mod moving;
#[path = "transport/proxy.rs"]
mod proxy;
#[path = "transport/readers.rs"]
mod readers;
#[path = "transport/siege.rs"]
mod siege;
#[path = "transport/site.rs"]
mod site;
#[path = "transport/tls.rs"]
mod tls;
#[path = "transport/visitors.rs"]
mod visitors;
