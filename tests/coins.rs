//! Coins and their quirks: what templates demand, who is paid, and profiles held against real chains.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "tests may end at the first surprise; facts are written down where they are used"
)]

mod support;

#[path = "coins/blocks.rs"]
mod blocks;
#[path = "coins/fixtures.rs"]
mod fixtures;
#[path = "coins/fuzzed.rs"]
mod fuzzed;
#[path = "coins/fuzzing.rs"]
#[allow(dead_code, reason = "shared with the tests of a current Bitcoin Core")]
mod fuzzing;
#[path = "coins/judged.rs"]
mod judged;
#[path = "coins/profiles.rs"]
mod profiles;
#[path = "coins/reader.rs"]
mod reader;
#[path = "coins/spender.rs"]
mod spender;
#[path = "pool/stage.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole daemon, which use more of it")]
mod stage;
