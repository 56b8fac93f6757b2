//! HAVAL-256 with five passes: Zheng, Pieprzyk, Seberry, "HAVAL - A One-Way Hashing Algorithm with Variable Length of
//! Output" (1992), in the byte order of its reference implementation.

/// The fraction of pi: eight words to start with, and 32 for each pass but the first.
#[rustfmt::skip]
const PI: [u32; 136] = [
    0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344, 0xa409_3822, 0x299f_31d0, 0x082e_fa98, 0xec4e_6c89,
    0x4528_21e6, 0x38d0_1377, 0xbe54_66cf, 0x34e9_0c6c, 0xc0ac_29b7, 0xc97c_50dd, 0x3f84_d5b5, 0xb547_0917,
    0x9216_d5d9, 0x8979_fb1b, 0xd131_0ba6, 0x98df_b5ac, 0x2ffd_72db, 0xd01a_dfb7, 0xb8e1_afed, 0x6a26_7e96,
    0xba7c_9045, 0xf12c_7f99, 0x24a1_9947, 0xb391_6cf7, 0x0801_f2e2, 0x858e_fc16, 0x6369_20d8, 0x7157_4e69,
    0xa458_fea3, 0xf493_3d7e, 0x0d95_748f, 0x728e_b658, 0x718b_cd58, 0x8215_4aee, 0x7b54_a41d, 0xc25a_59b5,
    0x9c30_d539, 0x2af2_6013, 0xc5d1_b023, 0x2860_85f0, 0xca41_7918, 0xb8db_38ef, 0x8e79_dcb0, 0x603a_180e,
    0x6c9e_0e8b, 0xb01e_8a3e, 0xd715_77c1, 0xbd31_4b27, 0x78af_2fda, 0x5560_5c60, 0xe655_25f3, 0xaa55_ab94,
    0x5748_9862, 0x63e8_1440, 0x55ca_396a, 0x2aab_10b6, 0xb4cc_5c34, 0x1141_e8ce, 0xa154_86af, 0x7c72_e993,
    0xb3ee_1411, 0x636f_bc2a, 0x2ba9_c55d, 0x7418_31f6, 0xce5c_3e16, 0x9b87_931e, 0xafd6_ba33, 0x6c24_cf5c,
    0x7a32_5381, 0x2895_8677, 0x3b8f_4898, 0x6b4b_b9af, 0xc4bf_e81b, 0x6628_2193, 0x61d8_09cc, 0xfb21_a991,
    0x487c_ac60, 0x5dec_8032, 0xef84_5d5d, 0xe985_75b1, 0xdc26_2302, 0xeb65_1b88, 0x2389_3e81, 0xd396_acc5,
    0x0f6d_6ff3, 0x83f4_4239, 0x2e0b_4482, 0xa484_2004, 0x69c8_f04a, 0x9e1f_9b5e, 0x21c6_6842, 0xf6e9_6c9a,
    0x670c_9c61, 0xabd3_88f0, 0x6a51_a0d2, 0xd854_2f68, 0x960f_a728, 0xab51_33a3, 0x6eef_0b6c, 0x137a_3be4,
    0xba3b_f050, 0x7efb_2a98, 0xa1f1_651d, 0x39af_0176, 0x66ca_593e, 0x8243_0e88, 0x8cee_8619, 0x456f_9fb4,
    0x7d84_a5c3, 0x3b8b_5ebe, 0xe06f_75d8, 0x85c1_2073, 0x401a_449f, 0x56c1_6aa6, 0x4ed3_aa62, 0x363f_7706,
    0x1bfe_df72, 0x429b_023d, 0x37d0_d724, 0xd00a_1248, 0xdb0f_ead3, 0x49f1_c09b, 0x0753_72c9, 0x8099_1b7b,
    0x25d4_79d8, 0xf6e8_def7, 0xe3fe_501a, 0xb679_4c3b, 0x976c_e0bd, 0x04c0_06ba, 0xc1a9_4fb6, 0x409f_60c4,
];

/// Passes, bits of the digest, and the version of the algorithm, as the padding names them.
const PASSES: usize = 5;
const PADDED_PARAMETERS: u16 = 256 << 6 | (PASSES as u16) << 3 | 1;

const BLOCK: usize = 128;
/// Where the parameters stand in the last block, before the length.
const PARAMETERS_AT: usize = BLOCK - 10;

