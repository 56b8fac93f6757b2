//! The keys of `[[coin.port]]` that say what is asked of its miners and granted to them.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::section::Section;
use crate::config::value::{Wrong, boolean, difficulty, integer, list, number, one_of, secs, sized, text, wrong};
use crate::config::{AgentDifficulty, Grid, JOBS_MAX, Rules, StartFrom, Vardiff, WORKERS_MAX};
use crate::difficulty::Difficulty;

/// Longest part of a mining program's name; no more of the name is kept.
const AGENT_BYTES_MAX: usize = 64;
/// Longest message: what mining programs show of one.
const MESSAGE_BYTES_MAX: usize = 200;
/// What a miner may leave unread: room for some work, and not so much that thousands of them need the machine's memory.
const UNSENT_BYTES: RangeInclusive<u64> = 65_536..=524_288;
/// Most tolerance: what the predecessors allowed for scrypt at the worst.
const TOLERANCE_PERCENT_MAX: f64 = 10.0;

/// Sources of the start difficulty, as they are called in the file.
const SOURCES: [&str; 5] = ["password", "database", "suggested", "remembered", "agent"];

/// Reads the rules out of a port's table.
pub(super) fn read(section: &Section<'_>) -> Option<Rules> {
    let share_tolerance_ppm = section.or("share_tolerance_percent", "0.5", tolerance);
    let stale_grace = section.or("stale_grace_secs", "0", secs(0..=10));
    let race_window = section.or("race_window_secs", "30", secs(0..=120));
    let default = "[\"password\", \"database\", \"suggested\", \"remembered\", \"agent\"]";
    let start_from = section.or("start_difficulty_from", default, start_from);
    let agent_difficulties = section.or("agent_difficulties", "[]", list(agent_difficulty));
    let apply = section.or("apply", "\"now\"", one_of(&[("now", false), ("next_job", true)]));
    let jobs_before_auth = section.or("jobs_before_auth", "true", boolean);
    let authorize_timeout = section.or("authorize_timeout_secs", "60", secs(1..=3600));
    let junk_lines_max = section.or("junk_lines_max", "3", sized(1..=100));
    let failed_logins_max = section.or("failed_logins_max", "3", sized(1..=100));
    let workers_max = section.or("workers_max", "256", sized(1..=WORKERS_MAX as u64));
    let jobs_max = section.or("jobs_max", "16", sized(2..=JOBS_MAX as u64));
    let unsent_bytes_max = section.or("unsent_bytes_max", "262144", sized(UNSENT_BYTES));
    let invalid_percent = section.or("invalid_percent_max", "50", integer(1..=100));
    let invalid_window_shares = section.or("invalid_window_shares", "500", sized(20..=100_000));
    let invalid_window = section.or("invalid_window_secs", "600", secs(10..=86_400));
    let resume_window = section.or("resume_window_secs", "600", secs(0..=3600));
    let reconnect_on_stop = section.or("reconnect_on_stop", "false", boolean);
    let advertise = section.optional("advertise", host_and_port);
    let message = section.optional("message", message);
    let ask_version = section.or("ask_version", "false", boolean);
    Some(Rules {
        share_tolerance_ppm: share_tolerance_ppm?,
        stale_grace: stale_grace?,
        race_window: race_window?,
        start_from: start_from?,
        agent_difficulties: agent_difficulties?,
        apply_at_next_job: apply?,
        jobs_before_auth: jobs_before_auth?,
        authorize_timeout: authorize_timeout?,
        junk_lines_max: junk_lines_max?,
        failed_logins_max: failed_logins_max?,
        workers_max: workers_max?,
        jobs_max: jobs_max?,
        unsent_bytes_max: unsent_bytes_max?,
        invalid_ratio_max: invalid_percent? as f64 / 100.0,
        invalid_window_shares: invalid_window_shares?,
        invalid_window: invalid_window?,
        resume_window: resume_window?,
        reconnect_on_stop: reconnect_on_stop?,
        advertise,
        message,
        ask_version: ask_version?,
    })
}

/// How vardiff steps: the keys of its table beside bounds and times.
pub(super) struct Steps {
    pub(super) max_jump: Option<f64>,
    pub(super) double_steps: bool,
    pub(super) grid: Grid,
}

