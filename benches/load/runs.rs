//! The runs: what is started, what is loaded, what is read off.

use std::io;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::report::{Idle, Shares, Tip};
use crate::stage::{CpuTimes, Stage};
use crate::support::miner::Algorithm;
use crate::tally::percentile_ms;

/// Load before the measuring begins: caches, code and connections get warm.
const WARM_UP: Duration = Duration::from_millis(500);
/// Rest between two tips, and before resident memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// How shares are sent.
#[derive(Debug, Clone, Copy)]
pub enum Loop {
    /// One in flight per connection.
    Closed,
    /// So many a second in all, whatever the answers.
    Open(u32),
}

/// Runs shares through a fresh daemon into a fresh database.
pub async fn shares(
    run: &str,
    algorithm: Algorithm,
    connections: usize,
    how: Loop,
    length: Duration,
) -> io::Result<Shares> {
    let stage = Stage::start(algorithm, connections).await?;
    let crowd = Crowd::log_in(stage.port, connections).await?;
    let tally = &crowd.tally;
    let (at_first_share, first_share) = (stage.cpu_times()?, Instant::now());
    let Measured { before, after, time: measured, accepted, generator_late_ms } =
        load(&stage, &crowd, how, length).await?;
    let last_verdict = crowd.wait_for_verdicts().await?;
    let latencies = tally.latencies();
    let acknowledged = tally.accepted();
    let (_, drained) = stage.drained(acknowledged).await;
    let at_end = stage.cpu_times()?;
    // Read while the connections are still open: the daemon closes them when it stops.
    let (refused, broken, trouble) = (tally.refused(), tally.ended(), tally.first_trouble());
    let rows = stage.finish().await?;

    let in_measured = |of: fn(CpuTimes) -> Duration| of(after).saturating_sub(of(before));
    let in_all = |of: fn(CpuTimes) -> Duration| of(at_end).saturating_sub(of(at_first_share));
    Ok(Shares {
        run: run.to_owned(),
        connections,
        shares_per_sec: per(accepted, measured),
        cpu_us: micros_each(in_measured(|cpu| cpu.daemon), accepted),
        cpu_us_with_drain: micros_each(in_all(|cpu| cpu.daemon), acknowledged),
        database_cpu_us: micros_each(in_all(|cpu| cpu.database), acknowledged),
        generator_cpu_us: micros_each(in_measured(|cpu| cpu.generator), accepted),
        cores: in_measured(|cpu| cpu.daemon).as_secs_f64() / measured.as_secs_f64(),
        p50_ms: percentile_ms(&latencies, 500),
        p99_ms: percentile_ms(&latencies, 990),
        p999_ms: percentile_ms(&latencies, 999),
        generator_late_ms,
        rows_per_sec: per(rows, drained.duration_since(first_share)),
        drained_after_ms: drained.saturating_duration_since(last_verdict).as_secs_f64() * 1000.0,
        acknowledged,
        rows,
        refused,
        broken,
        trouble,
    })
}

/// What was read off around the measured time.
struct Measured {
    before: CpuTimes,
    after: CpuTimes,
    time: Duration,
    accepted: u64,
    generator_late_ms: f64,
}

/// Warms up, then measures. A closed loop goes on running when this returns.
async fn load(stage: &Stage, crowd: &Crowd, how: Loop, length: Duration) -> io::Result<Measured> {
    let tally = &crowd.tally;
    match how {
        Loop::Closed => {
            crowd.begin_closed_loop()?;
            tokio::time::sleep(WARM_UP).await;
        }
        Loop::Open(shares_per_sec) => {
            crowd.open_loop(shares_per_sec, WARM_UP).await?;
        }
    }
    let (accepted_before, before, start) = (tally.accepted(), stage.cpu_times()?, Instant::now());
    tally.measure(true);
    let generator_late_ms = match how {
        Loop::Closed => {
            tokio::time::sleep(length).await;
            0.0
        }
        Loop::Open(shares_per_sec) => crowd.open_loop(shares_per_sec, length).await?,
    };
    tally.measure(false);
    let (accepted, after, time) = (tally.accepted() - accepted_before, stage.cpu_times()?, start.elapsed());
    Ok(Measured { before, after, time, accepted, generator_late_ms })
}

/// Resident memory for each connection that is logged in and silent.
pub async fn idle(connections: usize) -> io::Result<Idle> {
    let stage = Stage::start(Algorithm::Sha256d, connections).await?;
    let empty_bytes = stage.daemon.resident_bytes()?;
    let (cpu, start) = (stage.daemon.cpu_time()?, Instant::now());
    let crowd = Crowd::log_in(stage.port, connections).await?;
    let all_logged_in = start.elapsed();
    let login_cpu = stage.daemon.cpu_time()?.saturating_sub(cpu);
    tokio::time::sleep(SETTLE).await;
    let full_bytes = stage.daemon.resident_bytes()?;
    let count = u64::try_from(crowd.len()).unwrap_or(u64::MAX);
    Ok(Idle {
        connections,
        empty_bytes,
        full_bytes,
        bytes_per_connection: ratio(full_bytes.saturating_sub(empty_bytes), count),
        login_cpu_us: micros_each(login_cpu, count),
        all_logged_in_secs: all_logged_in.as_secs_f64(),
    })
}

/// How fast a new tip reaches everybody.
pub async fn new_tip(connections: usize, tips: usize) -> io::Result<Tip> {
    let stage = Stage::start(Algorithm::Sha256d, connections).await?;
    let crowd = Crowd::log_in(stage.port, connections).await?;
    crowd.tally.watch_tips();
    let (mut firsts, mut lasts, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
    let cpu = stage.daemon.cpu_time()?;
    for _ in 0..tips {
        tokio::time::sleep(SETTLE).await;
        let start = stage.node.new_tip();
        let on_the_wire = wire_order(&stage.node.tip());
        let seen = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let seen = crowd.tally.notified_of(&on_the_wire);
            if seen.len() >= crowd.len() {
                break seen;
            }
            if start.elapsed() > Duration::from_secs(20) {
                return Err(io::Error::other(format!("only {} of {} heard of the new tip", seen.len(), crowd.len())));
            }
        };
        let millis = |at: Option<&Instant>| at.map_or(0.0, |at| at.duration_since(start).as_secs_f64() * 1000.0);
        let (first, last) = (millis(seen.iter().min()), millis(seen.iter().take(crowd.len()).max()));
        firsts.push(first);
        lasts.push(last);
        spreads.push(last - first);
    }
    let cpu = stage.daemon.cpu_time()?.saturating_sub(cpu);
    Ok(Tip {
        connections,
        tips,
        first_ms: median(firsts),
        last_ms: median(lasts),
        spread_ms: median(spreads),
        cpu_ms: micros_each(cpu, u64::try_from(tips).unwrap_or(1)) / 1000.0,
    })
}

/// A block hash as RPC writes it, as `mining.notify` carries it: the eight words turned around.
pub fn wire_order(hash: &str) -> String {
    let words: Vec<&str> = (0..hash.len()).step_by(8).filter_map(|at| hash.get(at..at + 8)).collect();
    words.into_iter().rev().collect()
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / to_f64(count).max(1.0)
}

fn per(count: u64, time: Duration) -> f64 {
    to_f64(count) / time.as_secs_f64().max(1e-9)
}

fn ratio(amount: u64, count: u64) -> f64 {
    to_f64(amount) / to_f64(count).max(1.0)
}

#[allow(clippy::cast_precision_loss, reason = "counts and bytes of a bench are far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}
