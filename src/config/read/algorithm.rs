//! The keys of `[[coin]]` that set an algorithm's parameters.

use toml::de::DeValue;

use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::{Wrong, integer, list, sized, wrong};
use crate::pow::by_time::{Growth, STEPS_MAX, Steps};
use crate::pow::names::Named;
use crate::pow::{Algorithm, Argon2d, MemoryHard, scrypt};

/// Greatest N factor of scrypt-jane that chains know.
const FACTOR_MAX: u64 = 30;

/// Longest time a cipher of OdoCrypt may be in force: a year.
const ODOCRYPT_EPOCH_SECS_MAX: u64 = 365 * 24 * 3600;

/// Every key of this file.
const KEYS: [&str; 10] = [
    "scrypt_log_n",
    "scrypt_r",
    "scrypt_n_steps",
    "scrypt_jane_start",
    "scrypt_jane_factors",
    "scrypt_jane_fixed",
    "odocrypt_epoch_secs",
    "argon2d_t",
    "argon2d_m_kib",
    "argon2d_lanes",
];

/// The algorithm with the parameters that the coin gives it.
pub(super) fn parameters(report: &Report, section: &Section<'_>, named: Option<&Named>) -> Option<Algorithm> {
    // Whether both together are within the memory of a hash is asked at the end.
    let log_n = section.optional("scrypt_log_n", sized(1..=u64::from(scrypt::LOG_N_MAX)));
    let r = section.optional("scrypt_r", sized(1..=u64::from(scrypt::R_MAX)));
    let steps = section.optional("scrypt_n_steps", steps);
    let start = section.optional("scrypt_jane_start", sized(0..=u64::from(u32::MAX)));
    let factors = section.optional("scrypt_jane_factors", factors);
    let fixed = section.optional("scrypt_jane_fixed", fixed);
    let epoch_secs = section.optional("odocrypt_epoch_secs", sized(1..=ODOCRYPT_EPOCH_SECS_MAX));
    let passes = section.optional("argon2d_t", sized(1..=u64::from(u8::MAX)));
    let memory_kib = section.optional("argon2d_m_kib", sized(1..=u64::from(u16::MAX)));
    let lanes = section.optional("argon2d_lanes", sized(1..=u64::from(u8::MAX)));
    let named = named?;
    let (algorithm, own): (Algorithm, &[&'static str]) = match named.algorithm {
        Algorithm::Scrypt { log_n: usual_log_n, r: usual_r } => {
            let algorithm = Algorithm::Scrypt { log_n: log_n.unwrap_or(usual_log_n), r: r.unwrap_or(usual_r) };
            (algorithm, &["scrypt_log_n", "scrypt_r"])
        }
        Algorithm::MemoryHard(MemoryHard::ScryptN(usual)) => {
            (Algorithm::MemoryHard(MemoryHard::ScryptN(steps.unwrap_or(usual))), &["scrypt_n_steps"])
        }
        Algorithm::MemoryHard(MemoryHard::ScryptJane(usual)) => {
            let (factor_min, factor_max) = factors.unwrap_or((usual.factor_min, usual.factor_max));
            let chain_start = start.unwrap_or(usual.chain_start);
            let growth = Growth { chain_start, factor_min, factor_max, fixed_from: fixed.or(usual.fixed_from) };
            let own = &["scrypt_jane_start", "scrypt_jane_factors", "scrypt_jane_fixed"];
            (Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)), own)
        }
        Algorithm::Odocrypt { epoch_secs: usual } => {
            (Algorithm::Odocrypt { epoch_secs: epoch_secs.unwrap_or(usual) }, &["odocrypt_epoch_secs"])
        }
        Algorithm::MemoryHard(MemoryHard::Argon2d(usual)) => {
            let (passes, lanes) = (passes.unwrap_or(usual.passes), lanes.unwrap_or(usual.lanes));
            let memory_kib = memory_kib.unwrap_or(usual.memory_kib);
            let argon2d = MemoryHard::Argon2d(Argon2d { passes, memory_kib, lanes, ..usual });
            (Algorithm::MemoryHard(argon2d), &["argon2d_t", "argon2d_m_kib", "argon2d_lanes"])
        }
        other => (other, &[]),
    };
    for key in KEYS {
        if section.has(key) && !own.contains(&key) {
            let remedy = format!("remove it, or choose the algorithm {}", owner(key));
            report.problem(&section.place(key), format!("has no meaning for {}", named.name), remedy);
        }
    }
    // A mistake in one of them is told already.
    let read = [
        log_n.is_some(),
        r.is_some(),
        steps.is_some(),
        start.is_some(),
        factors.is_some(),
        fixed.is_some(),
        epoch_secs.is_some(),
        passes.is_some(),
        memory_kib.is_some(),
        lanes.is_some(),
    ];
    if KEYS.iter().zip(read).any(|(key, read)| section.has(key) && !read) {
        return None;
    }
    computable(report, section, algorithm)
}

