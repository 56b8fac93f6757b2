//! Targets, worked out bit by bit on big-endian bytes: slow, plain and unlike the daemon's way.

/// A number of 256 bits, most significant byte first.
pub type Target = [u8; 32];

/// The largest target there is: every hash meets it.
pub const EVERYTHING: Target = [0xff; 32];

/// The share target of a stratum difficulty: the floor of `0xffff * 2^(240 - bits) / difficulty`.
///
/// The difficulty is taken as the exact binary fraction it is; a quotient beyond 256 bits becomes
/// [`EVERYTHING`]. A difficulty that is not above zero has no target.
pub fn of_difficulty(difficulty: f64, difficulty_one_bits: u32) -> Option<Target> {
    if !difficulty.is_normal() || difficulty < 0.0 {
        return None;
    }
    // difficulty = divisor * 2^exponent
    let pattern = difficulty.to_bits();
    let divisor = u128::from(pattern & 0x000f_ffff_ffff_ffff | 0x0010_0000_0000_0000);
    let exponent = i64::try_from(pattern >> 52).ok()? - 1075;

    // The dividend is 0xffff with `zeros` binary zeros behind it (or some of its ones cut off).
    let zeros = 240 - i64::from(difficulty_one_bits) - exponent;
    let length = usize::try_from(16 + zeros).unwrap_or(0);
    let (mut quotient, mut remainder) = ([0u8; 32], 0u128);
    for at in 0..length {
        remainder = remainder << 1 | u128::from(at < 16);
        if quotient[0] & 0x80 != 0 {
            return Some(EVERYTHING);
        }
        let digit = remainder >= divisor;
        if digit {
            remainder -= divisor;
        }
        double_and_add(&mut quotient, digit);
    }
    Some(quotient)
}

/// `value = 2 * value + digit`, dropping what leaves at the top.
fn double_and_add(value: &mut Target, digit: bool) {
    let mut carry = u8::from(digit);
    for byte in value.iter_mut().rev() {
        let top = *byte >> 7;
        *byte = *byte << 1 | carry;
        carry = top;
    }
}

/// The target that a header's `bits` stand for; `None` if negative, zero or too large.
pub fn of_bits(bits: u32) -> Option<Target> {
    let [size, rest @ ..] = bits.to_be_bytes();
    if rest[0] & 0x80 != 0 {
        return None;
    }
    let mut target = [0u8; 32];
    // The first of the three mantissa bytes stands `size` bytes above the low end.
    for (offset, byte) in rest.into_iter().enumerate() {
        let Some(place) = (32 + offset).checked_sub(usize::from(size)) else {
            if byte != 0 {
                return None;
            }
            continue;
        };
        // A small size pushes low mantissa bytes below the point: they are dropped.
        if let Some(slot) = target.get_mut(place) {
            *slot = byte;
        }
    }
    (target != [0; 32]).then_some(target)
}

/// Whether `hash` (internal byte order, which is little-endian) is at most `target`.
pub fn is_met(target: &Target, hash: &[u8; 32]) -> bool {
    let mut number = *hash;
    number.reverse();
    number <= *target
}
