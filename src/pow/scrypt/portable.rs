//! One header at a time without any instruction set of its own: for processors without a file
//! here, and the oracle of those that have one.

use super::romix::{Core, VECTOR_LANES_MAX, Wide, romix};
use super::row::{ROW_VECTORS, Row};

/// Four words of one header.
#[derive(Debug, Clone, Copy)]
pub struct Words(pub [u32; 4]);

impl Wide for Words {
    const LANES: usize = 1;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0].wrapping_add(b[0]), a[1].wrapping_add(b[1]), a[2].wrapping_add(b[2]), a[3].wrapping_add(b[3])])
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        let (a, b) = (self.0, other.0);
        Self([a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]])
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32, const REST: i32>(self) -> Self {
        let a = self.0;
        let turn = |word: u32| word.rotate_left(BITS.unsigned_abs());
        Self([turn(a[0]), turn(a[1]), turn(a[2]), turn(a[3])])
    }

    #[inline(always)]
    fn turn_1(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([d, a, b, c])
    }

    #[inline(always)]
    fn turn_2(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([c, d, a, b])
    }

    #[inline(always)]
    fn turn_3(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([b, c, d, a])
    }

    #[inline(always)]
    fn gather(rows: &[Row], at: &[usize; VECTOR_LANES_MAX]) -> [Self; ROW_VECTORS] {
        let row = rows.get(at[0]).unwrap_or(&Row::ZERO).0;
        [Self(row[0]), Self(row[1]), Self(row[2]), Self(row[3]), Self(row[4]), Self(row[5]), Self(row[6]), Self(row[7])]
    }

    #[inline(always)]
    fn scatter(row: &[Self; ROW_VECTORS], rows: &mut [Row], at: usize) {
        if let Some(to) = rows.get_mut(at) {
            for (to, from) in to.0.iter_mut().zip(row) {
                *to = from.0;
            }
        }
    }

    #[inline(always)]
    fn firsts(self) -> [u32; VECTOR_LANES_MAX] {
        self.0
    }
}

/// ROMix of one block.
pub fn romix_1<C: Core>(blocks: &mut [Row], pad: &mut [Row], n: usize) {
    romix::<Words, C, 1>(blocks, pad, n);
}
