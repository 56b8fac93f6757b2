//! Lengths of time and quantities as people write them.

/// Seconds of `90`, `90s`, `15m`, `12h`, `7d` or `4w`.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        other => return Err(format!("no unit {other:?}: s, m, h, d or w")),
    };
    let number: u64 = digits.parse().map_err(|_| "a whole number and a unit, as 12h".to_owned())?;
    number.checked_mul(unit).filter(|secs| *secs > 0).ok_or_else(|| "no such length of time".to_owned())
}

/// `3 s`, `5 min`, `2 h 10 min`, `4 d 3 h`.
pub(super) fn shown(secs: u64) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => two(secs / 60, "min", secs % 60, "s"),
        3600..86_400 => two(secs / 3600, "h", secs % 3600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3600, "h"),
    }
}

/// Hashes per second with the unit that fits.
pub(super) fn hash_rate(per_sec: f64) -> String {
    let (mut rate, mut unit) = (per_sec, "H/s");
    for larger in ["kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s", "ZH/s"] {
        if rate < 1000.0 {
            break;
        }
        (rate, unit) = (rate / 1000.0, larger);
    }
    let digits = if rate < 10.0 { 2 } else { 1 };
    format!("{rate:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_shown() {
        for (text, secs, back) in [
            ("90", 90, "1 min 30 s"),
            ("45s", 45, "45 s"),
            ("15m", 900, "15 min"),
            ("12h", 43_200, "12 h"),
            ("7d", 604_800, "7 d"),
            ("2w", 1_209_600, "14 d"),
        ] {
            assert_eq!((seconds(text), shown(secs).as_str()), (Ok(secs), back));
        }
        for wrong in ["", "h", "0", "-1", "1.5h", "3y", "99999999999999999999", "9999999999999999999w"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hash_rates_have_their_unit() {
        for (rate, shown) in [
            (0.0, "0.00 H/s"),
            (999.0, "999.0 H/s"),
            (1e3, "1.00 kH/s"),
            (1.234e12, "1.23 TH/s"),
            (5e24, "5000.0 ZH/s"),
        ] {
            assert_eq!(hash_rate(rate), shown);
        }
    }
}