fn owner(key: &str) -> &'static str {
    match key {
        "scrypt_log_n" | "scrypt_r" => "scrypt",
        "scrypt_n_steps" => "scrypt-n",
        "odocrypt_epoch_secs" => "odocrypt",
        "argon2d_t" | "argon2d_m_kib" | "argon2d_lanes" => "argon2d-dyn or argon2d-dyn-v13",
        _ => "scrypt-jane",
    }
}

/// Refuses what needs more memory than a hash may have, or for Argon2d less than it must: all its shares would be
/// refused.
fn computable(report: &Report, section: &Section<'_>, algorithm: Algorithm) -> Option<Algorithm> {
    if let Algorithm::MemoryHard(MemoryHard::Argon2d(argon2d)) = algorithm
        && let Err((_, kib, wanted)) = argon2d.check()
    {
        let what = format!("is {kib}, too little for {} lanes", argon2d.lanes);
        report.problem(&section.place("argon2d_m_kib"), what, format!("write {wanted}"));
        return None;
    }
    let today = match algorithm {
        Algorithm::MemoryHard(memory_hard) => memory_hard.check_today(),
        _ => Ok(()),
    };
    match algorithm.check().and(today) {
        Ok(()) => Some(algorithm),
        Err(problem) => {
            let remedy = "choose smaller parameters; a coin that needs these cannot be served";
            report.problem(&section.place("algorithm"), problem.to_string(), remedy);
            None
        }
    }
}

/// Pairs of N and the second from which it holds.
fn steps(value: &DeValue<'_>) -> Result<Steps, Wrong> {
    let remedy =
        "write pairs of N, a power of two, and the Unix second from which it holds: [[2048, 0], [4096, 1456415081]]";
    let log_n = |n: u64| n.is_power_of_two().then(|| u8::try_from(n.ilog2()).ok()).flatten();
    let table: Option<Vec<(u8, u32)>> = list(pair)(value)?
        .into_iter()
        .map(|(n, from)| Some((log_n(n).filter(|log_n| *log_n > 0)?, u32::try_from(from).ok()?)))
        .collect();
    match table.and_then(Steps::new) {
        Some(steps) => Ok(steps),
        None => wrong(format!("is not a table of 1 to {STEPS_MAX} steps"), remedy),
    }
}

/// The least and the greatest N factor.
fn factors(value: &DeValue<'_>) -> Result<(u8, u8), Wrong> {
    match pair(value)? {
        (min, max) if min <= max && max <= FACTOR_MAX => Ok((narrow(min), narrow(max))),
        _ => wrong("are no bounds of the N factor", "write the least and the greatest, 30 at most: [4, 30]"),
    }
}

/// The second from which the N factor is fixed, and the factor.
fn fixed(value: &DeValue<'_>) -> Result<(u32, u8), Wrong> {
    let (from, factor) = pair(value)?;
    match u32::try_from(from) {
        Ok(from) if factor <= FACTOR_MAX => Ok((from, narrow(factor))),
        _ => wrong("is not a second with an N factor", "write the Unix second and the factor: [1446336000, 14]"),
    }
}

fn narrow(factor: u64) -> u8 {
    u8::try_from(factor).unwrap_or(u8::MAX)
}

/// Two whole numbers.
fn pair(value: &DeValue<'_>) -> Result<(u64, u64), Wrong> {
    match list(integer(0..=u64::from(u32::MAX)))(value)?.as_slice() {
        [first, second] => Ok((*first, *second)),
        _ => wrong("must have two numbers", "write them in square brackets: [4, 30]"),
    }
}
