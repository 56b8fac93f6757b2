//! Metrics for Prometheus: text format 0.0.4 by HTTP/1.1, `GET /metrics`. Beside it `GET /healthz`, for balancers and monitors.
//! Nothing else is answered.
//!
//! Names end in their unit (`_total` for what only grows, `_seconds`, `_bytes`). Labels are what the
//! configuration or the program knows: coin, port, node, spool, reason, event, source, window, state, result, direction. Nothing a
//! miner chooses becomes a label, so the number of series is bounded by the configuration.

mod coins;
pub mod http;
mod process;
mod spools;
mod text;

use super::scene::Scene;
use super::status::{crowd, spool_status};
use text::{Kind, Text};

/// Everything there is, as text.
pub fn metrics(scene: &Scene) -> String {
    let mut text = Text::default();
    text.family("mpos_stratum_build_info", Kind::Gauge, "1, with the version of the program.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    text.one("mpos_stratum_start_time_seconds", Kind::Gauge, "Unix time of the start.", whole(scene.started));
    process::tell(&mut text);
    let (ordered, automatic) = scene.guard.ban_counts(scene.clock.monotonic());
    text.family("mpos_stratum_bans", Kind::Gauge, "Bans in force, by who gave them.");
    text.sample(&[("by", "operator")], whole(ordered as u64));
    text.sample(&[("by", "daemon")], whole(automatic as u64));
    text.one(
        "mpos_stratum_start_troubles",
        Kind::Gauge,
        "Spools that could not be used at the start, or that hold shares and belong to no coin.",
        whole(scene.troubles.len() as u64),
    );
    text.one(
        "mpos_stratum_hashes_waiting",
        Kind::Gauge,
        "Shares of algorithms with costly hashes that wait for a hashing thread.",
        whole(scene.hashers.waiting() as u64),
    );
    coins::tell(&mut text, scene, &crowd(&scene.roster));
    let spools: Vec<_> = scene.ledgers.iter().map(|view| (view, spool_status(view))).collect();
    spools::tell(&mut text, &spools);
    text.finish()
}

/// A count as the format has it: a floating-point number, exact up to 2^53.
fn whole(count: u64) -> f64 {
    count as f64
}
