//! `mpos-stratum algo list` and `mpos-stratum algo hash`

use std::fmt::Write as _;
use std::io::{BufRead, Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::say::say;
use crate::bytes::{display_hash, hex};
use crate::clock::{Clock, SystemClock};
use crate::exit::Exit;
use crate::pow::names::{self, Named, Proof};
use crate::pow::params::{self, Params};
use crate::pow::{Class, Scratch, header_time};

/// Longest header that is hashed from the command line; chains have up to about 1500 bytes.
const HEADER_BYTES_MAX: usize = 4096;
/// Longest line read from standard input; a longer one is answered with an error.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long one algorithm is measured at least, unless a single hash takes longer.
const MEASURE: Duration = Duration::from_millis(20);

/// What to do with algorithms.
#[derive(clap::Subcommand)]
pub(super) enum Algo {
    /// List every algorithm: name, cost on this machine, other spellings, and what proves it right
    ///
    /// Measuring takes some seconds. Every name is also known with `_hash` behind it. What grows with time is measured as
    /// it will be at the end of 2030; scrypt-jane, whose YaCoin needs more memory today than a hash may have, as it was in
    /// 2013. `class` decides where a share is hashed: `cheap` where it is read, `heavy` and
    /// `expensive` on threads of their own; `expensive` ones have to be accepted in the configuration.
    List,
    /// Print the proof-of-work hash of a header, in the byte order in which block explorers show it
    Hash(HashArguments),
}

const HASH_AFTER_HELP: &str = "\
Examples:
  mpos-stratum algo hash scrypt 0100000000000000...       the 80 bytes of a header in hexadecimal
  mpos-stratum algo hash scrypt-n HEADER --time 1456415081
  mpos-stratum algo hash --jsonl < vectors.jsonl

Exit codes: 0 hashed, 64 command line, or the algorithm, its parameters or the header are wrong; with --jsonl 64 if any
line was wrong (the others are answered), 69 standard input cannot be read.";

#[derive(clap::Args)]
#[command(after_help = HASH_AFTER_HELP)]
pub(super) struct HashArguments {
    /// Name of the algorithm, or one of its other spellings
    #[arg(required_unless_present = "jsonl")]
    name: Option<String>,
    /// The header in hexadecimal
    #[arg(required_unless_present = "jsonl")]
    header: Option<String>,
    /// Unix time to hash at instead of the header's own, where the algorithm changes with time
    #[arg(long, value_name = "T")]
    time: Option<u32>,
    /// A parameter of the algorithm, such as N=2048; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Read one JSON object per line from standard input (`algorithm`, `header_hex`, and if need be `params` and
    /// `time`) and print one with `pow_hash_hex`, or `error`, for each
    #[arg(long, conflicts_with_all = ["name", "header", "time", "params"])]
    jsonl: bool,
}

pub(super) fn run(algo: &Algo) -> Exit {
    match algo {
        Algo::List => list(),
        Algo::Hash(arguments) if arguments.jsonl => hash_lines(std::io::stdin().lock(), &mut std::io::stdout().lock()),
        Algo::Hash(arguments) => match hash_one(arguments) {
            Ok(hash) => {
                say(&mut std::io::stdout(), hash);
                Exit::Ok
            }
            Err(problem) => {
                say(&mut std::io::stderr(), problem);
                Exit::Usage
            }
        },
    }
}

fn hash_one(arguments: &HashArguments) -> Result<String, String> {
    let (Some(name), Some(header)) = (&arguments.name, &arguments.header) else {
        return Err("give the name of an algorithm and a header".to_owned());
    };
    let mut params = Params::new();
    for param in &arguments.params {
        let Some((key, value)) = param.split_once('=') else {
            return Err(format!("{param}: write parameters as NAME=VALUE, such as N=2048"));
        };
        params.insert(key.to_owned(), Value::from(value));
    }
    hash(name, header, &params, arguments.time, &mut Scratch::new())
}

/// The hash of a header given as text, as text.
fn hash(name: &str, header: &str, params: &Params, time: Option<u32>, scratch: &mut Scratch) -> Result<String, String> {
    let named = names::find(name).ok_or_else(|| {
        let known: Vec<&str> = names::all().map(|named| named.name).collect();
        format!("{name} is not a known algorithm; choose one of {}", known.join(", "))
    })?;
    let algorithm = params::with(named, params).map_err(|problem| problem.to_string())?;
    let header = hex::decode(header.as_bytes())
        .filter(|header| header.len() <= HEADER_BYTES_MAX)
        .ok_or_else(|| format!("the header must be hexadecimal digits in pairs, {HEADER_BYTES_MAX} bytes at most"))?;
    let time = time.unwrap_or_else(|| header_time(&header));
    algorithm.check_at(time).map_err(|problem| format!("at {time}: {problem}"))?;
    Ok(display_hash(&algorithm.hash_at(&header, time, scratch)))
}

/// A line of `--jsonl`; known vectors have more keys, which do not matter here.
#[derive(serde::Deserialize)]
struct Line {
    algorithm: String,
    header_hex: String,
    #[serde(default)]
    params: Option<Params>,
    #[serde(default)]
    time: Option<u32>,
}

/// Answers every line with one line, in order. Wrong lines do not end it, but make the exit code say so.
fn hash_lines(mut from: impl BufRead, to: &mut impl Write) -> Exit {
    let mut scratch = Scratch::new();
    let mut exit = Exit::Ok;
    let mut line = Vec::new();
    loop {
        line.clear();
        match from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => return exit,
            Ok(_) if line.trim_ascii().is_empty() && !is_cut(&line) => continue,
            Ok(_) if !is_cut(&line) || from.skip_until(b'\n').is_ok() => {}
            Ok(_) => return Exit::Unavailable,
            Err(problem) => {
                say(&mut std::io::stderr(), format_args!("standard input cannot be read: {problem}"));
                return Exit::Unavailable;
            }
        }
        let answer = answer(&line, &mut scratch).unwrap_or_else(|problem| {
            exit = Exit::Usage;
            json!({ "error": problem })
        });
        if writeln!(to, "{answer}").is_err() {
            // Nobody reads on.
            return exit;
        }
    }
}

