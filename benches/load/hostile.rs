//! Honest miners beside hostile clients: what they notice of an attack, in replies and in new work.
//!
//! Every attack has a daemon of its own, with the limits of the field: the attackers come from addresses without
//! exemption. The honest miners are measured alone and beside the attack in turns, each time from a new beginning
//! and with new addresses; of every figure the median over the rounds counts, so that a stall of the machine in one
//! of them does not.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Serialize;

use crate::attack::{ACCOUNT, Deeds, PROXY, WORKERS, connections_of, kinds_of};
use crate::crowd::Crowd;
use crate::floor;
use crate::runs::{median, wire_order};
use crate::stage::Stage;
use crate::stolen::HostTime;
use crate::support::miner::Algorithm;
use crate::tally::percentile_ms;

/// Honest miners,
const MINERS: usize = 200;
/// and their shares per second in all.
const SHARES_PER_SEC: u32 = 500;
/// Time between two new tips: far less than with any coin, but so long that what waits behind the spreading of jobs
/// stays well below one reply in a hundred.
const TIP_EVERY: Duration = Duration::from_millis(1500);
/// How often both are measured.
pub const ROUNDS: u8 = 5;
/// How long each time,
const LENGTH: Duration = Duration::from_secs(7);
/// From the beginning of an attack to the measuring.
const BUILD_UP: Duration = Duration::from_secs(4);
/// Rest before resident memory is read, and before the measuring begins.
const SETTLE: Duration = Duration::from_secs(2);
/// After so long a tip is taken for one that was skipped.
const TIP_PATIENCE: Duration = Duration::from_secs(3);
/// A round in which other machines of the host took more than this part of the processors' time is one too many: it
/// says nothing of one reply in a hundred.
const STOLEN_MAX: f64 = 0.002;
/// So many more are measured at most; then those count in which least was taken.
const ROUNDS_MORE: u8 = 10;
/// The rows must have landed by then.
const ROWS_PATIENCE: Duration = Duration::from_secs(60);

/// The daemon's resident memory is never more than this,
const RESIDENT_MAX: u64 = 48 << 20;
/// and for each connection that is open.
const RESIDENT_PER_CONNECTION_MAX: u64 = 24 << 10;

/// Times that honest miners measured, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    /// Median.
    pub p50_ms: f64,
    /// 99 in 100 are faster.
    pub p99_ms: f64,
    /// 999 in 1,000 are faster.
    pub p999_ms: f64,
}

impl Times {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at = |per_mille| percentile_ms(&micros, per_mille);
        Self { p50_ms: at(500), p99_ms: at(990), p999_ms: at(999) }
    }

    fn median(all: &[While], of: fn(&While) -> Self) -> Self {
        let each = |field: fn(&Self) -> f64| median(all.iter().map(|one| field(&of(one))).collect());
        Self {
            p50_ms: each(|times| times.p50_ms),
            p99_ms: each(|times| times.p99_ms),
            p999_ms: each(|times| times.p999_ms),
        }
    }
}

/// What a while showed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct While {
    /// From a submit to its answer.
    pub replies: Times,
    /// From a new tip at the node to its job at a miner.
    pub jobs: Times,
    /// From a line to its bare echo by a server that does nothing else.
    pub echo: Times,
    /// Cores that the daemon used.
    pub cores: f64,
    /// How late the generator was at worst.
    pub generator_late_ms: f64,
    /// Part of the processors' time that the host gave to other machines.
    pub stolen: f64,
}

impl While {
    /// The median of each figure, and the most that was stolen.
    fn median(all: &[Self]) -> Self {
        Self {
            replies: Times::median(all, |one| one.replies),
            jobs: Times::median(all, |one| one.jobs),
            echo: Times::median(all, |one| one.echo),
            cores: median(all.iter().map(|one| one.cores).collect()),
            generator_late_ms: median(all.iter().map(|one| one.generator_late_ms).collect()),
            stolen: all.iter().map(|one| one.stolen).fold(0.0, f64::max),
        }
    }
}

/// One attack and what came of it.
#[derive(Debug, Serialize)]
pub struct Hostile {
    /// Which.
    pub attack: String,
    /// Without it: the medians of the rounds.
    pub quiet: While,
    /// Beside it: the same.
    pub attacked: While,
    /// Each round, without it and beside it.
    pub rounds: Vec<[While; 2]>,
    /// What the attackers did.
    pub deeds: Deeds,
    /// Resident memory of the daemon before, at most, and after the attack; bytes.
    pub resident_bytes: [u64; 3],
    /// The bound of each.
    pub resident_bytes_max: u64,
    /// Honest shares answered `true`.
    pub acknowledged: u64,
    /// Their rows.
    pub rows: u64,
    /// Honest shares answered otherwise.
    pub refused: u64,
    /// Honest connections that broke.
    pub broken: u64,
    /// The first of either.
    pub trouble: Option<String>,
    /// What the daemon's defences counted.
    pub counted: String,
}

