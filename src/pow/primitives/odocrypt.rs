//! OdoCrypt, DigiByte's proof of work that changes itself: a block cipher over the 80 bytes of a header whose S-boxes, bit
//! permutations, rotations and round keys are drawn from a generator seeded by the date, and Keccak-p[800] behind it.
//! There is no specification but the coin's code (`src/crypto/odocrypt.cpp`, 2018).

const STATE_BYTES: usize = 80;
const STATE_WORDS: usize = 10;
const ROUNDS: usize = 84;
/// Bits in and out of the small and the large S-boxes; one of each stands four times in a word.
const SMALL_BITS: u32 = 6;
const LARGE_BITS: u32 = 10;
const PAIRS_PER_WORD: usize = 4;
const SMALL_COUNT: usize = STATE_WORDS * PAIRS_PER_WORD;
/// Layers of a bit permutation, and the step by which it moves words.
const SUBROUNDS: usize = 6;
const SHUFFLE: usize = 3;
const ROTATIONS: usize = 6;

type State = [u64; STATE_WORDS];

/// Knuth's generator, of which the 1st, 3rd, 6th, 10th ... number is taken, so that no two seeds share a sequence.
struct Random {
    current: u64,
    multiplicand: u64,
    addend: u64,
}

impl Random {
    const MULTIPLICAND: u64 = 6_364_136_223_846_793_005;
    const ADDEND: u64 = 1_442_695_040_888_963_407;

    fn new(seed: u32) -> Self {
        Self { current: u64::from(seed), multiplicand: 1, addend: 0 }
    }

    fn next(&mut self) -> u32 {
        self.addend = self.addend.wrapping_add(self.multiplicand.wrapping_mul(Self::ADDEND));
        self.multiplicand = self.multiplicand.wrapping_mul(Self::MULTIPLICAND);
        self.current = self.current.wrapping_mul(self.multiplicand).wrapping_add(self.addend);
        (self.current >> 32) as u32
    }

    fn next_long(&mut self) -> u64 {
        let high = u64::from(self.next());
        high << 32 | u64::from(self.next())
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(bound)) >> 32) as u32
    }

    /// The numbers from zero on, shuffled.
    fn permutation<const N: usize>(&mut self) -> [u16; N] {
        let mut numbers = std::array::from_fn(|index| index as u16);
        for index in 1..N {
            let other = self.below(index as u32 + 1) as usize;
            numbers.swap(index, other);
        }
        numbers
    }
}

/// A permutation of the state's bits: swaps within pairs of words, moves of words, rotations of every other one.
#[derive(Debug, Clone)]
struct BitPermutation {
    masks: [[u64; STATE_WORDS / 2]; SUBROUNDS],
    rotations: [[u32; STATE_WORDS / 2]; SUBROUNDS - 1],
}

impl BitPermutation {
    fn draw(random: &mut Random) -> Self {
        let masks = std::array::from_fn(|_| std::array::from_fn(|_| random.next_long()));
        let rotations = std::array::from_fn(|_| std::array::from_fn(|_| random.below(63) + 1));
        Self { masks, rotations }
    }

    fn apply(&self, state: &mut State) {
        for (index, masks) in self.masks.iter().enumerate() {
            for (pair, mask) in state.as_chunks_mut::<2>().0.iter_mut().zip(masks) {
                let swapped = mask & (pair[0] ^ pair[1]);
                *pair = [pair[0] ^ swapped, pair[1] ^ swapped];
            }
            let Some(rotations) = self.rotations.get(index) else { return };
            let before = *state;
            for (from, word) in before.into_iter().enumerate() {
                state[SHUFFLE * from % STATE_WORDS] = word;
            }
            for (pair, by) in state.as_chunks_mut::<2>().0.iter_mut().zip(rotations) {
                pair[0] = pair[0].rotate_left(*by);
            }
        }
    }
}

/// The cipher of one key. About 25 KiB.
#[derive(Debug, Clone)]
pub struct OdoCrypt {
    small: Vec<[u16; 1 << SMALL_BITS]>,
    large: Vec<[u16; 1 << LARGE_BITS]>,
    before: BitPermutation,
    after: BitPermutation,
    rotations: [u32; ROTATIONS],
    round_keys: [u32; ROUNDS],
}

impl OdoCrypt {
    /// Draws the cipher of a key. Takes a few hundred microseconds.
    pub fn new(key: u32) -> Self {
        let mut random = Random::new(key);
        let small = (0..SMALL_COUNT).map(|_| random.permutation()).collect();
        let large = (0..STATE_WORDS).map(|_| random.permutation()).collect();
        let (before, after) = (BitPermutation::draw(&mut random), BitPermutation::draw(&mut random));
        // Distinct and not zero; the last one makes their sum odd.
        let drawn: [u32; 63] = random.permutation().map(|number: u16| u32::from(number) + 1);
        let mut rotations = [0; ROTATIONS];
        rotations.copy_from_slice(&drawn[..ROTATIONS]);
        let sum: u32 = rotations[..ROTATIONS - 1].iter().sum();
        if let Some(odd) = drawn[ROTATIONS - 1..].iter().find(|number| (*number + sum) % 2 == 1) {
            rotations[ROTATIONS - 1] = *odd;
        }
        let round_keys = std::array::from_fn(|_| random.below(1 << STATE_WORDS));
        Self { small, large, before, after, rotations, round_keys }
    }

