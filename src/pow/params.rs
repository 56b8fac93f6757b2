//! Parameters of an algorithm as known vectors and the command line write them: `N`, `r`, `nfactor`
//! and the like. (The configuration has keys of its own for what coins differ in.)

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::Named;
use super::{Algorithm, MemoryHard};

/// Names and values.
pub type Params = BTreeMap<String, Value>;

/// Why parameters cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// The algorithm has no such parameter.
    #[error("{algorithm} has no parameter {name}; it has: {has}")]
    Unknown {
        /// Our name of the algorithm.
        algorithm: &'static str,
        /// The parameter.
        name: String,
        /// Those it has.
        has: &'static str,
    },
    /// The value is of no use.
    #[error("{name} = {value}: must be {wanted}")]
    Value {
        /// The parameter.
        name: String,
        /// As it was written.
        value: String,
        /// What would do.
        wanted: &'static str,
    },
    /// The parameters are right, but too large for this program.
    #[error(transparent)]
    Unsupported(#[from] super::UnsupportedParameters),
}

/// Why an algorithm cannot have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// There is none of this name; these are there.
    Unknown {
        /// Their names.
        has: &'static str,
    },
    /// The value must be this.
    Value(&'static str),
}

/// A whole number, bare or as text.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// The algorithm of a row with these parameters instead of its usual ones.
///
/// # Errors
/// A parameter that the algorithm does not have, or a value that it cannot have.
pub fn with(named: &Named, params: &Params) -> Result<Algorithm, ParamsError> {
    let mut algorithm = named.algorithm;
    for (name, value) in params {
        let wrong = |wanted| ParamsError::Value { name: name.clone(), value: value.to_string(), wanted };
        let number = || whole(value);
        let known: &'static str = match &mut algorithm {
            Algorithm::Scrypt { log_n, r } => match name.as_str() {
                "N" => {
                    let n = number().filter(|n| n.is_power_of_two() && *n > 1);
                    let log = n.and_then(|n| u8::try_from(n.trailing_zeros()).ok());
                    *log_n = log.ok_or_else(|| wrong("a power of two above 1"))?;
                    continue;
                }
                "r" => {
                    let size = number().filter(|size| *size > 0).and_then(|size| u32::try_from(size).ok());
                    *r = size.ok_or_else(|| wrong("a whole number above 0"))?;
                    continue;
                }
                "p" if number() == Some(1) => continue,
                "p" => return Err(wrong("1")),
                _ => "N, r, p",
            },
            Algorithm::MemoryHard(memory_hard) => match memory_hard.set(name, value) {
                Ok(()) => continue,
                Err(Unset::Value(wanted)) => return Err(wrong(wanted)),
                Err(Unset::Unknown { has }) => has,
            },
            Algorithm::Odocrypt { epoch_secs } => match name.as_str() {
                "epoch_secs" => {
                    let secs = number().and_then(|secs| u32::try_from(secs).ok()).filter(|secs| *secs > 0);
                    *epoch_secs = secs.ok_or_else(|| wrong("a whole number of seconds above 0"))?;
                    continue;
                }
                // The formula, as vectors write it: "nTime - nTime % 864000 (main net)".
                "key" => {
                    let formula = value.as_str().and_then(|text| text.strip_prefix("nTime - nTime % "));
                    let digits = formula.and_then(|rest| rest.split(' ').next());
                    let secs = digits.and_then(|digits| digits.parse().ok()).filter(|secs| *secs > 0);
                    *epoch_secs = secs.ok_or_else(|| wrong("\"nTime - nTime % SECONDS\""))?;
                    continue;
                }
                _ => "epoch_secs",
            },
            _ => "none",
        };
        return Err(ParamsError::Unknown { algorithm: named.name, name: name.clone(), has: known });
    }
    if let Algorithm::MemoryHard(MemoryHard::Argon2d(argon2d)) = algorithm {
        argon2d.check().map_err(|(name, value, wanted)| ParamsError::Value { name: name.to_owned(), value, wanted })?;
    }
    algorithm.check()?;
    Ok(algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::{Argon2d, MemoryHard, names};

    fn read(algorithm: &str, params: &str) -> Result<Algorithm, String> {
        let params = serde_json::from_str(params).unwrap();
        with(names::find(algorithm).unwrap(), &params).map_err(|problem| problem.to_string())
    }

    #[test]
    fn parameters_replace_the_usual_ones() {
        assert_eq!(read("scrypt", r#"{"N":2048,"r":"2","p":1}"#), Ok(Algorithm::Scrypt { log_n: 11, r: 2 }));
        assert_eq!(read("scrypt", "{}"), Ok(Algorithm::Scrypt { log_n: 10, r: 1 }));
        let day = Ok(Algorithm::Odocrypt { epoch_secs: 86_400 });
        assert_eq!(read("odocrypt", r#"{"epoch_secs":86400}"#), day);
        assert_eq!(read("odo", r#"{"key":"nTime - nTime % 86400 (test net)"}"#), day);
        let lighter = Argon2d { v13: true, passes: 1, memory_kib: 250, lanes: 4 };
        assert_eq!(
            read("argon2d-dyn", r#"{"t":1,"m_kib":"250","lanes":4,"version":"0x13","salt":"= input"}"#),
            Ok(Algorithm::MemoryHard(MemoryHard::Argon2d(lighter)))
        );
        assert_eq!(read("nist5", "{}"), Ok(names::find("nist5").unwrap().algorithm));
    }

    #[test]
    fn what_cannot_be_a_parameter_is_refused_with_what_can() {
        for (algorithm, params, told) in [
            ("sha256d", r#"{"N":2048}"#, "sha256d has no parameter N; it has: none"),
            ("scrypt", r#"{"nfactor":4}"#, "scrypt has no parameter nfactor; it has: N, r, p"),
            ("odocrypt", r#"{"epoch_secs":0}"#, "epoch_secs = 0: must be a whole number of seconds above 0"),
            ("odocrypt", r#"{"key":"nTime"}"#, "key = \"nTime\": must be"),
            ("scrypt", r#"{"N":1000}"#, "N = 1000: must be a power of two above 1"),
            ("scrypt", r#"{"r":-1}"#, "r = -1: must be a whole number above 0"),
            ("scrypt", r#"{"p":2}"#, "p = 2: must be 1"),
            ("argon2d-dyn", r#"{"N":2}"#, "argon2d-dyn has no parameter N; it has: t, m_kib, lanes, version, salt"),
            ("argon2d-dyn", r#"{"m_kib":"banana"}"#, "m_kib = \"banana\": must be a whole number up to 65535, "),
            ("argon2d-dyn", r#"{"m_kib":63}"#, "m_kib = 63: must be"),
            ("argon2d-dyn", r#"{"t":0}"#, "t = 0: must be"),
            ("argon2d-dyn", r#"{"version":"0x12"}"#, "version = \"0x12\": must be \"0x10\" or \"0x13\""),
            ("argon2d-dyn", r#"{"salt":"salt"}"#, "salt = \"salt\": must be \"= input\""),
            ("scrypt", r#"{"r":65}"#, "scrypt with log_n 10 and r 65 is not supported"),
            ("scrypt", r#"{"N":1073741824}"#, "scrypt with log_n 30 and r 1 is not supported"),
        ] {
            let problem = read(algorithm, params).unwrap_err();
            assert!(problem.starts_with(told), "{problem}");
        }
    }
}
