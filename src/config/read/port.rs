//! `[[coin.port]]`

use std::net::SocketAddr;
use std::time::Duration;

use super::profile::EXTRANONCE2_BYTES;
use super::rules;
use super::transport::{self, SharedFiles};
use crate::coin::profile::Profile;
use crate::config::problem::{Place, Report};
use crate::config::section::Section;
use crate::config::value::{difficulty, listen, percent, secs, sized};
use crate::config::{Port, Vardiff};
use crate::difficulty::{Difficulty, mpos_factor};

/// Longest aim between two shares: MPOS calls a worker inactive after 120 s without a share, and one
/// share a minute leaves so long a gap by chance every seventh time.
const TARGET_SECS_MAX: u64 = 60;

/// Least `shares.difficulty` that MPOS's pages do not round to nothing.
const ROW_DIFFICULTY_MIN: f64 = 1e-4;

/// Addresses with their places, read or not otherwise usable ports included.
pub(super) type Listens<'a> = Vec<(SocketAddr, Place<'a>)>;

/// Reads a coin's ports, and besides the addresses they listen on. `None` if one is wrong or there is none.
pub(super) fn read_all<'a>(
    report: &Report,
    coin: &Section<'a>,
    profile: Option<&Profile>,
    tls_files: &SharedFiles,
) -> (Option<Vec<Port>>, Listens<'a>) {
    let sections = coin.tables("port");
    if sections.is_empty() && !coin.has_own("port") {
        let remedy = "add a [[coin.port]] table with `listen = \"0.0.0.0:3333\"` and `difficulty = 16`";
        report.problem(&coin.place("port"), "the coin has no port", remedy);
    }
    let mut listens = Vec::new();
    let ports: Vec<Option<Port>> =
        sections.into_iter().map(|section| read(report, section, profile, tls_files, &mut listens)).collect();
    let ports = ports.into_iter().collect::<Option<Vec<_>>>().filter(|ports| !ports.is_empty());
    (ports, listens)
}

fn read<'a>(
    report: &Report,
    section: Section<'a>,
    profile: Option<&Profile>,
    tls_files: &SharedFiles,
    listens: &mut Listens<'a>,
) -> Option<Port> {
    let listen = section.required("listen", "listen = \"0.0.0.0:3333\"", listen);
    listens.extend(listen.map(|address| (address, section.place("listen"))));
    let start = section.required("difficulty", "difficulty = 16", difficulty);
    let (vardiff, vardiff_is_good) = match section.table_if_any("vardiff") {
        Some(table) => {
            let vardiff = read_vardiff(report, table);
            let is_good = vardiff.is_some();
            (vardiff, is_good)
        }
        None => (None, true),
    };
    if let (Some(start), Some(vardiff)) = (start, &vardiff)
        && !(vardiff.min..=vardiff.max).contains(&start)
    {
        let what = format!("lies outside vardiff's bounds, {} to {}", vardiff.min, vardiff.max);
        report.problem(&section.place("difficulty"), what, "start within the bounds, or widen them");
    }
    if let (Some(profile), Some(least)) = (profile, vardiff.as_ref().map(|vardiff| vardiff.min).or(start)) {
        warn_if_tiny(report, &section, profile, least);
    }
    let extranonce2_bytes = section.optional("extranonce2_bytes", sized(EXTRANONCE2_BYTES));
    let connections_max = section.or("connections_max", "10000", sized(1..=1_000_000));
    let line_bytes_max = section.or("line_bytes_max", "8192", sized(1024..=65_536));
    let subscribe_timeout = section.or("subscribe_timeout_secs", "15", secs(1..=600));
    let idle_timeout = section.or("idle_timeout_secs", "600", secs(1..=86_400));
    let write_timeout = section.or("write_timeout_secs", "10", secs(1..=600));
    // Mining programs give a pool up after 60 to 120 s of silence.
    let keepalive = section.or("keepalive_secs", "50", secs(1..=55));
    let transport = transport::read(&section, tls_files);
    let rules = rules::read(&section);
    section.finish();
    Some(Port {
        listen: listen?,
        difficulty: start?,
        vardiff: vardiff_is_good.then_some(vardiff)?,
        extranonce2_bytes: extranonce2_bytes.or(profile.map(|profile| profile.extranonce2_bytes))?,
        connections_max: connections_max?,
        line_bytes_max: line_bytes_max?,
        subscribe_timeout: subscribe_timeout?,
        idle_timeout: idle_timeout?,
        write_timeout: write_timeout?,
        keepalive: keepalive?,
        transport: transport?,
        rules: rules?,
    })
}

fn read_vardiff(report: &Report, section: Section<'_>) -> Option<Vardiff> {
    let min = section.required("min", "min = 1", difficulty);
    let max = section.required("max", "max = 65536", difficulty);
    let target = section.or("target_secs", "15", secs(1..=3600));
    let retarget = section.or("retarget_secs", "90", secs(1..=3600));
    let variance = section.or("variance_percent", "30", percent);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        report.problem(&section.place("min"), format!("is above max, {max}"), "swap the two");
    }
    if target.is_some_and(|target| target > Duration::from_secs(TARGET_SECS_MAX)) {
        let what = format!(
            "is above {TARGET_SECS_MAX} s: MPOS shows a worker as inactive after 120 s without a share and mails \
             its owner after 600 s, and shares that far apart leave such gaps by chance"
        );
        report.problem(&section.place("target_secs"), what, "choose 15 to 30");
    }
    let steps = rules::steps(&section);
    section.finish();
    rules::vardiff((min, max), (target, retarget), variance, steps)
}

/// Warns if shares at the least difficulty of a port would be worth nothing on MPOS's pages.
fn warn_if_tiny(report: &Report, section: &Section<'_>, profile: &Profile, least: Difficulty) {
    let row = least.get() * mpos_factor(profile.stratum_bits, profile.mpos_bits);
    if row < ROW_DIFFICULTY_MIN {
        let what = format!("stores shares of difficulty {row:e}, which MPOS's pages round to 0");
        report.warning(&section.place("difficulty"), what, "raise the difficulty unless this is a test");
    }
}
