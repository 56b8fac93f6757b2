//! MPOS itself: its version, its cron jobs, its blocks.

use super::report::{Check, Words, fault, note, warning};
use crate::cli::quantity::utc;
use crate::mpos::doctor::pool::{Candidate, Counted, Round, Values, examples};
use crate::mpos::schema_check::UNMATCHED_WARN_SECS;

pub(super) static VERSION: Check = Check {
    id: "mpos.version",
    means: "Before 0.0.8 MPOS counted shares in other units; before 1.0.3 it loses fractions: rounds of coins with low \
            difficulties show 0 shares, and strict servers refuse its statistics.",
};
pub(super) static CRON_DISABLED: Check = Check {
    id: "mpos.cron_disabled",
    means: "MPOS has switched a cron job off after an error. Without findblock no block is booked, without its payout \
            nobody is paid, until an administrator forces it.",
};
pub(super) static CRON_FAILED: Check =
    Check { id: "mpos.cron_failed", means: "The last run of a cron job of MPOS ended with an error." };
pub(super) static CRON_LATE: Check = Check {
    id: "mpos.cron_late",
    means: "A cron job of MPOS does not run any more, or hangs: blocks are not booked, shares are not paid.",
};
pub(super) static MAINTENANCE: Check =
    Check { id: "mpos.maintenance", means: "MPOS is set to maintenance: its users see no pages." };
pub(super) static UNMATCHED: Check = Check {
    id: "mpos.unmatched_blocks",
    means: "MPOS has an old block without a share. Somebody mines or stakes into its wallet beside this pool, or its \
            row is missing; payouts wait for it (E0062).",
};
pub(super) static UNPAID: Check =
    Check { id: "mpos.unpaid_blocks", means: "Blocks have their share, but the payout cron does not pay them." };
pub(super) static PAYOUT_MARK: Check = Check {
    id: "mpos.payout_mark",
    means: "MPOS remembers a later block as paid than there is: a backup was restored. It would refuse to pay (E0015).",
};
pub(super) static LOST_BLOCKS: Check = Check {
    id: "mpos.lost_blocks",
    means: "A block of ours that the node has accepted is not in MPOS's table of blocks: findblock does not run, or the \
            block was paid to a wallet that MPOS does not watch.",
};
pub(super) static PENDING_BLOCKS: Check =
    Check { id: "mpos.pending_blocks", means: "Nobody has said yet what became of a block candidate of ours." };
pub(super) static SHARE_FACTOR: Check = Check {
    id: "mpos.share_factor",
    means: "A round should hold about as many shares as the network's difficulty says. If it is 16 times more or less, \
            the factor between stratum difficulty and MPOS's is wrong: hash rates and PPS payouts with it.",
};
pub(super) static ZERO_ROUNDS: Check = Check {
    id: "mpos.zero_rounds",
    means: "MPOS has booked a block with a round of 0 shares: difficulties are too small for its columns, or the share \
            that it took for the block was the wrong one.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 12] = [
    &VERSION,
    &CRON_DISABLED,
    &CRON_FAILED,
    &CRON_LATE,
    &MAINTENANCE,
    &UNMATCHED,
    &UNPAID,
    &PAYOUT_MARK,
    &LOST_BLOCKS,
    &PENDING_BLOCKS,
    &SHARE_FACTOR,
    &ZERO_ROUNDS,
];

/// The cron jobs that blocks and payouts depend on.
const MONEY_CRONS: [&str; 6] =
    ["findblock", "proportional_payout", "pplns_payout", "pps_payout", "blockupdate", "payouts"];
/// They run every minute; long rounds make them take some.
const LATE_SECS: u64 = 900;
/// So many rounds tell something about the factor.
const ROUNDS_MIN: usize = 8;
/// A factor that is wrong is wrong by a power of two, at least this one.
const FACTOR_OFF: f64 = 16.0;

