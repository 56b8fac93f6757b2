//! The 128 bytes that ROMix works on.

/// Vectors of four words in a row.
pub const ROW_VECTORS: usize = 8;
/// Bytes of a row.
pub const ROW_BYTES: usize = 128;

/// The block of one header, and a row of its scratchpad: 32 words, on two whole cache lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Row(pub [[u32; 4]; ROW_VECTORS]);

impl Row {
    /// All bits zero.
    pub const ZERO: Self = Self([[0; 4]; ROW_VECTORS]);

    /// Little-endian words in their order.
    pub fn from_words(words: &[u32; 32]) -> Self {
        let mut row = Self::ZERO;
        for (at, word) in words.iter().enumerate() {
            row.0[at / 4][at % 4] = *word;
        }
        row
    }

    /// The words in their order.
    pub fn words(&self) -> [u32; 32] {
        let mut words = [0; 32];
        for (at, word) in words.iter_mut().enumerate() {
            *word = self.0[at / 4][at % 4];
        }
        words
    }

    /// Little-endian words, in the order that lets Salsa20 run on whole vectors: vector `v` of each
    /// half holds words 4 v, 4 v + 5, 4 v + 10 and 4 v + 15 (modulo 16), a diagonal of its matrix.
    pub fn from_salsa(words: &[u32; 32]) -> Self {
        let mut row = Self::ZERO;
        for at in 0..32 {
            row.0[at / 4][at % 4] = words[salsa_place(at)];
        }
        row
    }

    /// What [`Row::from_salsa`] takes.
    pub fn salsa_words(&self) -> [u32; 32] {
        let mut words = [0; 32];
        for at in 0..32 {
            words[salsa_place(at)] = self.0[at / 4][at % 4];
        }
        words
    }
}

/// Which word stands at a place of a row of diagonals.
fn salsa_place(at: usize) -> usize {
    at / 16 * 16 + (at % 16 * 5) % 16
}
