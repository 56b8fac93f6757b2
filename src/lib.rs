//! mpos-stratum.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::float_cmp,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )
)]

pub mod bytes;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod coin;
pub mod config;
pub mod difficulty;
pub mod exit;
pub mod ledger;
pub mod mpos;
pub mod node;
pub mod pow;
pub mod service;
pub mod stratum;
pub mod work;
pub mod worker;
