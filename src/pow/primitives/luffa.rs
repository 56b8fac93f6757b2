//! Luffa-512 as submitted to the second round of the SHA-3 competition: De Cannière, Sato, Watanabe, "Hash
//! Function Luffa: Specification", version 2.0.1 (2009). Five permutations of 256 bits over words of 32.

/// Eight words: a block, or what one permutation works on.
type Words = [u32; 8];

/// Starting variables (appendix A).
const INITIAL: [Words; 5] = [
    [0x6d25_1e69, 0x44b0_51e0, 0x4eaa_6fb4, 0xdbf7_8465, 0x6e29_2011, 0x9015_2df4, 0xee05_8139, 0xdef6_10bb],
    [0xc3b4_4b95, 0xd9d2_f256, 0x70ee_e9a0, 0xde09_9fa3, 0x5d9b_0557, 0x8fc9_44b3, 0xcf1c_cf0e, 0x746c_d581],
    [0xf7ef_c89d, 0x5dba_5781, 0x0401_6ce5, 0xad65_9c05, 0x0306_194f, 0x666d_1836, 0x24aa_230a, 0x8b26_4ae7],
    [0x8580_75d5, 0x36d7_9cce, 0xe571_f7d7, 0x204b_1f67, 0x3587_0c6a, 0x57e9_e923, 0x14bc_b808, 0x7cde_72ce],
    [0x6c68_e9be, 0x5ec4_1e22, 0xc825_b7c7, 0xaffb_4363, 0xf5df_3999, 0x0fc6_88f1, 0xb072_24cc, 0x03e8_6cea],
];

/// Constants of the eight steps of each permutation, for words 0 and 4 (appendix B).
const STEPS: [[Words; 2]; 5] = [
    [
        [0x3039_94a6, 0xc0e6_5299, 0x6cc3_3a12, 0xdc56_983e, 0x1e00_108f, 0x7800_423d, 0x8f5b_7882, 0x96e1_db12],
        [0xe033_7818, 0x441b_a90d, 0x7f34_d442, 0x9389_217f, 0xe5a8_bce6, 0x5274_baf4, 0x2688_9ba7, 0x9a22_6e9d],
    ],
    [
        [0xb6de_10ed, 0x70f4_7aae, 0x0707_a3d4, 0x1c1e_8f51, 0x707a_3d45, 0xaeb2_8562, 0xbaca_1589, 0x40a4_6f3e],
        [0x0168_5f3d, 0x05a1_7cf4, 0xbd09_caca, 0xf427_2b28, 0x144a_e5cc, 0xfaa7_ae2b, 0x2e48_f1c1, 0xb923_c704],
    ],
    [
        [0xfc20_d9d2, 0x3455_2e25, 0x7ad8_818f, 0x8438_764a, 0xbb6d_e032, 0xedb7_80c8, 0xd984_7356, 0xa2c7_8434],
        [0xe25e_72c1, 0xe623_bb72, 0x5c58_a4a4, 0x1e38_e2e7, 0x78e3_8b9d, 0x2758_6719, 0x36ed_a57f, 0x703a_ace7],
    ],
    [
        [0xb213_afa5, 0xc84e_be95, 0x4e60_8a22, 0x56d8_58fe, 0x343b_138f, 0xd0ec_4e3d, 0x2ceb_4882, 0xb3ad_2208],
        [0xe028_c9bf, 0x4475_6f91, 0x7e8f_ce32, 0x9565_48be, 0xfe19_1be2, 0x3cb2_26e5, 0x5944_a28e, 0xa1c4_c355],
    ],
    [
        [0xf0d2_e9e3, 0xac11_d7fa, 0x1bcb_66f2, 0x6f2d_9bc9, 0x7860_2649, 0x8eda_e952, 0x3b6b_a548, 0xedae_9520],
        [0x5090_d577, 0x2d19_25ab, 0xb464_96ac, 0xd192_5ab0, 0x2913_1ab6, 0x0fc0_53c3, 0x3f01_4f0c, 0xfc05_3c31],
    ],
];