pub(super) fn version(settings: &Values, is_strict: bool) -> Words {
    let Some(version) = settings.get("DB_VERSION") else {
        return vec![warning(
            "the settings have no DB_VERSION: is this MPOS's database?",
            "name MPOS's database in [coin.mpos]",
        )];
    };
    let mut parts = version.split('.').map(|part| part.trim().parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    let upgrade = "php upgrade/run_upgrades.php, in MPOS's folder";
    match (next(), next(), next()) {
        (Some(major), Some(minor), patch) => match (major, minor, patch.unwrap_or(0)) {
            number if number < (0, 0, 8) => vec![fault(format!("MPOS's database has version {version}"), upgrade)],
            number if number < (1, 0, 3) => {
                let why = if is_strict { "; the server is strict, so its statistics may fail" } else { "" };
                vec![warning(format!("MPOS's database has version {version}{why}"), upgrade)]
            }
            _ => Words::new(),
        },
        _ => vec![note(
            format!("MPOS's database has version {version:?}, which is not known here"),
            "nothing has to be done if MPOS runs",
        )],
    }
}

/// Names of the cron jobs that a suffix of theirs is known of.
fn crons<'a>(monitoring: &'a Values, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    monitoring.iter().filter_map(move |(name, value)| Some((name.strip_suffix(suffix)?, value.trim())))
}

fn message<'a>(monitoring: &'a Values, cron: &str) -> &'a str {
    monitoring.get(&format!("{cron}_message")).map_or("", String::as_str)
}

pub(super) fn cron_disabled(monitoring: &Values) -> Words {
    let disabled = crons(monitoring, "_disabled").filter(|(_, value)| *value == "1");
    disabled
        .map(|(cron, _)| {
            let saw = format!("{cron} is disabled; its last message: {:?}", message(monitoring, cron));
            let mend = format!("mend what the message names, then: php cronjobs/{cron}.php -f");
            if MONEY_CRONS.contains(&cron) { fault(saw, mend) } else { warning(saw, mend) }
        })
        .collect()
}

pub(super) fn cron_failed(monitoring: &Values) -> Words {
    let is_disabled = |cron: &str| monitoring.get(&format!("{cron}_disabled")).is_some_and(|value| value.trim() == "1");
    let failed = crons(monitoring, "_status").filter(|(cron, status)| *status != "0" && !is_disabled(cron));
    failed
        .map(|(cron, status)| {
            let saw = format!("{cron} ended with status {status}: {:?}", message(monitoring, cron));
            warning(saw, format!("php cronjobs/{cron}.php -v shows what it does; MPOS's log is in cronjobs/logs/"))
        })
        .collect()
}

pub(super) fn cron_late(monitoring: &Values, now: u64) -> Words {
    let mut words = Words::new();
    if !monitoring.keys().any(|name| name.starts_with("findblock_")) {
        let mend = "run cronjobs/run-payout.sh, run-statistics.sh and run-maintenance.sh every minute, by cron";
        words.push(note("findblock has never run", mend));
    }
    for (cron, ended) in crons(monitoring, "_endtime") {
        let Some(ended) = ended.parse::<f64>().ok().filter(|ended| *ended > 0.0) else { continue };
        let ended = std::time::Duration::try_from_secs_f64(ended).map_or(0, |since| since.as_secs());
        // Others run hourly or not at all, by the payout system.
        if cron != "findblock" || now.saturating_sub(ended) <= LATE_SECS {
            continue;
        }
        let active = monitoring.get("findblock_active").is_some_and(|value| value.trim() == "1");
        let (saw, mend) = match active {
            true => (
                format!("findblock last ended at {} UTC and is marked as running", utc(ended)),
                "if no process of it runs: php cronjobs/findblock.php -f",
            ),
            false => (
                format!("findblock last ended at {} UTC", utc(ended)),
                "run cronjobs/run-payout.sh every minute, by cron: crontab -l -u of MPOS's user",
            ),
        };
        words.push(warning(saw, mend));
    }
    words
}

pub(super) fn maintenance(settings: &Values) -> Words {
    let is_on = |name: &str| settings.get(name).is_some_and(|value| value.trim() == "1");
    if is_on("maintenance") {
        return vec![warning("the setting maintenance is on", "switch it off in MPOS: Admin Panel, Settings, System")];
    }
    let off = ["disable_ap", "disable_mp"].into_iter().filter(|name| is_on(name)).collect::<Vec<_>>().join(", ");
    if off.is_empty() {
        Words::new()
    } else {
        vec![note(format!("users are not paid out: {off}"), "Admin Panel, Settings, Wallet")]
    }
}