impl Hostile {
    /// Whether no honest miner lost anything, and memory kept its bound. How long it took stands beside it.
    pub fn holds(&self) -> bool {
        let nothing_lost =
            self.rows == self.acknowledged && self.acknowledged > 0 && self.refused == 0 && self.broken == 0;
        nothing_lost && self.resident_bytes.iter().all(|bytes| *bytes <= self.resident_bytes_max)
    }

    /// The p99 of each round, without and with.
    fn each(&self, of: fn(&While) -> Times) -> String {
        let round = |[without, with]: &[While; 2]| format!("{:.2}>{:.2}", of(without).p99_ms, of(with).p99_ms);
        self.rounds.iter().map(round).collect::<Vec<_>>().join(" ")
    }

    /// Prints a table.
    pub fn print_all(all: &[Self]) {
        if all.is_empty() {
            return;
        }
        println!(
            "\nhonest miners without and with an attack, ms, medians of up to {ROUNDS} rounds \
             ({MINERS} miners, {SHARES_PER_SEC} shares/s, a tip every {} ms)",
            TIP_EVERY.as_millis()
        );
        println!(
            "{:<11}{:>22}{:>22}{:>7}{:>24}{:>24}{:>7}{:>12}{:>17}{:>14}",
            "attack",
            "reply p50/p99/p99.9",
            "with",
            "x p99",
            "job p50/p99/p99.9",
            "with",
            "x p99",
            "cores",
            "MiB",
            "acked=rows"
        );
        all.iter().for_each(Self::print);
    }

    fn print(&self) {
        let Self { attack, quiet, attacked, deeds, resident_bytes, acknowledged, rows, .. } = self;
        let three = |Times { p50_ms, p99_ms, p999_ms }: Times| format!("{p50_ms:.2}/{p99_ms:.2}/{p999_ms:.2}");
        let worse = |with: Times, without: Times| with.p99_ms / without.p99_ms.max(1e-6);
        let mib = resident_bytes.map(|bytes| (bytes >> 20).to_string()).join("/");
        println!(
            "{attack:<11}{:>22}{:>22}{:>7.2}{:>24}{:>24}{:>7.2}{:>12}{mib:>17}{:>14}",
            three(quiet.replies),
            three(attacked.replies),
            worse(attacked.replies, quiet.replies),
            three(quiet.jobs),
            three(attacked.jobs),
            worse(attacked.jobs, quiet.jobs),
            format!("{:.2}/{:.2}", quiet.cores, attacked.cores),
            format!("{acknowledged}={rows}")
        );
        let Deeds { connections, closed, lines, bytes } = deeds;
        println!(
            "           attackers: {connections} connections, {closed} ended by the pool, {lines} lines, {} MiB; \
             generator late {:.1}/{:.1} ms, at most {:.1} % of the time stolen by other machines",
            bytes >> 20,
            quiet.generator_late_ms,
            attacked.generator_late_ms,
            100.0 * quiet.stolen.max(attacked.stolen)
        );
        println!("           a bare echo: {} without, {} with", three(quiet.echo), three(attacked.echo));
        println!(
            "           p99 of each round: replies {}, jobs {}",
            self.each(|one| one.replies),
            self.each(|one| one.jobs)
        );
        println!("           counted: {}", self.counted);
        if !self.holds() {
            let trouble = self.trouble.as_deref().unwrap_or("-");
            println!(
                "           FAILED: {} refused, {} connections broke; first: {trouble}; at most {} MiB are allowed",
                self.refused,
                self.broken,
                self.resident_bytes_max >> 20
            );
        }
    }
}