/// Multiplication by x in the ring of the message injection.
fn double(a: Words) -> Words {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = a;
    [a7, a0 ^ a7, a1, a2 ^ a7, a3 ^ a7, a4, a5, a6]
}

fn sum(a: Words, b: Words) -> Words {
    std::array::from_fn(|index| a[index] ^ b[index])
}

/// The message injection: everything mixed with everything, then the block and its multiples added.
fn inject(v: &mut [Words; 5], block: Words) {
    let all = double(v.iter().copied().fold([0; 8], sum));
    let a = v.map(|words| sum(words, all));
    let b: [Words; 5] = std::array::from_fn(|index| sum(double(a[index]), a[(index + 1) % 5]));
    let c: [Words; 5] = std::array::from_fn(|index| sum(double(b[index]), b[(index + 4) % 5]));
    let mut multiple = block;
    for (words, mixed) in v.iter_mut().zip(c) {
        *words = sum(mixed, multiple);
        multiple = double(multiple);
    }
}

/// SubCrumb: an S-box of four bits, on 32 columns at once.
#[inline(always)]
fn sub_crumb([mut a0, mut a1, mut a2, mut a3]: [u32; 4]) -> [u32; 4] {
    let mut t = a0;
    a0 |= a1;
    a2 ^= a3;
    a1 = !a1;
    a0 ^= a3;
    a3 &= t;
    a1 ^= a3;
    a3 ^= a2;
    a2 &= a0;
    a0 = !a0;
    a2 ^= a1;
    a1 |= a3;
    t ^= a1;
    a3 ^= a2;
    a2 &= a1;
    a1 ^= a0;
    [t, a1, a2, a3]
}

#[inline(always)]
fn mix_word(mut u: u32, mut v: u32) -> (u32, u32) {
    v ^= u;
    u = u.rotate_left(2) ^ v;
    v = v.rotate_left(14) ^ u;
    u = u.rotate_left(10) ^ v;
    (u, v.rotate_left(1))
}

/// The permutations, each on its own eight words.
fn permute(v: &mut [Words; 5]) {
    for (tweak, (words, [first, fifth])) in (0u32..).zip(v.iter_mut().zip(&STEPS)) {
        for word in &mut words[4..] {
            *word = word.rotate_left(tweak);
        }
        for (c0, c4) in first.iter().zip(fifth) {
            let [a0, a1, a2, a3, a4, a5, a6, a7] = *words;
            let [a0, a1, a2, a3] = sub_crumb([a0, a1, a2, a3]);
            let [a5, a6, a7, a4] = sub_crumb([a5, a6, a7, a4]);
            let ((a0, a4), (a1, a5)) = (mix_word(a0, a4), mix_word(a1, a5));
            let ((a2, a6), (a3, a7)) = (mix_word(a2, a6), mix_word(a3, a7));
            *words = [a0 ^ c0, a1, a2, a3, a4 ^ c4, a5, a6, a7];
        }
    }
}

fn absorb(v: &mut [Words; 5], block: &[u8; 32]) {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    inject(v, words);
    permute(v);
}

/// Luffa-512.
pub fn luffa512(message: &[u8]) -> [u8; 64] {
    let mut v = INITIAL;
    let (blocks, rest) = message.as_chunks::<32>();
    for block in blocks {
        absorb(&mut v, block);
    }
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    absorb(&mut v, &last);
    let mut digest = [0; 64];
    for half in digest.as_chunks_mut::<32>().0 {
        absorb(&mut v, &[0; 32]);
        for (bytes, word) in half.as_chunks_mut().0.iter_mut().zip(v.iter().copied().fold([0; 8], sum)) {
            *bytes = word.to_be_bytes();
        }
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pow::primitives::tests::{agrees_at_every_length, agrees_with_known_answers};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("luffa512", |message| luffa512(message).to_vec());
    }

    #[test]
    fn every_length_around_the_block_agrees_with_another_implementation() {
        let expected = "dc17e576b03731a80a98b7f2e18d98765cf815398356c84c40eb5bb848e55ba3";
        agrees_at_every_length(32, |message| luffa512(message).to_vec(), expected);
    }
}
