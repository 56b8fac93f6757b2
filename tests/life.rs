//! A daemon that is stopped, killed, hung and started again under a service manager that keeps its descriptors:
//! nobody is refused, miners stay connected, no share is lost or counted twice. The manager is made up (systemd
//! itself is part of the package's tests); miners, database and daemon are real.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]
#![allow(dead_code, reason = "of the whole daemon's stage, this crate uses its own part")]

mod support;

#[path = "life/house.rs"]
mod house;
#[path = "life/ports.rs"]
mod ports;
#[path = "life/restarts.rs"]
mod restarts;
#[path = "life/sessions.rs"]
mod sessions;
#[path = "pool/stage.rs"]
mod stage;
#[path = "life/syncing.rs"]
mod syncing;
#[path = "life/tls.rs"]
mod tls;
#[path = "life/watchdog.rs"]
mod watchdog;
