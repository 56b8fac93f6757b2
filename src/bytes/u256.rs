//! Unsigned 256-bit integers: just what targets need, exact and without a panic on any input.

/// An unsigned 256-bit integer as four 64-bit limbs, least significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct U256(pub [u64; 4]);

impl U256 {
    /// Zero.
    pub const ZERO: U256 = U256([0; 4]);
    /// 2^256 - 1.
    pub const MAX: U256 = U256([u64::MAX; 4]);

    /// The number whose little-endian bytes these are; a hash in internal order is compared so.
    pub fn from_le_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(chunk);
            *limb = u64::from_le_bytes(eight);
        }
        U256(limbs)
    }

    /// Little-endian bytes.
    pub fn to_le_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// A small number.
    pub const fn from_u64(value: u64) -> Self {
        U256([value, 0, 0, 0])
    }

    /// True for zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// How many bits are needed to write the number; 0 for zero.
    pub fn bits(self) -> u32 {
        [(192, self.0[3]), (128, self.0[2]), (64, self.0[1]), (0, self.0[0])]
            .into_iter()
            .find(|(_, limb)| *limb != 0)
            .map_or(0, |(below, limb)| below + 64 - limb.leading_zeros())
    }

    /// `self << by`; bits above 2^256 are lost.
    pub fn shift_left(self, by: u32) -> Self {
        let (words, bits) = ((by / 64) as usize, by % 64);
        let mut out = [0; 4];
        for index in (0..4usize).rev() {
            let Some(from) = index.checked_sub(words) else { break };
            out[index] = self.0[from] << bits;
            if bits > 0 && from > 0 {
                out[index] |= self.0[from - 1] >> (64 - bits);
            }
        }
        U256(out)
    }

    /// `self >> by`.
    pub fn shift_right(self, by: u32) -> Self {
        let (words, bits) = ((by / 64) as usize, by % 64);
        let mut out = [0; 4];
        for (index, limb) in out.iter_mut().enumerate() {
            let Some(&from) = self.0.get(index + words) else { break };
            *limb = from >> bits;
            if bits > 0
                && let Some(next) = self.0.get(index + words + 1)
            {
                *limb |= next << (64 - bits);
            }
        }
        U256(out)
    }

    /// The sum; `None` beyond 2^256 - 1.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut out = [0; 4];
        let mut carry = 0u128;
        for ((out, a), b) in out.iter_mut().zip(self.0).zip(other.0) {
            let sum = u128::from(a) + u128::from(b) + carry;
            *out = low_limb(sum);
            carry = sum >> 64;
        }
        (carry == 0).then_some(U256(out))
    }

    /// The sum with a small number; `None` beyond 2^256 - 1.
    pub fn add_u64(self, other: u64) -> Option<Self> {
        self.checked_add(Self::from_u64(other))
    }

    /// The product with a small number; `None` beyond 2^256 - 1.
    pub fn mul_u64(self, factor: u64) -> Option<Self> {
        let mut out = [0; 4];
        let mut carry = 0u128;
        for (out, limb) in out.iter_mut().zip(self.0) {
            // At most (2^64 - 1)^2 + 2^64 - 1, which is below 2^128.
            let product = u128::from(limb) * u128::from(factor) + carry;
            *out = low_limb(product);
            carry = product >> 64;
        }
        (carry == 0).then_some(U256(out))
    }

    /// Quotient and remainder by a 64-bit divisor; `None` for division by zero.
    pub fn div_rem_u64(self, divisor: u64) -> Option<(Self, u64)> {
        if divisor == 0 {
            return None;
        }
        let mut out = [0; 4];
        let mut rest = 0u128;
        for index in (0..4).rev() {
            let part = rest << 64 | u128::from(self.0[index]);
            // The remainder is below the divisor, so the quotient fits one limb.
            out[index] = u64::try_from(part / u128::from(divisor)).unwrap_or(u64::MAX);
            rest = part % u128::from(divisor);
        }
        Some((U256(out), u64::try_from(rest).unwrap_or(u64::MAX)))
    }

    /// The nearest floating-point number; exact to 53 bits, for display and statistics.
    pub fn to_f64(self) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, &limb| sum * 18_446_744_073_709_551_616.0 + limb as f64)
    }
}

/// The lower half.
fn low_limb(wide: u128) -> u64 {
    u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

impl PartialOrd for U256 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for U256 {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_products_are_exact_or_nothing() {
        let carried = U256([u64::MAX, u64::MAX, 7, 0]);
        assert_eq!(carried.add_u64(1), Some(U256([0, 0, 8, 0])));
        assert_eq!(carried.mul_u64(2), Some(U256([u64::MAX - 1, u64::MAX, 15, 0])));
        assert_eq!(U256::MAX.add_u64(1), None);
        assert_eq!(U256::MAX.mul_u64(2), None);
        assert_eq!(U256([0, 0, 0, 1]).mul_u64(u64::MAX), Some(U256([0, 0, 0, u64::MAX])));
    }

    #[test]
    fn compares_by_the_most_significant_limb_first() {
        assert!(U256([0, 0, 0, 1]) > U256([u64::MAX, u64::MAX, u64::MAX, 0]));
        assert!(U256([1, 0, 0, 0]) < U256([2, 0, 0, 0]));
        assert_eq!(U256::from_le_bytes(&U256([1, 2, 3, 4]).to_le_bytes()), U256([1, 2, 3, 4]));
    }

    #[test]
    fn shifts_cross_limbs_and_fall_off_the_ends() {
        let one = U256::from_u64(1);
        for by in 0..256 {
            assert_eq!(one.shift_left(by).bits(), by + 1);
            assert_eq!(one.shift_left(by).shift_right(by), one);
        }
        assert_eq!(one.shift_left(256), U256::ZERO);
        assert_eq!(one.shift_right(1), U256::ZERO);
        assert_eq!(U256::MAX.shift_left(8).shift_right(8), U256::MAX.shift_right(8));
    }

    #[test]
    fn divides_exactly() {
        let value = U256([7, 11, 13, 17]);
        let (quotient, rest) = value.div_rem_u64(1000).unwrap();
        // Multiply back by long addition.
        let mut carry = u128::from(rest);
        let mut back = [0; 4];
        for (index, limb) in quotient.0.iter().enumerate() {
            let sum = u128::from(*limb) * 1000 + carry;
            back[index] = sum as u64;
            carry = sum >> 64;
        }
        assert_eq!((U256(back), carry), (value, 0));
        assert_eq!(value.div_rem_u64(0), None);
    }
}
