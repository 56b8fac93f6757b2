//! The status as text.

use std::fmt::{self, Write};

use super::plain;
use crate::cli::quantity::{hash_rate, shown, utc};
use crate::service::status::{CoinStatus, SpoolStatus, Status};

/// Characters of a hash that are shown at either end.
const HASH_SHOWN: usize = 12;

/// The whole status.
pub(super) fn text(status: &Status) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_all(&mut out, status);
    out
}

fn write_all(out: &mut String, status: &Status) -> fmt::Result {
    let up = shown(status.now.saturating_sub(status.started));
    writeln!(out, "mpos-stratum {}, process {}, up {up}, {} UTC", status.version, status.pid, utc(status.now))?;
    writeln!(
        out,
        "{} connections; {} bans by order, {} for misbehaviour; log level {}",
        status.connections, status.bans_ordered, status.bans_automatic, status.log_level
    )?;
    match status.alarms.as_slice() {
        [] => writeln!(out, "No alarms.")?,
        alarms => alarms.iter().try_for_each(|alarm| writeln!(out, "ALARM  {}", plain(alarm)))?,
    }
    for coin in &status.coins {
        writeln!(out)?;
        write_coin(out, coin, status.now)?;
    }
    for spool in &status.spools {
        writeln!(out)?;
        write_spool(out, spool)?;
    }
    Ok(())
}

fn write_coin(out: &mut String, coin: &CoinStatus, now: u64) -> fmt::Result {
    let state = if coin.mining { "mining" } else { "NO WORK" };
    writeln!(out, "{} ({})  {state}", coin.name, coin.algorithm)?;
    match &coin.tip {
        None => writeln!(out, "  tip        none yet")?,
        Some(tip) => writeln!(
            out,
            "  tip        height {}, {} old, on {}; by {} from {}, confirmed {} ago; network difficulty {:.6}",
            tip.height,
            shown(tip.age_secs),
            short(&tip.previous),
            tip.source,
            plain(&tip.node),
            shown(tip.template_age_secs),
            tip.network_difficulty
        )?,
    }
    for (nth, node) in coin.nodes.iter().enumerate() {
        writeln!(out, "  {:<10} {}", if nth == 0 { "nodes" } else { "" }, plain(&node.summary))?;
    }
    writeln!(out, "  new tips   {}", plain(&coin.tip_sources.join(", ")))?;
    let ports: Vec<String> = coin.ports.iter().map(|port| format!("{} on {}", port.connections, port.listen)).collect();
    writeln!(out, "  miners     {} workers on {} connections: {}", coin.workers, coin.connections, ports.join(", "))?;
    let rate = &coin.hashrate;
    writeln!(
        out,
        "  hashrate   {} in 1 min, {} in 5 min, {} in 15 min",
        hash_rate(rate.minute),
        hash_rate(rate.five_minutes),
        hash_rate(rate.quarter_hour)
    )?;
    writeln!(
        out,
        "  MPOS       shows {} (180 s, target_bits {}); by the rows it has now: {}",
        hash_rate(rate.mpos),
        rate.target_bits,
        hash_rate(rate.mpos_now)
    )?;
    let (shares, refused) = (&coin.shares, coin.shares.refused_in_all());
    let percent = 100.0 * fraction(refused, refused + shares.accepted);
    let reasons: Vec<String> = shares.refused.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    writeln!(out, "  shares     {} accepted, {refused} refused ({percent:.2} %){reasons}", shares.accepted)?;
    writeln!(out, "  candidates {}", shares.candidates)?;
    for (nth, block) in coin.blocks.iter().enumerate() {
        writeln!(
            out,
            "  {:<10} {} {} {} ({} confirmations), {}, {} ago",
            if nth == 0 { "blocks" } else { "" },
            block.height,
            short(&block.hash),
            block.state,
            block.confirmations,
            plain(&block.worker),
            shown(now.saturating_sub(block.found))
        )?;
    }
    Ok(())
}

fn write_spool(out: &mut String, spool: &SpoolStatus) -> fmt::Result {
    let reason = if spool.reason.is_empty() { String::new() } else { format!(": {}", plain(&spool.reason)) };
    writeln!(out, "spool {}  drain {}{reason}", spool.name, spool.drain)?;
    writeln!(
        out,
        "  events     written {}, on the disk {}, in database {} {}; {} behind, {} bytes",
        spool.written, spool.synced, spool.database, spool.drained, spool.lag, spool.undrained_bytes
    )?;
    let counts = [
        ("rows in quarantine", spool.quarantined),
        ("refused shares not recorded", spool.unrecorded),
        ("refusals at the bound", spool.refused_at_bound),
        ("refusals by the disk", spool.refused_by_disk),
        ("held in memory", spool.held as u64),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    if told.is_empty() { Ok(()) } else { writeln!(out, "  besides    {}", told.join(", ")) }
}

fn fraction(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        // Counts beyond 2^53 are not met.
        whole => part as f64 / whole as f64,
    }
}

fn short(hash: &str) -> String {
    match (hash.get(..HASH_SHOWN), hash.len().checked_sub(HASH_SHOWN).and_then(|at| hash.get(at..))) {
        (Some(begin), Some(end)) if hash.len() > 2 * HASH_SHOWN => format!("{begin}..{end}"),
        _ => plain(hash),
    }
}
