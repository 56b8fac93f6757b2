//! What operators ask of the running daemon: the control socket, the commands that use it, the metrics.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may end at the first surprise")]

mod support;

#[path = "control/bounds.rs"]
mod bounds;
#[path = "control/commands.rs"]
mod commands;
#[path = "control/metrics.rs"]
mod metrics;
#[path = "control/office.rs"]
mod office;
#[path = "pool/stage.rs"]
#[allow(dead_code, reason = "the stage of the pool's tests; these use a part of it")]
mod stage;
#[path = "control/status.rs"]
mod status;