/// Reads how vardiff steps.
pub(super) fn steps(section: &Section<'_>) -> Option<Steps> {
    let max_jump = section.optional("max_jump_percent", integer(1..=100_000));
    let double_steps = section.or("double_steps", "false", boolean);
    let grids = &[("off", Grid::Off), ("integer", Grid::Integer), ("power_of_two", Grid::PowerOfTwo)];
    let grid = section.or("grid", "\"off\"", one_of(grids));
    Some(Steps {
        max_jump: max_jump.map(|percent| 1.0 + percent as f64 / 100.0),
        double_steps: double_steps?,
        grid: grid?,
    })
}

/// Puts vardiff's settings together.
pub(super) fn vardiff(
    (min, max): (Option<Difficulty>, Option<Difficulty>),
    (target, retarget): (Option<Duration>, Option<Duration>),
    variance: Option<f64>,
    steps: Option<Steps>,
) -> Option<Vardiff> {
    let Steps { max_jump, double_steps, grid } = steps?;
    let (target, retarget, variance) = (target?, retarget?, variance?);
    Some(Vardiff { min: min?, max: max?, target, retarget, variance, max_jump, double_steps, grid })
}

fn tolerance(value: &DeValue<'_>) -> Result<u32, Wrong> {
    let ppm = number(value).filter(|percent| (0.0..=TOLERANCE_PERCENT_MAX).contains(percent));
    match ppm.map(|percent| format!("{:.0}", percent * 10_000.0).parse()) {
        Some(Ok(ppm)) => Ok(ppm),
        _ => wrong(
            format!("is not a percentage from 0 to {TOLERANCE_PERCENT_MAX}"),
            "0.5 is right for nearly all miners; 0 is strict",
        ),
    }
}

fn start_from(value: &DeValue<'_>) -> Result<StartFrom, Wrong> {
    let words = list(text)(value)?;
    if let Some(word) = words.iter().find(|word| !SOURCES.contains(&word.as_str())) {
        return wrong(format!("names {word:?}, which is none"), format!("choose from {}", SOURCES.join(", ")));
    }
    let has = |source: &str| words.iter().any(|word| word == source);
    Ok(StartFrom {
        password: has("password"),
        database: has("database"),
        suggested: has("suggested"),
        remembered: has("remembered"),
        agent: has("agent"),
    })
}

fn agent_difficulty(value: &DeValue<'_>) -> Result<AgentDifficulty, Wrong> {
    const REMEDY: &str = "write { agent = \"NiceHash\", difficulty = 500000, least = true }";
    let Some(table) = value.as_table() else { return wrong("has an item that is not a table", REMEDY) };
    let known = ["agent", "difficulty", "least"];
    if table.iter().any(|(key, _)| !known.contains(&&**key.get_ref())) {
        return wrong("has an item with other keys than agent, difficulty and least", REMEDY);
    }
    let (Some(agent), Some(start)) = (table.get("agent"), table.get("difficulty")) else {
        return wrong("has an item without agent or difficulty", REMEDY);
    };
    let agent = text(agent.get_ref())?.to_lowercase();
    if agent.is_empty() || agent.len() > AGENT_BYTES_MAX {
        return wrong("has an item whose agent is empty or too long", REMEDY);
    }
    let least = table.get("least").map_or(Ok(false), |least| boolean(least.get_ref()))?;
    Ok(AgentDifficulty { agent, difficulty: difficulty(start.get_ref())?, least })
}

fn message(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.is_empty() || text.len() > MESSAGE_BYTES_MAX || !text.bytes().all(plain) {
        let remedy = format!("use up to {MESSAGE_BYTES_MAX} printable ASCII characters, no quotes or backslashes");
        return wrong("cannot be shown by mining programs", remedy);
    }
    Ok(text)
}

fn host_and_port(value: &DeValue<'_>) -> Result<(String, u16), Wrong> {
    let address = text(value)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let parts = address.rsplit_once(':').filter(|(host, _)| !host.is_empty() && host.bytes().all(letter));
    match parts.map(|(host, port)| (host.to_owned(), port.parse())) {
        Some((host, Ok(port))) if port > 0 => Ok((host, port)),
        _ => wrong("is not a host with a port", "write for example \"pool.example.org:3333\""),
    }
}