/// The order in which each pass takes the words of the block.
const ORDER: [[usize; 32]; PASSES] = [
    [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31,
    ],
    [
        5, 14, 26, 18, 11, 28, 7, 16, 0, 23, 20, 22, 1, 10, 4, 8, 30, 3, 21, 9, 17, 24, 29, 6, 19, 12, 15, 13, 2, 25,
        31, 27,
    ],
    [
        19, 9, 4, 20, 28, 17, 8, 22, 29, 14, 25, 12, 24, 30, 16, 26, 31, 15, 7, 3, 1, 0, 18, 27, 13, 6, 21, 10, 23, 11,
        5, 2,
    ],
    [
        24, 4, 0, 14, 2, 7, 28, 23, 26, 6, 30, 20, 18, 25, 19, 3, 22, 11, 31, 21, 8, 27, 12, 9, 1, 29, 5, 15, 17, 10,
        16, 13,
    ],
    [
        27, 3, 21, 26, 17, 11, 20, 29, 19, 0, 12, 7, 13, 8, 31, 10, 5, 9, 14, 30, 18, 6, 28, 24, 2, 23, 16, 22, 4, 1,
        25, 15,
    ],
];

/// The order in which the function of each pass takes the seven words, x6 first (phi for five passes).
const PHI: [[usize; 7]; PASSES] =
    [[3, 4, 1, 0, 5, 2, 6], [6, 2, 1, 0, 3, 4, 5], [2, 6, 0, 4, 3, 1, 5], [1, 5, 3, 2, 0, 4, 6], [2, 5, 0, 6, 4, 3, 1]];

/// The functions f1 to f5, as the paper writes them.
#[inline(always)]
fn f(pass: usize, [x6, x5, x4, x3, x2, x1, x0]: [u32; 7]) -> u32 {
    match pass {
        0 => x1 & x4 ^ x2 & x5 ^ x3 & x6 ^ x0 & x1 ^ x0,
        1 => x1 & x2 & x3 ^ x2 & x4 & x5 ^ x1 & x2 ^ x1 & x4 ^ x2 & x6 ^ x3 & x5 ^ x4 & x5 ^ x0 & x2 ^ x0,
        2 => x1 & x2 & x3 ^ x1 & x4 ^ x2 & x5 ^ x3 & x6 ^ x0 & x3 ^ x0,
        3 => {
            let threes = x1 & x2 & x3 ^ x2 & x4 & x5 ^ x3 & x4 & x6;
            let twos = x1 & x4 ^ x2 & x6 ^ x3 & x4 ^ x3 & x5 ^ x3 & x6 ^ x4 & x5 ^ x4 & x6 ^ x0 & x4;
            threes ^ twos ^ x0
        }
        _ => x1 & x4 ^ x2 & x5 ^ x3 & x6 ^ x0 & x1 & x2 & x3 ^ x0 & x5 ^ x0,
    }
}

fn compress(h: &mut [u32; 8], block: &[u8; BLOCK]) {
    let mut words = [0; 32];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    let mut x = *h;
    for pass in 0..PASSES {
        for (step, take) in ORDER[pass].iter().enumerate() {
            let at = |index: usize| x[(index + 32 - step) % 8];
            let mixed = f(pass, PHI[pass].map(at)).rotate_right(7);
            let constant = if pass == 0 { 0 } else { PI[8 + 32 * (pass - 1) + step] };
            let new = mixed.wrapping_add(at(7).rotate_right(11)).wrapping_add(words[*take]).wrapping_add(constant);
            x[(7 + 32 - step) % 8] = new;
        }
    }
    for (word, new) in h.iter_mut().zip(x) {
        *word = word.wrapping_add(new);
    }
}

/// HAVAL-256 with five passes.
pub fn haval256_5(message: &[u8]) -> [u8; 32] {
    let mut h = [0; 8];
    h.copy_from_slice(&PI[..8]);
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    for block in blocks {
        compress(&mut h, block);
    }
    let mut last = [0; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 1;
    if rest.len() >= PARAMETERS_AT {
        compress(&mut h, &last);
        last = [0; BLOCK];
    }
    last[PARAMETERS_AT..BLOCK - 8].copy_from_slice(&PADDED_PARAMETERS.to_le_bytes());
    last[BLOCK - 8..].copy_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    compress(&mut h, &last);
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(h) {
        *bytes = word.to_le_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;
    use crate::pow::primitives::tests::{agrees_with_known_answers, differs_at_every_length};

    #[test]
    fn known_answers() {
        agrees_with_known_answers("haval256_5", |message| haval256_5(message).to_vec());
        // Published with the algorithm.
        assert_eq!(hex::encode(&haval256_5(b"")), "be417bb4dd5cfb76c7126f4f8eeb1553a449039307b1a3cd451dbfdc0fbbe330");
    }

    #[test]
    fn padding_takes_every_length() {
        differs_at_every_length(BLOCK, |message| haval256_5(message).to_vec());
    }
}
