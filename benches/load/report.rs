//! The numbers, as a table for people and as JSON for comparing runs.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::hostile::Hostile;

/// What one run under shares showed.
#[derive(Debug, Default, Serialize)]
pub struct Shares {
    /// Which run.
    pub run: String,
    /// Connections.
    pub connections: usize,
    /// Accepted in the measured time, per second.
    pub shares_per_sec: f64,
    /// Daemon CPU per share in the measured time, microseconds.
    pub cpu_us: f64,
    /// Daemon CPU per share of the whole run, warm-up and the draining after it included.
    pub cpu_us_with_drain: f64,
    /// Database CPU per share of the whole run.
    pub database_cpu_us: f64,
    /// Generator CPU per share in the measured time.
    pub generator_cpu_us: f64,
    /// Cores the daemon used in the measured time.
    pub cores: f64,
    /// Time to the verdict: median.
    pub p50_ms: f64,
    /// 99 in 100 are faster.
    pub p99_ms: f64,
    /// 999 in 1,000 are faster.
    pub p999_ms: f64,
    /// Open loop: by how much the generator itself was late at worst.
    pub generator_late_ms: f64,
    /// Rows landed per second, from the first share until the last had landed.
    pub rows_per_sec: f64,
    /// Time from the last verdict to the last row.
    pub drained_after_ms: f64,
    /// Shares answered `true`, in the whole run.
    pub acknowledged: u64,
    /// Rows with `our_result = 'Y'` after the daemon had stopped.
    pub rows: u64,
    /// Shares answered otherwise.
    pub refused: u64,
    /// Connections that broke.
    pub broken: u64,
    /// The first refusal or broken connection, in its own words.
    pub trouble: Option<String>,
}

impl Shares {
    /// Whether the run proves what it has to: every acknowledged share is one row, nothing broke.
    pub fn holds(&self) -> bool {
        self.rows == self.acknowledged && self.acknowledged > 0 && self.refused == 0 && self.broken == 0
    }
}

impl Shares {
    fn print(&self) {
        println!(
            "{:<14}{:>7}{:>10.0}{:>9.1}{:>9.1}{:>7.1}{:>7.1}{:>7.2}{:>9.2}{:>9.2}{:>9.2}{:>9.0}{:>10.0}{:>11}{:>11}",
            self.run,
            self.connections,
            self.shares_per_sec,
            self.cpu_us,
            self.cpu_us_with_drain,
            self.database_cpu_us,
            self.generator_cpu_us,
            self.cores,
            self.p50_ms,
            self.p99_ms,
            self.p999_ms,
            self.rows_per_sec,
            self.drained_after_ms,
            self.acknowledged,
            self.rows
        );
        if self.generator_late_ms > 0.0 {
            println!("{:<14}the generator was up to {:.2} ms late", "", self.generator_late_ms);
        }
        if !self.holds() {
            let trouble = self.trouble.as_deref().unwrap_or("-");
            println!(
                "{:<14}FAILED: {} acknowledged, {} rows, {} refused, {} connections broke; first: {trouble}",
                "", self.acknowledged, self.rows, self.refused, self.broken
            );
        }
    }
}

impl Idle {
    fn print(&self) {
        let Self { connections, empty_bytes, full_bytes, .. } = self;
        println!(
            "\nidle: {connections} connections, {:.0} bytes each ({empty_bytes} -> {full_bytes}), login {:.0} us CPU, \
             all in after {:.2} s",
            self.bytes_per_connection, self.login_cpu_us, self.all_logged_in_secs
        );
    }
}

impl Tip {
    fn print(&self) {
        println!(
            "\nnew tip: {} connections, first job after {:.1} ms, last after {:.1} ms, spread {:.1} ms, {:.0} ms CPU \
             (median of {})",
            self.connections, self.first_ms, self.last_ms, self.spread_ms, self.cpu_ms, self.tips
        );
    }
}

/// What idle connections cost.
#[derive(Debug, Serialize)]
pub struct Idle {
    /// Connections.
    pub connections: usize,
    /// Resident memory before them, bytes.
    pub empty_bytes: u64,
    /// Resident memory with them, bytes.
    pub full_bytes: u64,
    /// The difference for each.
    pub bytes_per_connection: f64,
    /// Daemon CPU of one login, microseconds.
    pub login_cpu_us: f64,
    /// Time until all had a job.
    pub all_logged_in_secs: f64,
}

