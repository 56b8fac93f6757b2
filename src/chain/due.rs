//! How much of a reward somebody is due.

use std::fmt;

use super::destination::WHOLE_PPM;

/// How much of what a coinbase pays somebody is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So much, in the coin's smallest unit.
    Amount(u64),
    /// So many millionths of the whole, rounded down.
    SharePpm(u32),
}

impl Due {
    /// What that is of a coinbase that pays `value` in all.
    pub fn of(self, value: u64) -> u64 {
        match self {
            Self::Amount(amount) => amount,
            Self::SharePpm(share_ppm) => {
                let share = u128::from(value) * u128::from(share_ppm) / u128::from(WHOLE_PPM);
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        }
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => write!(f, "{amount} units"),
            Self::SharePpm(share_ppm) => write!(f, "{} %", f64::from(*share_ppm) / 10_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_down_and_amounts_are_what_they_are() {
        assert_eq!(Due::SharePpm(25_000).of(5_000_000_039), 125_000_000);
        assert_eq!(Due::SharePpm(25_000).of(5_000_000_040), 125_000_001);
        assert_eq!(Due::SharePpm(1).of(999_999), 0);
        assert_eq!(Due::SharePpm(999_999).of(u64::MAX), 18_446_725_626_965_477_905);
        assert_eq!((Due::Amount(7).of(0), Due::Amount(u64::MAX).of(1)), (7, u64::MAX));
        assert_eq!(format!("{}, {}", Due::SharePpm(25_000), Due::Amount(7)), "2.5 %, 7 units");
    }
}
