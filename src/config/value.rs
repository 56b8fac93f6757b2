//! A TOML value into a Rust value, with bounds. Every function here answers what is wrong with the
//! value and what would be right; the place is added by the caller.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::difficulty::Difficulty;

/// Why a value cannot be used.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// A mistake and what to do about it.
pub(super) fn wrong<T>(what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { what: what.into(), remedy: remedy.into() })
}

/// Text.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => wrong(format!("must be text, not {}", article(value)), "put it in double quotes"),
    }
}

/// Text with something in it.
pub(super) fn nonempty(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if text.trim().is_empty() {
        return wrong("is empty", "give it a value");
    }
    Ok(text)
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    match value.as_bool() {
        Some(value) => Ok(value),
        None => wrong(format!("must be true or false, not {}", article(value)), "write true or false without quotes"),
    }
}

/// A whole number within bounds.
pub(super) fn integer(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, Wrong> {
    move |value| {
        let remedy = format!("choose a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(number) = value.as_integer() else {
            return wrong(format!("must be a whole number, not {}", article(value)), remedy);
        };
        match i128::from_str_radix(number.as_str(), number.radix()).map(u64::try_from) {
            Ok(Ok(number)) if bounds.contains(&number) => Ok(number),
            _ => wrong("is out of bounds", remedy),
        }
    }
}

/// A whole number within bounds, of a type that holds them all.
pub(super) fn sized<T: TryFrom<u64>>(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong> {
    let read = integer(bounds);
    move |value| {
        T::try_from(read(value)?).or_else(|_| wrong("is too large for this machine", "choose a smaller number"))
    }
}

/// Whole seconds.
pub(super) fn secs(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<Duration, Wrong> {
    let read = integer(bounds);
    move |value| read(value).map(Duration::from_secs)
}

/// Whole milliseconds.
pub(super) fn millis(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<Duration, Wrong> {
    let read = integer(bounds);
    move |value| read(value).map(Duration::from_millis)
}

/// Whole hours.
pub(super) fn hours(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<Duration, Wrong> {
    let read = integer(bounds);
    move |value| read(value).map(|hours| Duration::from_secs(hours * 3600))
}

/// Whole mebibytes, as bytes.
pub(super) fn mebibytes(bounds: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, Wrong> {
    let read = integer(bounds);
    move |value| read(value).map(|mebibytes| mebibytes << 20)
}

/// A number, whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| number.to_string().parse().ok())
        }
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// A percentage that is above 0 and below 100, as a fraction.
pub(super) fn percent(value: &DeValue<'_>) -> Result<f64, Wrong> {
    match number(value) {
        Some(percent) if percent > 0.0 && percent < 100.0 => Ok(percent / 100.0),
        _ => wrong("is not a percentage above 0 and below 100", "30 is usual"),
    }
}

/// A stratum difficulty.
pub(super) fn difficulty(value: &DeValue<'_>) -> Result<Difficulty, Wrong> {
    match number(value).and_then(Difficulty::new) {
        Some(difficulty) => Ok(difficulty),
        None => wrong(
            "is not a valid difficulty: it must be a finite number above zero",
            format!("choose a number from {:e} to {:e}", Difficulty::MIN.get(), Difficulty::MAX.get()),
        ),
    }
}

/// A list whose items are all read by `item`.
pub(super) fn list<T>(
    item: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
) -> impl Fn(&DeValue<'_>) -> Result<Vec<T>, Wrong> {
    move |value| match value.as_array() {
        Some(items) => items.iter().map(|value| item(value.get_ref())).collect(),
        None => wrong(format!("must be a list, not {}", article(value)), "put it in square brackets"),
    }
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, Wrong> {
    move |value| match words.iter().find(|(word, _)| value.as_str() == Some(word)) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            wrong("is not one of the allowed values", format!("choose one of {}", words.join(", ")))
        }
    }
}

/// Up to four bytes in hexadecimal, as a number.
pub(super) fn hex_u32(value: &DeValue<'_>) -> Result<u32, Wrong> {
    match value.as_str() {
        Some(digits) if digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).or_else(|_| wrong("is not a hexadecimal number", "write eight digits"))
        }
        _ => wrong(
            "is not a mask of eight hexadecimal digits",
            "write for example \"1fffe000\", in quotes and without 0x",
        ),
    }
}

/// An address and port to listen on.
pub(super) fn listen(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    const REMEDY: &str =
        "write an IP address and a port, such as \"0.0.0.0:3333\", \"192.0.2.7:3333\" or \"[::]:3333\"";
    let text = text(value)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        return wrong("is not an IP address with a port", REMEDY);
    };
    let unusable = match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    };
    if unusable {
        return wrong("is a multicast or broadcast address, on which nobody can listen", REMEDY);
    }
    Ok(address)
}

/// What a value is, for "not ...".
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text in quotes",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Whether a text may be a host alone: an address, or a name without a port or a path.
pub fn is_host(text: &str) -> bool {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    is_address || !text.is_empty() && !text.contains([':', '/', ' ', '['])
}
