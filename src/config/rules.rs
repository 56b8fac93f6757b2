//! What a port asks of its miners and grants them, beyond where it listens and how hard its work is.

use std::time::Duration;

use crate::difficulty::Difficulty;

/// Workers that may be logged in on a connection, at most.
pub const WORKERS_MAX: usize = 256;
/// Jobs that a connection may have, at most.
pub const JOBS_MAX: usize = 16;

/// Rules of a port.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// How far above its target a hash may lie and still count, parts per million of the target.
    pub share_tolerance_ppm: u32,
    /// For so long after a new tip shares of the previous one still count.
    pub stale_grace: Duration,
    /// For so long after a reduction of the difficulty shares of older jobs are judged by the lower one.
    pub race_window: Duration,
    /// Which wishes and memories may set the difficulty a connection starts with.
    pub start_from: StartFrom,
    /// Difficulties of mining programs.
    pub agent_difficulties: Vec<AgentDifficulty>,
    /// Whether a changed difficulty waits for the next job instead of coming with one of its own.
    pub apply_at_next_job: bool,
    /// Whether a subscribed miner gets work before it is authorised.
    pub jobs_before_auth: bool,
    /// A connection without an authorised worker is closed so long after it has subscribed.
    pub authorize_timeout: Duration,
    /// Lines in a row that are no requests; at this many the connection is closed.
    pub junk_lines_max: u8,
    /// Logins of a connection that may fail within a minute before it has to pause, beside one for each worker it has.
    pub failed_logins_max: u32,
    /// Workers that may be logged in on a connection.
    pub workers_max: usize,
    /// Jobs of a connection whose shares are taken; the oldest is forgotten beyond that.
    pub jobs_max: usize,
    /// Bytes that a miner may leave unread before it is given up; a quarter of it, and nothing more of it is read.
    pub unsent_bytes_max: usize,
    /// A connection is closed if more than this share of its latest submits is bad, 0..1; at 1 never.
    pub invalid_ratio_max: f64,
    /// Submits that are looked at together for that.
    pub invalid_window_shares: u32,
    /// Submits older than this are forgotten for that.
    pub invalid_window: Duration,
    /// For so long after its end a session can be resumed; zero: never.
    pub resume_window: Duration,
    /// Whether miners are told to connect again when the daemon stops.
    pub reconnect_on_stop: bool,
    /// Where to: host and port; `None`: where they were.
    pub advertise: Option<(String, u16)>,
    /// What miners whose program shows messages are shown when they log in.
    pub message: Option<String>,
    /// Whether they are asked for their version.
    pub ask_version: bool,
}

/// What suits a mining program.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentDifficulty {
    /// A part of the program's name, in lower case.
    pub agent: String,
    /// The difficulty it starts with.
    pub difficulty: Difficulty,
    /// Whether that is the least it ever gets, too, as rental services demand.
    pub least: bool,
}

/// Which wishes and memories may set the start difficulty. Their order is fixed: a source stands
/// above those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartFrom {
    /// `d=`, `fd=` and `th=` in the password.
    pub password: bool,
    /// The worker's stored difficulty, where that is read.
    pub database: bool,
    /// `mining.suggest_difficulty`, `mining.suggest_target` and `minimum-difficulty`.
    pub suggested: bool,
    /// What suited the same worker and program less than a day ago.
    pub remembered: bool,
    /// The list of mining programs.
    pub agent: bool,
}

impl Default for Rules {
    /// What the configuration file need not say.
    fn default() -> Self {
        Self {
            share_tolerance_ppm: 5000,
            stale_grace: Duration::ZERO,
            race_window: Duration::from_secs(30),
            start_from: StartFrom { password: true, database: true, suggested: true, remembered: true, agent: true },
            agent_difficulties: Vec::new(),
            apply_at_next_job: false,
            jobs_before_auth: true,
            authorize_timeout: Duration::from_secs(60),
            junk_lines_max: 3,
            failed_logins_max: 3,
            workers_max: WORKERS_MAX,
            jobs_max: JOBS_MAX,
            unsent_bytes_max: 256 * 1024,
            invalid_ratio_max: 0.5,
            invalid_window_shares: 500,
            invalid_window: Duration::from_secs(600),
            resume_window: Duration::from_secs(600),
            reconnect_on_stop: false,
            advertise: None,
            message: None,
            ask_version: false,
        }
    }
}