/// Measures honest miners alone and beside one attack, in turns.
pub async fn beside(attack: &str, rounds: u8) -> io::Result<Hostile> {
    let keys = format!(
        "connections_max = 19000\nexempt = []\nstale_grace_secs = 10\nproxy_protocol = \"optional_from_trusted\"\n\
         trusted_proxies = [\"{PROXY}\"]"
    );
    let mut stage = Stage::start_with(Algorithm::Sha256d, MINERS, &keys).await?;
    stage.add_account(ACCOUNT, WORKERS).await;
    let crowd = Crowd::log_in(stage.port, MINERS).await?;
    crowd.tally.watch_and_follow();
    let (mut whiles, mut deeds, mut before) = (Vec::new(), Deeds::default(), None);
    for round in 0..rounds + ROUNDS_MORE {
        if clean(&whiles) >= rounds.into() {
            break;
        }
        crowd.open_loop(SHARES_PER_SEC, SETTLE).await?;
        let quiet = honest(&stage, &crowd).await?;
        before.get_or_insert(stage.daemon.resident_bytes()?);
        let mut attackers = Attackers::start(attack, &stage, round)?;
        crowd.open_loop(SHARES_PER_SEC, BUILD_UP).await?;
        whiles.push([quiet, honest(&stage, &crowd).await?]);
        deeds.add(&attackers.stop()?);
    }

    crowd.wait_for_verdicts().await?;
    tokio::time::sleep(SETTLE).await;
    let resident_bytes =
        [before.unwrap_or_default(), stage.daemon.most_resident_bytes()?, stage.daemon.resident_bytes()?];
    let tally = &crowd.tally;
    let acknowledged = tally.accepted();
    let start = Instant::now();
    while stage.rows_but_of(ACCOUNT).await < acknowledged && start.elapsed() < ROWS_PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Read while the connections are still open: the daemon closes them when it stops.
    let (refused, broken, trouble) = (tally.refused(), tally.ended(), tally.first_trouble());
    stage.daemon.signal(Signal::TERM)?;
    let status = stage.daemon.wait_for_end().await?;
    if !status.success() {
        return Err(io::Error::other(format!("the daemon ended with {status}")));
    }
    let rows = stage.rows_but_of(ACCOUNT).await;
    whiles.sort_by(|one, other| stolen(one).total_cmp(&stolen(other)));
    whiles.truncate(rounds.into());
    let counted = stage.daemon.log().iter().find_map(|line| Some(line.split_once("counted=")?.1.to_owned()));
    let counted = counted.unwrap_or_default();
    let half = |nth: usize| While::median(&whiles.iter().map(|halves| halves[nth]).collect::<Vec<_>>());
    Ok(Hostile {
        attack: attack.to_owned(),
        quiet: half(0),
        attacked: half(1),
        rounds: whiles,
        deeds,
        resident_bytes,
        resident_bytes_max: RESIDENT_MAX + RESIDENT_PER_CONNECTION_MAX * (MINERS + connections_of(attack)) as u64,
        acknowledged,
        rows,
        refused,
        broken,
        trouble,
        counted,
    })
}

/// The most that was stolen in either half of a round.
fn stolen([quiet, attacked]: &[While; 2]) -> f64 {
    quiet.stolen.max(attacked.stolen)
}

/// Rounds in which little was stolen.
fn clean(rounds: &[[While; 2]]) -> usize {
    rounds.iter().filter(|round| stolen(round) <= STOLEN_MAX).count()
}

/// Shares at a steady rate, and new tips; what the miners see of both.
async fn honest(stage: &Stage, crowd: &Crowd) -> io::Result<While> {
    let tally = &crowd.tally;
    let (cpu, host, start) = (stage.daemon.cpu_time()?, HostTime::now()?, Instant::now());
    tally.measure(true);
    let tips = async {
        let mut tips = Vec::new();
        let mut every = tokio::time::interval(TIP_EVERY);
        while start.elapsed() + TIP_EVERY < LENGTH {
            every.tick().await;
            tips.push((stage.node.new_tip(), wire_order(&stage.node.tip())));
        }
        tips
    };
    let echo = tokio::task::spawn_blocking(|| floor::measure(LENGTH));
    let (late, tips) = tokio::join!(crowd.open_loop(SHARES_PER_SEC, LENGTH), tips);
    tally.measure(false);
    let stolen = HostTime::now()?.stolen_since(host);
    let echo = Times::of(echo.await.map_err(io::Error::other)??);
    let cores = stage.daemon.cpu_time()?.saturating_sub(cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    let mut arrivals = Vec::new();
    for (at, previous) in &tips {
        let deadline = *at + TIP_PATIENCE;
        let mut seen = tally.notified_of(previous);
        while seen.len() < crowd.len() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen = tally.notified_of(previous);
        }
        // Who was so late that only a later tip was sent counts as if this one had taken so long.
        seen.resize(crowd.len().max(seen.len()), *at + 2 * TIP_EVERY);
        let micros =
            |seen: &Instant| u64::try_from(seen.saturating_duration_since(*at).as_micros()).unwrap_or(u64::MAX);
        arrivals.extend(seen.iter().map(micros));
    }
    let (replies, jobs) = (Times::of(tally.latencies()), Times::of(arrivals));
    Ok(While { replies, jobs, echo, cores, generator_late_ms: late?, stolen })
}

/// The process of the attackers. Dropping it kills it.
struct Attackers(Child);

impl Attackers {
    fn start(attack: &str, stage: &Stage, round: u8) -> io::Result<Self> {
        let kinds = kinds_of(attack).map(|(name, _)| name).collect::<Vec<_>>().join(",");
        // Other machines would not take the daemon's processor time: here they run only while nobody else wants to.
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(std::env::current_exe()?);
        command
            .args(["--attack", &kinds, &stage.port.to_string(), &round.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    /// Ends the attack and says what it was.
    fn stop(&mut self) -> io::Result<Deeds> {
        drop(self.0.stdin.take());
        let out = self.0.stdout.take().ok_or_else(|| io::Error::other("no pipe from the attackers"))?;
        Ok(serde_json::from_reader(out)?)
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        // Fails only for a process that has ended already.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}