    fn substitute(&self, state: &mut State) {
        let boxes = self.small.as_chunks::<PAIRS_PER_WORD>().0.iter().zip(&self.large);
        for (word, (small, large)) in state.iter_mut().zip(boxes) {
            let (mut next, mut at) = (0, 0);
            for of_pair in small {
                let six = *word >> at & ((1 << SMALL_BITS) - 1);
                next |= u64::from(of_pair[six as usize]) << at;
                at += SMALL_BITS;
                let ten = *word >> at & ((1 << LARGE_BITS) - 1);
                next |= u64::from(large[ten as usize]) << at;
                at += LARGE_BITS;
            }
            *word = next;
        }
    }

    fn encrypt(&self, state: &mut State) {
        let total = state.iter().fold(0, |total, word| total ^ word);
        for word in state.iter_mut() {
            *word ^= total ^ total >> 32;
        }
        for key in self.round_keys {
            self.before.apply(state);
            self.substitute(state);
            self.after.apply(state);
            let mixed: State = std::array::from_fn(|index| {
                let neighbour = state[(index + 1) % STATE_WORDS];
                self.rotations.iter().fold(neighbour, |sum, by| sum ^ state[index].rotate_left(*by))
            });
            *state = mixed;
            for (bit, word) in state.iter_mut().enumerate() {
                *word ^= u64::from(key >> bit & 1);
            }
        }
    }

    /// The hash of a header, of which 80 bytes count.
    pub fn hash(&self, header: &[u8]) -> [u8; 32] {
        let mut bytes = [0; STATE_BYTES];
        for (to, from) in bytes.iter_mut().zip(header) {
            *to = *from;
        }
        let mut state = [0; STATE_WORDS];
        for (word, from) in state.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*from);
        }
        self.encrypt(&mut state);
        let mut lanes = [0; 25];
        for (pair, word) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(state) {
            *pair = [word as u32, (word >> 32) as u32];
        }
        // A one byte behind the cipher text, then zeros.
        lanes[2 * STATE_WORDS] = 1;
        keccak_800(&mut lanes);
        let mut hash = [0; 32];
        for (to, lane) in hash.as_chunks_mut().0.iter_mut().zip(lanes) {
            *to = lane.to_le_bytes();
        }
        hash
    }
}

/// The round constants of Keccak, of which lanes of 32 bits take the lower half; the last twelve of 22 rounds.
const ROUND_CONSTANTS: [u32; 12] = [
    0x8000_8009,
    0x8000_000a,
    0x8000_808b,
    0x0000_008b,
    0x0000_8089,
    0x0000_8003,
    0x0000_8002,
    0x0000_0080,
    0x0000_800a,
    0x8000_000a,
    0x8000_8081,
    0x0000_8080,
];

/// The last twelve rounds of Keccak-f[800] (FIPS 202, section 3).
fn keccak_800(a: &mut [u32; 25]) {
    for constant in ROUND_CONSTANTS {
        let column = |x: usize| (0..5).fold(0, |sum, y| sum ^ a[x % 5 + 5 * y]);
        let parities: [u32; 5] = std::array::from_fn(column);
        for (index, lane) in a.iter_mut().enumerate() {
            *lane ^= parities[(index + 4) % 5] ^ parities[(index % 5 + 1) % 5].rotate_left(1);
        }
        // Rho and pi: along the path of pi, each lane goes to the next place and is rotated by a triangular number.
        let (mut x, mut y, mut moving) = (1, 0, a[1]);
        for step in 1..25u32 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let place = x + 5 * y;
            (moving, a[place]) = (a[place], moving.rotate_left(step * (step + 1) / 2 % 32));
        }
        for row in a.as_chunks_mut::<5>().0 {
            let before = *row;
            for (index, lane) in row.iter_mut().enumerate() {
                *lane = before[index] ^ !before[(index + 1) % 5] & before[(index + 2) % 5];
            }
        }
        a[0] ^= constant;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_box_and_rotation_is_what_it_must_be() {
        for key in [0, 1, 864_000, u32::MAX] {
            let cipher = OdoCrypt::new(key);
            for small in &cipher.small {
                let mut sorted = *small;
                sorted.sort_unstable();
                assert!(sorted.iter().enumerate().all(|(index, number)| usize::from(*number) == index));
            }
            assert_eq!((cipher.small.len(), cipher.large.len()), (40, 10));
            assert_eq!(cipher.rotations.iter().sum::<u32>() % 2, 1);
            assert!(cipher.rotations.iter().all(|by| (1..64).contains(by)));
        }
    }

    #[test]
    fn a_header_of_another_length_is_cut_or_filled_with_zeros() {
        let cipher = OdoCrypt::new(7);
        let long = [3; 100];
        assert_eq!(cipher.hash(&long), cipher.hash(&long[..80]));
        assert_eq!(cipher.hash(&[]), cipher.hash(&[0; 80]));
    }
}