pub(super) fn unmatched(blocks: &Counted) -> Words {
    if blocks.count == 0 {
        return Words::new();
    }
    vec![warning(
        format!(
            "{} blocks older than {} min have no share, from height {} on",
            blocks.count,
            UNMATCHED_WARN_SECS / 60,
            blocks.first_height
        ),
        format!(
            "mpos-stratum audit --block {} says whether it is ours; a staked or solo mined block needs a share_id by hand",
            blocks.first_height
        ),
    )]
}

pub(super) fn unpaid(blocks: &Counted) -> Words {
    if blocks.count == 0 {
        return Words::new();
    }
    let saw =
        format!("{} blocks older than an hour are not accounted, from height {} on", blocks.count, blocks.first_height);
    vec![warning(
        saw,
        "run the payout cron of MPOS's payout_system by hand and look at what it says: php cronjobs/pplns_payout.php -v",
    )]
}

pub(super) fn payout_mark(settings: &Values, last_block_id: u64) -> Words {
    let mark = settings.get("last_accounted_block_id").and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0);
    if mark <= last_block_id {
        return Words::new();
    }
    vec![fault(
        format!("the setting last_accounted_block_id is {mark}, the last block has id {last_block_id}"),
        "UPDATE settings SET value = (SELECT MAX(id) FROM blocks WHERE accounted = 1) WHERE name = 'last_accounted_block_id';",
    )]
}

/// Age of a candidate from which on MPOS or the node should have spoken.
fn is_old(candidate: &&Candidate) -> bool {
    candidate.age_secs > i64::try_from(UNMATCHED_WARN_SECS).unwrap_or(i64::MAX)
}

fn named(candidates: &[&Candidate]) -> String {
    let names: Vec<String> = candidates.iter().map(|block| format!("{} ({})", block.height, block.hash)).collect();
    examples(&names)
}

pub(super) fn lost_blocks(candidates: &[Candidate]) -> Words {
    let is_lost = |candidate: &&Candidate| candidate.verdict == "accepted" && !candidate.booked;
    let lost: Vec<&Candidate> = candidates.iter().filter(is_old).filter(is_lost).collect();
    let Some(first) = lost.first() else { return Words::new() };
    let mend = format!("mpos-stratum audit --block {}; see wallet.payout_owned and mpos.cron_disabled", first.height);
    vec![fault(format!("accepted, but unknown to MPOS: {}", named(&lost)), mend)]
}

pub(super) fn pending_blocks(candidates: &[Candidate]) -> Words {
    let pending: Vec<&Candidate> =
        candidates.iter().filter(is_old).filter(|block| block.verdict == "pending").collect();
    let Some(first) = pending.first() else { return Words::new() };
    let mend = format!(
        "mpos-stratum audit --block {}; it is cleared up when the daemon runs and a node answers",
        first.height
    );
    vec![warning(format!("without a verdict: {}", named(&pending)), mend)]
}

/// `mpos_bits`: log2 of the hashes behind one unit of `shares.difficulty`.
pub(super) fn share_factor(rounds: &[Round], mpos_bits: u8) -> Words {
    let counted: Vec<&Round> = rounds.iter().filter(|round| round.shares > 0.0 && round.difficulty > 0.0).collect();
    if counted.len() < ROUNDS_MIN {
        return Words::new();
    }
    let unit = 2f64.powi(32 - i32::from(mpos_bits));
    let found: f64 = counted.iter().map(|round| round.shares).sum();
    let expected: f64 = counted.iter().map(|round| round.difficulty * unit).sum();
    let ratio = found / expected;
    if ratio < FACTOR_OFF && ratio > 1.0 / FACTOR_OFF {
        return Words::new();
    }
    let power = ratio.log2().round();
    vec![warning(
        format!("the last {} rounds held {:.2e} of the expected shares (2^{power})", counted.len(), ratio),
        "compare stratum_bits and mpos_bits with `algorithm` in MPOS's global.inc.php: mpos-stratum check shows the factor",
    )]
}

pub(super) fn zero_rounds(rounds: &[Round]) -> Words {
    let heights: Vec<u64> = rounds.iter().filter(|round| round.shares <= 0.0).map(|round| round.height).collect();
    if heights.is_empty() {
        return Words::new();
    }
    vec![warning(
        format!("rounds of 0 shares at heights {}", examples(&heights)),
        "see mpos.version and mpos.low_difficulty",
    )]
}

#[cfg(test)]
#[path = "pool/tests.rs"]
mod tests;
