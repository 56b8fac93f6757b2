//! A running daemon takes over a changed configuration, or refuses it, while its miners mine. Daemon, database and
//! miners are real; what must be told apart is asserted in pairs: the good file and the bad one, the port that stays
//! and the one that goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose"
)]
#![allow(dead_code, reason = "of the whole daemon's stage, this crate uses its own part")]

mod support;

#[path = "reload/coins.rs"]
mod coins;
#[path = "reload/files.rs"]
mod files;
#[path = "reload/logins.rs"]
mod logins;
#[path = "reload/nodes.rs"]
mod nodes;
#[path = "reload/ports.rs"]
mod ports;
#[path = "reload/settings.rs"]
mod settings;
#[path = "reload/site.rs"]
mod site;
#[path = "pool/stage.rs"]
mod stage;