/// Whether a line goes on beyond what was read of it.
fn is_cut(line: &[u8]) -> bool {
    line.len() as u64 == LINE_BYTES_MAX && !line.ends_with(b"\n")
}

fn answer(line: &[u8], scratch: &mut Scratch) -> Result<Value, String> {
    if is_cut(line) {
        return Err(format!("not a vector: longer than {LINE_BYTES_MAX} bytes"));
    }
    let line: Line = serde_json::from_slice(line).map_err(|problem| format!("not a vector: {problem}"))?;
    let params = line.params.unwrap_or_default();
    let hash = hash(&line.algorithm, &line.header_hex, &params, line.time, scratch)?;
    Ok(json!({ "pow_hash_hex": hash }))
}

fn list() -> Exit {
    let clock = SystemClock::new();
    let mut scratch = Scratch::new();
    let mut out = std::io::stdout();
    let heading = format!("{:<16} {:>12} {:<10} {:<9} also called; proven by", "name", "us per hash", "class", "proof");
    say(&mut out, heading);
    for named in names::all() {
        let micros = measure(named, &clock, &mut scratch).as_secs_f64() * 1e6;
        say(&mut out, described(named, micros));
    }
    Exit::Ok
}

fn described(named: &Named, micros: f64) -> String {
    let class = match named.algorithm.class() {
        Class::Cheap => "cheap",
        Class::Heavy => "heavy",
        Class::Expensive => "expensive",
    };
    let (proof, by) = match (named.proof_of(named.algorithm), named.proof) {
        (Proof::Chains(coins), _) => ("chain", format!("headers of {coins}")),
        // Its cost grows with time.
        (Proof::Implementations(others), Proof::Chains(coins)) => {
            ("unproven", format!("agrees with {others}, and with {coins} at their first cost"))
        }
        (Proof::Implementations(others), _) => ("unproven", format!("agrees with {others}")),
    };
    let mut text = format!("{:<16} {micros:>12.2} {class:<10} {proof:<9} ", named.name);
    if !named.aliases.is_empty() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{}; ", named.aliases.join(", "));
    }
    text + &by
}

