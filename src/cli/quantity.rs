//! Points and lengths of time, and quantities, as people write and read them.

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

/// A second as people and spreadsheets read it: `2026-11-21 06:40:34`, UTC.
pub(super) fn utc(unix_secs: u64) -> String {
    let (days, second) = (unix_secs / 86_400, unix_secs % 86_400);
    // Days since 0000-03-01, then eras of 400 years (the civil calendar counted from March).
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_readable() {
        for (second, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(utc(second), text);
        }
    }

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