/// How a new tip spread; medians over all tips.
#[derive(Debug, Serialize)]
pub struct Tip {
    /// Connections.
    pub connections: usize,
    /// Tips.
    pub tips: usize,
    /// From the node's answer to the first miner's job.
    pub first_ms: f64,
    /// To the last miner's job.
    pub last_ms: f64,
    /// From the first to the last.
    pub spread_ms: f64,
    /// Daemon CPU of one tip.
    pub cpu_ms: f64,
}

/// How a bare INSERT is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Form {
    /// The values in the statement's text.
    Text,
    /// A prepared statement and its values, encoded beforehand.
    Prepared,
}

/// Bare multi-row INSERTs of one size.
#[derive(Debug, Serialize)]
pub struct Bare {
    /// Rows per statement.
    pub statement_rows: usize,
    /// How they are sent.
    pub form: Form,
    /// Rows a second.
    pub rows_per_sec: f64,
    /// Database CPU per row, microseconds.
    pub database_cpu_us: f64,
}

/// How fast a backlog is drained.
#[derive(Debug, Serialize)]
pub struct Drain {
    /// Rows of the backlog.
    pub rows: usize,
    /// Rows a second, from the first look at the database to the last commit.
    pub rows_per_sec: f64,
    /// That in relation to bare INSERTs of the best size.
    pub ratio: f64,
    /// CPU of an append and of its way to the disk, microseconds.
    pub append_cpu_us: f64,
    /// CPU per drained row in our process, microseconds.
    pub drain_cpu_us: f64,
    /// Database CPU per drained row, microseconds.
    pub database_cpu_us: f64,
    /// The INSERTs it is compared with.
    pub bare: Vec<Bare>,
}

impl Drain {
    fn print(&self) {
        let Self { rows, rows_per_sec, ratio, append_cpu_us, drain_cpu_us, database_cpu_us, .. } = self;
        println!(
            "\ndrain: {rows} rows, {rows_per_sec:.0} rows/s, {ratio:.2} of the best bare INSERTs; CPU us per share: \
             append {append_cpu_us:.2}, drain {drain_cpu_us:.2}, database {database_cpu_us:.1}"
        );
        for Bare { statement_rows, form, rows_per_sec, database_cpu_us } in &self.bare {
            let form = format!("{form:?}");
            println!(
                "       {form:<8} {statement_rows:>5} rows a bare INSERT: {rows_per_sec:>7.0} rows/s, database {database_cpu_us:.1} us"
            );
        }
    }
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Runs under shares.
    pub shares: Vec<Shares>,
    /// Idle connections.
    pub idle: Option<Idle>,
    /// New tips.
    pub tip: Option<Tip>,
    /// Draining a backlog.
    pub drain: Option<Drain>,
    /// Honest miners beside hostile clients.
    pub hostile: Vec<Hostile>,
}

impl Report {
    /// Whether every run with shares holds.
    pub fn holds(&self) -> bool {
        self.shares.iter().all(Shares::holds) && self.hostile.iter().all(Hostile::holds)
    }

    /// Prints what there is.
    pub fn print(&self) {
        if !self.shares.is_empty() {
            println!(
                "\n{:<14}{:>7}{:>10}{:>9}{:>9}{:>7}{:>7}{:>7}{:>9}{:>9}{:>9}{:>9}{:>10}{:>11}{:>11}",
                "run",
                "conns",
                "shares/s",
                "cpu us",
                "+drain",
                "db us",
                "gen us",
                "cores",
                "p50 ms",
                "p99 ms",
                "p99.9",
                "rows/s",
                "drain ms",
                "acked",
                "rows"
            );
        }
        self.shares.iter().for_each(Shares::print);
        if let Some(idle) = &self.idle {
            idle.print();
        }
        if let Some(tip) = &self.tip {
            tip.print();
        }
        if let Some(drain) = &self.drain {
            drain.print();
        }
        Hostile::print_all(&self.hostile);
    }

    /// Writes `load.json` into `bench/` of the target directory and says where.
    pub fn write(&self) -> io::Result<PathBuf> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let directory = tmp.parent().unwrap_or(tmp).join("bench");
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("load.json");
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)?;
        Ok(path)
    }
}
