//! Conformance to Stratum v1 as the field speaks it, over real sockets. Tests are named after the numbers of
//! the catalogue (w) and of other pools' bugs (b) that they keep out. Numbers that are about more than the protocol
//! are kept where their subject is:
//!
//! | number | where |
//! | --- | --- |
//! | w11, w19, w20, w28, b06, b32 | `transport` |
//! | w13, w14 | `loss/kills.rs`, `pool/life.rs` |
//! | w15, w16, w18, b16 | `pool/finding.rs`, `pool/blocks.rs` (heights from 1 on at a real node), `src/chain/script.rs` |
//! | w17 | `coins/fixtures.rs` |
//! | w23, b08, b09, b25, b26 | `vardiff`, `src/work/vardiff.rs` |
//! | b12, b13, b18 | also `mpos`, `faults` |
//! | b30 | `pool/logs.rs` |
//! | b24 | `tidy`: no file of the daemon starts another program |
//! | w21 | `reload` |
//! | w22 | `life/restarts.rs`; `package` with the real upgrade |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "tests may end at the first surprise; difficulties are compared exactly on purpose; JSON is written where it is passed"
)]

mod support;

#[path = "protocol/bugs.rs"]
mod bugs;
#[path = "protocol/clients.rs"]
mod clients;
#[path = "protocol/conduct.rs"]
mod conduct;
#[path = "protocol/hostile.rs"]
mod hostile;
#[path = "protocol/messages.rs"]
mod messages;
#[path = "protocol/rentals.rs"]
mod rentals;
#[path = "protocol/resume.rs"]
mod resume;
#[path = "protocol/rights.rs"]
mod rights;
#[path = "protocol/shares.rs"]
mod shares;
#[path = "pool/stage.rs"]
#[allow(dead_code, reason = "the stage is the pool tests' own; this crate uses a part of it")]
mod stage;
#[path = "protocol/talk.rs"]
mod talk;
