//! How well the difficulty follows a miner: simulated miners against the estimator, with budgets. `make
//! vardiff` prints the table.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a table is printed; the numbers of a simulation are small, and its moments are compared as they were set"
)]

#[path = "vardiff/budgets.rs"]
mod budgets;
#[path = "vardiff/bugs.rs"]
mod bugs;
#[path = "vardiff/simulation.rs"]
mod simulation;