/// The time one hash takes here, on average.
fn measure(named: &Named, clock: &SystemClock, scratch: &mut Scratch) -> Duration {
    let mut header = [7; 80];
    header[68..72].copy_from_slice(&named.algorithm.measured_at().to_le_bytes());
    let started = clock.monotonic();
    let mut hashes = 0;
    loop {
        // Each hashes the one before, so that none can be left out.
        let hash = named.algorithm.hash(&header, scratch);
        header[..32].copy_from_slice(&hash);
        hashes += 1;
        let taken = clock.monotonic().saturating_sub(started);
        if taken >= MEASURE {
            return taken / hashes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> (Exit, Vec<Value>) {
        let mut out = Vec::new();
        let exit = hash_lines(text.as_bytes(), &mut out);
        (exit, String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    #[test]
    fn every_known_vector_can_be_checked_by_lines() {
        let text = include_str!("../../tests/data/pow-vectors.json");
        let all: Vec<Value> = serde_json::from_str(text).unwrap();
        let cheap = |vector: &&Value| {
            let named = vector["algorithm"].as_str().and_then(names::find);
            named.is_some_and(|named| named.algorithm.class() == Class::Cheap)
        };
        let some: Vec<&Value> = all.iter().filter(cheap).collect();
        assert!(some.len() > 40);
        let (exit, answers) = lines(&some.iter().map(|vector| format!("{vector}\n")).collect::<String>());
        assert_eq!(exit, Exit::Ok);
        assert_eq!(answers.len(), some.len());
        for (vector, answer) in some.iter().zip(answers) {
            assert_eq!(answer["pow_hash_hex"], vector["pow_hash_hex"]);
        }
    }

    #[test]
    fn a_wrong_line_is_answered_and_the_next_one_too() {
        let good = r#"{"algorithm":"sha256d","header_hex":""}"#;
        let other = r#"{"algorithm":"none","header_hex":""}"#;
        let (exit, answers) = lines(&format!("{other}\n\nrubbish\n{good}"));
        assert_eq!(exit, Exit::Usage);
        assert_eq!(answers.len(), 3);
        assert!(
            answers[0]["error"].as_str().unwrap().starts_with("none is not a known algorithm; choose one of sha256d, ")
        );
        assert!(answers[1]["error"].as_str().unwrap().starts_with("not a vector: "));
        let empty = "56944c5d3f98413ef45cf54545538103cc9f298e0575820ad3591376e2e0f65d";
        assert_eq!(answers[2]["pow_hash_hex"], empty);
    }

    #[test]
    fn lines_that_are_too_long_are_one_line_each() {
        let limit = usize::try_from(LINE_BYTES_MAX).unwrap();
        let good = r#"{"algorithm":"sha256d","header_hex":""}"#;
        let long = |bytes: usize| format!("{good}{}", " ".repeat(bytes - good.len()));
        for (text, expected) in [
            (format!("{}\n{good}", long(limit - 1)), [true, true]),
            (format!("{}\n{good}", long(limit + 1)), [false, true]),
            (format!("{}\n{good}", " ".repeat(limit)), [false, true]),
            (format!("{}\n{}", long(5 * limit), long(limit + 1)), [false, false]),
        ] {
            let (_, answers) = lines(&text);
            let hashed: Vec<bool> = answers.iter().map(|answer| answer["pow_hash_hex"].is_string()).collect();
            assert_eq!(hashed, expected);
        }
    }

    #[test]
    fn the_time_and_the_parameters_matter() {
        let vector = |more: &str| {
            let (exit, answers) =
                lines(&format!(r#"{{"algorithm":"keccak-normal","header_hex":"{}"{more}}}"#, "07".repeat(80)));
            (exit, answers[0]["pow_hash_hex"].clone())
        };
        assert_ne!(vector(""), vector(r#","time":5000000000"#));
        assert_ne!(vector("").1, vector(r#","time":1500000000"#).1);
        assert_eq!(vector("").1, vector(r#","time":117901063"#).1);
        assert_eq!(vector(r#","params":{"N":2}"#).0, Exit::Usage);
        // Nothing was computed, so no hash is shown.
        let today = format!(r#"{{"algorithm":"scrypt-jane","header_hex":"{}","time":1795000000}}"#, "07".repeat(80));
        let (exit, answers) = lines(&today);
        assert_eq!(exit, Exit::Usage);
        let told = answers[0]["error"].as_str().unwrap();
        assert!(told.starts_with("at 1795000000: scrypt with log_n 22 and r 1 is not supported"), "{told}");
    }
}
