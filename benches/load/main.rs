//! Load on the whole daemon: made-up miners in front, a private MariaDB behind, a fake node beside.
//!
//! `cargo bench --bench load -- [--quick] [--only closed,open,idle,tip,scrypt,drain,hostile] [--rows N]
//! [--attacks slowloris,idle,...]`
//!
//! Every run has a daemon, a spool and a database of its own. Ends with 1 if a share that was
//! acknowledged is not exactly one row, or if anything was refused or broke off. The generator shares
//! the machine with what it measures: compare CPU per share first, shares per second second.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its findings")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "shared with the tests, which may end at the first surprise"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod attack;
mod connection;
mod crowd;
mod drain;
mod floor;
mod hostile;
mod report;
mod runs;
mod stage;
mod stamps;
mod stolen;
mod tally;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use report::Report;
use runs::Loop;
use support::miner::Algorithm;

/// Descriptors the daemon needs beside those of its miners, generously.
const FILES_BESIDE_MINERS: u64 = 500;
/// The runs that `--only` knows.
const RUNS: [&str; 7] = ["closed", "open", "idle", "tip", "scrypt", "drain", "hostile"];
/// Rows of the backlog that is drained, and with `--quick`.
const DRAIN_ROWS: [usize; 2] = [1_000_000, 100_000];

/// What the command line asks for.
struct Arguments {
    quick: bool,
    only: Vec<String>,
    /// Rows of the backlog, if not the usual number.
    rows: Option<usize>,
    /// The attacks of the hostile run, if not all.
    attacks: Option<Vec<String>>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { quick: false, only: Vec::new(), rows: None, attacks: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                // Cargo adds it to every bench.
                "--bench" => {}
                "--quick" => arguments.quick = true,
                "--only" => {
                    let names = words.next().ok_or("--only needs names, such as --only closed,tip")?;
                    arguments.only = names.split(',').map(str::to_owned).collect();
                }
                "--rows" => {
                    let rows = words.next().and_then(|rows| rows.parse().ok()).filter(|rows| *rows >= 5000);
                    arguments.rows = Some(rows.ok_or("--rows needs a number from 5000 on")?);
                }
                "--attacks" => {
                    let names = words.next().ok_or("--attacks needs names, such as --attacks idle,all")?;
                    arguments.attacks = Some(names.split(',').map(str::to_owned).collect());
                }
                _ => return Err(format!("unknown argument {word}: there are --quick, --only, --rows and --attacks")),
            }
        }
        match arguments.only.iter().find(|name| !RUNS.contains(&name.as_str())) {
            Some(unknown) => Err(format!("there is no run {unknown}: there are {}", RUNS.join(", "))),
            None => Ok(arguments),
        }
    }

    fn wants(&self, run: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == run)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Some(orders) = attack::asked_for(&std::env::args().collect::<Vec<_>>()) {
        return if attack::run(orders).await.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(64);
        }
    };
    let mut report = Report::default();
    let ended = measure(&arguments, &mut report).await;
    report.print();
    match report.write() {
        Ok(path) => println!("\nwritten to {}", path.display()),
        Err(error) => eprintln!("\nload.json could not be written: {error}"),
    }
    if let Err(error) = &ended {
        eprintln!("\nthe bench broke off: {error}");
    }
    if ended.is_ok() && report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(arguments: &Arguments, report: &mut Report) -> io::Result<()> {
    let allowed = connections_allowed();
    let (sizes, length) = if arguments.quick {
        (vec![100, 1_000], Duration::from_secs(2))
    } else {
        (vec![100, 1_000, 10_000], Duration::from_secs(5))
    };
    let sizes: Vec<usize> = sizes.into_iter().map(|size| size.min(allowed)).collect();
    let largest = sizes.last().copied().unwrap_or(100);

    if arguments.wants("closed") {
        for size in &sizes {
            println!("sha256d, closed loop, {size} connections ...");
            report.shares.push(runs::shares("sha256d", Algorithm::Sha256d, *size, Loop::Closed, length).await?);
        }
    }
    if arguments.wants("open") {
        println!("sha256d, open loop, 5,000 shares/s ...");
        let size = allowed.min(1_000);
        report.shares.push(runs::shares("open 5000/s", Algorithm::Sha256d, size, Loop::Open(5_000), length).await?);
    }
    if arguments.wants("scrypt") {
        for size in &sizes {
            println!("scrypt, closed loop, {size} connections ...");
            report.shares.push(runs::shares("scrypt", Algorithm::Scrypt, *size, Loop::Closed, length).await?);
        }
    }
    if arguments.wants("drain") {
        let [usual, quick] = DRAIN_ROWS;
        let rows = arguments.rows.unwrap_or(if arguments.quick { quick } else { usual });
        println!("a backlog of {rows} rows ...");
        // It has a runtime of its own, as the daemon has.
        let measured = tokio::task::spawn_blocking(move || drain::drain(rows)).await.map_err(io::Error::other)?;
        report.drain = Some(measured?);
    }
    if arguments.wants("idle") {
        println!("idle connections ...");
        report.idle = Some(runs::idle(largest).await?);
    }
    if arguments.wants("tip") {
        println!("new tips ...");
        report.tip = Some(runs::new_tip(largest, 5).await?);
    }
    if arguments.wants("hostile") {
        let rounds = if arguments.quick { 1 } else { hostile::ROUNDS };
        let wanted =
            |name: &str| arguments.attacks.as_ref().is_none_or(|names| names.iter().any(|known| known == name));
        let names = attack::KINDS.iter().map(|(name, _)| *name).chain(["all"]);
        for name in names.filter(|name| wanted(name)) {
            println!("honest miners beside attackers: {name} ...");
            report.hostile.push(hostile::beside(name, rounds).await?);
        }
    }
    Ok(())
}

/// How many miners the limit of open files lets this process and the daemon have.
fn connections_allowed() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let allowed = limit
        .map_or(usize::MAX, |files| usize::try_from(files.saturating_sub(FILES_BESIDE_MINERS)).unwrap_or(usize::MAX));
    if allowed < 10_000 {
        println!("only {allowed} connections: raise the limit of open files (ulimit -n 20000)");
    }
    allowed.max(1)
}
