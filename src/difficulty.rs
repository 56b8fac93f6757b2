//! Targets and difficulties: the one place where one becomes the other.
//!
//! A hash, read as a little-endian integer, is a share when it is at most the share target, and a
//! block when it is at most the network target. Both comparisons are exact integers; difficulty is
//! what people and miners see. One unit of *stratum difficulty* is the work of 2^`stratum_bits`
//! hashes, a convention of the algorithm's miners; one unit in MPOS's `shares.difficulty` is
//! 2^`mpos_bits` hashes, a property of MPOS's coin class. Compact targets ("bits") are those of the
//! block header in Bitcoin's serialisation.

use std::fmt;

use crate::bytes::Hash;
use crate::bytes::u256::U256;

/// A number at most which a hash counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target(pub U256);

/// A stratum difficulty: finite and above zero.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Difficulty(f64);

impl Difficulty {
    /// The least difficulty that may be set; below it the share target saturates anyway.
    pub const MIN: Difficulty = Difficulty(1e-12);
    /// The greatest difficulty that may be set: beyond it no hash would ever count.
    pub const MAX: Difficulty = Difficulty(1e30);

    /// A difficulty within [`Difficulty::MIN`] and [`Difficulty::MAX`].
    pub fn new(value: f64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&value).then_some(Self(value))
    }

    /// The difficulty that is nearest to a number.
    pub fn nearest(value: f64) -> Self {
        if value.is_nan() { Self::MIN } else { Self(value.clamp(Self::MIN.0, Self::MAX.0)) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The smaller of two.
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// The larger of two.
    pub fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl fmt::Debug for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The shortest decimal that reads back as the same number, never with an exponent: old miners
/// cannot read one.
impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The target of difficulty 1 for a convention of `stratum_bits`: 0xffff · 2^(240 - bits).
fn difficulty_one(stratum_bits: u8) -> U256 {
    U256::from_u64(0xffff).shift_left(240u32.saturating_sub(u32::from(stratum_bits)))
}

impl Target {
    /// True if `hash` (internal byte order) is at most the target.
    pub fn is_met_by(self, hash: &Hash) -> bool {
        U256::from_le_bytes(hash) <= self.0
    }

    /// The target a block header's `bits` stand for; `None` if negative, zero or beyond 2^256.
    pub fn from_compact(bits: u32) -> Option<Self> {
        let (exponent, mantissa) = (bits >> 24, bits & 0x007f_ffff);
        if bits & 0x0080_0000 != 0 || mantissa == 0 {
            return None;
        }
        let mantissa = U256::from_u64(u64::from(mantissa));
        let value = if exponent <= 3 {
            mantissa.shift_right(8 * (3 - exponent))
        } else {
            let by = 8 * (exponent - 3);
            if mantissa.bits() + by > 256 {
                return None;
            }
            mantissa.shift_left(by)
        };
        (!value.is_zero()).then_some(Self(value))
    }

    /// The share target of a stratum difficulty: the floor of difficulty-1 target over difficulty,
    /// exact for every representable difficulty, at most 2^256 - 1.
    pub fn for_share(difficulty: Difficulty, stratum_bits: u8) -> Self {
        let bits = difficulty.0.to_bits();
        // A difficulty is a normal, positive number: mantissa · 2^exponent, taken apart here.
        let mut mantissa = bits & ((1 << 52) - 1) | 1 << 52;
        let mut exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0) - 1075;
        let zeros = mantissa.trailing_zeros();
        mantissa >>= zeros;
        exponent += i32::try_from(zeros).unwrap_or(0);

        let one = difficulty_one(stratum_bits);
        if exponent >= 0 {
            let shifted = one.shift_right(exponent.unsigned_abs());
            return Self(shifted.div_rem_u64(mantissa).map_or(U256::MAX, |(quotient, _)| quotient));
        }
        let Some((mut quotient, mut rest)) = one.div_rem_u64(mantissa) else { return Self(U256::MAX) };
        for _ in 0..exponent.unsigned_abs() {
            if quotient.bits() == 256 {
                return Self(U256::MAX);
            }
            quotient = quotient.shift_left(1);
            // The mantissa has at most 53 bits, so doubling the remainder cannot overflow.
            rest *= 2;
            if rest >= mantissa {
                rest -= mantissa;
                quotient.0[0] |= 1;
            }
        }
        Self(quotient)
    }

    /// The target with `ppm` parts per million on top, rounded down, at most 2^256 - 1.
    pub fn loosened(self, ppm: u32) -> Self {
        const MILLION: u64 = 1_000_000;
        let Some((whole, rest)) = self.0.div_rem_u64(MILLION) else { return self };
        // The rest is below a million and the share of it below 2^32, so this fits.
        let extra = whole.mul_u64(u64::from(ppm)).and_then(|share| share.add_u64(rest * u64::from(ppm) / MILLION));
        Self(extra.and_then(|extra| self.0.checked_add(extra)).unwrap_or(U256::MAX))
    }

    /// How much harder this target is than difficulty 1, as a floating-point number for display and
    /// statistics. Never used to decide anything.
    pub fn difficulty(self, stratum_bits: u8) -> f64 {
        difficulty_one(stratum_bits).to_f64() / self.0.to_f64().max(1.0)
    }
}

/// The difficulty a hash happens to have; for the audit log and display.
pub fn difficulty_of_hash(hash: &Hash, stratum_bits: u8) -> f64 {
    Target(U256::from_le_bytes(hash)).difficulty(stratum_bits)
}

/// What a stratum difficulty is multiplied with to become MPOS's `shares.difficulty`:
/// 2^(`stratum_bits` - `mpos_bits`).
pub fn mpos_factor(stratum_bits: u8, mpos_bits: u8) -> f64 {
    2f64.powi(i32::from(stratum_bits) - i32::from(mpos_bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(target: Target) -> String {
        let mut bytes = target.0.to_le_bytes();
        bytes.reverse();
        crate::bytes::hex::encode(&bytes)
    }

    #[test]
    fn compact_targets_of_real_headers() {
        // Bitcoin's genesis block, its block 100,000 and the regtest limit.
        let genesis = Target::from_compact(0x1d00_ffff).unwrap();
        assert_eq!(hex(genesis), format!("00000000ffff{}", "0".repeat(52)));
        let later = Target::from_compact(0x1b04_864c).unwrap();
        assert_eq!(hex(later), format!("000000000004864c{}", "0".repeat(48)));
        assert!((later.difficulty(32) - 14_484.162_361).abs() < 1e-5);
        let regtest = Target::from_compact(0x207f_ffff).unwrap();
        assert_eq!(hex(regtest), format!("7fffff{}", "0".repeat(58)));
        for bad in [0, 0x1d80_ffff, 0x2300_0001 | 0x0010_0000, 0xff12_3456, 0x0100_0000] {
            assert_eq!(Target::from_compact(bad), None, "{bad:08x}");
        }
    }

    #[test]
    fn share_targets_of_known_difficulties() {
        let share = |difficulty, bits| hex(Target::for_share(Difficulty::new(difficulty).unwrap(), bits));
        assert_eq!(share(1.0, 32), format!("00000000ffff{}", "0".repeat(52)));
        assert_eq!(share(1.0, 16), format!("0000ffff{}", "0".repeat(56)));
        assert_eq!(share(16.0, 16), format!("00000ffff{}", "0".repeat(55)));
        assert_eq!(share(0.5, 32), format!("00000001fffe{}", "0".repeat(52)));
        // 0xffff·2^208 / 7, floored.
        assert_eq!(share(7.0, 32), "0000000024922492492492492492492492492492492492492492492492492492");
        assert_eq!(share(1e-12, 16), "f".repeat(64));
    }

    #[test]
    fn a_hash_at_the_target_counts_and_one_above_does_not() {
        let target = Target::for_share(Difficulty::new(1024.0).unwrap(), 32);
        let at = target.0.to_le_bytes();
        let mut above = target.0;
        above.0[0] += 1;
        assert!(target.is_met_by(&at));
        assert!(!target.is_met_by(&above.to_le_bytes()));
    }

    #[test]
    fn factors_of_the_contract() {
        for (stratum, mpos, factor) in
            [(32, 32, 1.0), (16, 16, 1.0), (32, 24, 256.0), (25, 24, 2.0), (16, 24, 1.0 / 256.0)]
        {
            assert_eq!(mpos_factor(stratum, mpos), factor);
        }
    }

    proptest! {
        #[test]
        fn a_share_target_is_the_exact_floor(difficulty in 1e-9f64..1e18, bits in 16u8..=32) {
            let target = Target::for_share(Difficulty::new(difficulty).unwrap(), bits);
            let back = target.difficulty(bits);
            // Going back loses at most the floor, which matters only for tiny targets, and rounding.
            if target.0 != U256::MAX {
                prop_assert!((back / difficulty - 1.0).abs() < 1e-9, "{difficulty} -> {back}");
            }
        }

        #[test]
        fn harder_is_never_easier(a in 1e-9f64..1e18, b in 1e-9f64..1e18) {
            let of = |d| Target::for_share(Difficulty::new(d).unwrap(), 32);
            prop_assert_eq!(a < b, of(a) > of(b) || (a < b && of(a) == of(b)));
        }

        #[test]
        fn the_wire_text_reads_back_as_the_same_number(difficulty in 1e-12f64..1e30) {
            let text = Difficulty::new(difficulty).unwrap().to_string();
            prop_assert!(!text.contains('e'));
            prop_assert_eq!(text.parse::<f64>().unwrap(), difficulty);
        }
    }
}
