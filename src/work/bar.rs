//! The bar a share has to clear: a difficulty with its exact targets, worked out once per change of
//! difficulty and shared by all jobs that are sent with it.

use crate::bytes::Hash;
use crate::difficulty::{Difficulty, Target};

/// A difficulty and the hashes that meet it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    difficulty: Difficulty,
    target: Target,
    /// The target with the tolerance on top.
    tolerated: Target,
}

/// How well a hash meets a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// At most the target.
    Exactly,
    /// Above it, but by no more than the tolerance: some miners compute their target with rounded
    /// numbers.
    Tolerated,
    /// Not at all.
    Missed,
}

impl Bar {
    /// The bar of `difficulty` where one unit is 2^`stratum_bits` hashes; `tolerance_ppm` parts per
    /// million are allowed above its target.
    pub fn new(difficulty: Difficulty, stratum_bits: u8, tolerance_ppm: u32) -> Self {
        let target = Target::for_share(difficulty, stratum_bits);
        Self { difficulty, target, tolerated: target.loosened(tolerance_ppm) }
    }

    /// Its difficulty, which is what a share is credited with.
    pub fn difficulty(&self) -> Difficulty {
        self.difficulty
    }

    /// Holds a hash against it.
    pub fn check(&self, pow: &Hash) -> Met {
        if self.target.is_met_by(pow) {
            Met::Exactly
        } else if self.tolerated.is_met_by(pow) {
            Met::Tolerated
        } else {
            Met::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::u256::U256;

    #[test]
    fn the_tolerance_has_an_exact_end() {
        let bar = Bar::new(Difficulty::new(1.0).unwrap(), 32, 5000);
        let target = Target::for_share(bar.difficulty(), 32).0;
        // 0xffff·2^208 · 1.005, floored: 65535 · 1005 / 1000 = 65862.675.
        let (whole, rest) = target.div_rem_u64(1000).unwrap();
        let mut end = U256::ZERO;
        let carry = rest * 1005 / 1000;
        for _ in 0..1005 {
            let (mut sum, mut over) = (U256::ZERO, false);
            for limb in 0..4 {
                let (a, first) = end.0[limb].overflowing_add(whole.0[limb]);
                let (b, second) = a.overflowing_add(u64::from(over));
                sum.0[limb] = b;
                over = first || second;
            }
            end = sum;
        }
        end.0[0] += carry;
        let above = U256([end.0[0] + 1, end.0[1], end.0[2], end.0[3]]);
        assert_eq!(bar.check(&target.to_le_bytes()), Met::Exactly);
        assert_eq!(bar.check(&U256([1, target.0[1], target.0[2], target.0[3]]).to_le_bytes()), Met::Tolerated);
        assert_eq!(bar.check(&end.to_le_bytes()), Met::Tolerated);
        assert_eq!(bar.check(&above.to_le_bytes()), Met::Missed);
        let strict = Bar::new(Difficulty::new(1.0).unwrap(), 32, 0);
        assert_eq!(strict.check(&U256([1, target.0[1], target.0[2], target.0[3]]).to_le_bytes()), Met::Missed);
    }
}
