//! The merkle tree over a block's transactions, and the witness commitment made of another one.
//!
//! Every node is the double SHA-256 of its two children, on nearly every coin; an odd node at the end of a level is
//! paired with itself.

use crate::bytes::Hash;
use crate::bytes::sha256::sha256d;

/// How a witness commitment's output script starts: OP_RETURN, a push of 36 bytes and the header
/// that marks it (BIP141).
const COMMITMENT_HEADER: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// What the coinbase's witness must hold and the commitment is salted with; zeros until some rule
/// gives it a meaning.
pub const WITNESS_RESERVED_VALUE: Hash = [0; 32];

/// The hash of two children, one after the other.
pub type Node = fn(&[u8]) -> Hash;

fn parent(left: &Hash, right: &Hash, node: Node) -> Hash {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    node(&both)
}

/// The parents of one level.
fn parents(level: &[Hash], node: Node) -> Vec<Hash> {
    level.chunks(2).filter_map(|pair| Some(parent(pair.first()?, pair.last()?, node))).collect()
}

/// The path from the coinbase to the root: what the coinbase's hash is combined with on each level,
/// always from the right. `txids` are the block's other transactions in order; it is empty if they
/// are. The same for every miner and every extranonce of a job.
pub fn branch(txids: &[Hash]) -> Vec<Hash> {
    branch_of(txids, sha256d)
}

/// [`branch`] of a tree whose nodes are another hash.
pub fn branch_of(txids: &[Hash], node: Node) -> Vec<Hash> {
    let mut branch = Vec::new();
    // Each level without its first node, which is the one that depends on the coinbase.
    let mut level = txids.to_vec();
    while let Some((sibling, rest)) = level.split_first() {
        branch.push(*sibling);
        level = parents(rest, node);
    }
    branch
}

/// The root of the tree whose coinbase has this hash.
pub fn fold(coinbase_txid: Hash, branch: &[Hash]) -> Hash {
    fold_of(coinbase_txid, branch, sha256d)
}

/// [`fold`] of a tree whose nodes are another hash.
pub fn fold_of(coinbase_txid: Hash, branch: &[Hash], node: Node) -> Hash {
    branch.iter().fold(coinbase_txid, |left, right| parent(&left, right, node))
}

/// The root over all `hashes`, coinbase first; zeros for none, as the node has it.
pub fn root(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = parents(&level, sha256d);
    }
    level.first().copied().unwrap_or([0; 32])
}

/// The output script that commits to the witnesses of a block (BIP141). `wtxids` are those of all
/// transactions but the coinbase, which counts as zeros.
pub fn witness_commitment(wtxids: &[Hash]) -> [u8; 38] {
    let root = fold([0; 32], &branch(wtxids));
    let mut script = [0; 38];
    script[..6].copy_from_slice(&COMMITMENT_HEADER);
    script[6..].copy_from_slice(&parent(&root, &WITNESS_RESERVED_VALUE, sha256d));
    script
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bytes::{display_hash, hex, parse_display_hash};

    /// The transactions of Bitcoin's block 100,000, coinbase first.
    const BLOCK_100000: [&str; 4] = [
        "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
        "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
        "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
        "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    ];

    #[test]
    fn the_tree_of_block_100000() {
        let txids = BLOCK_100000.map(|text| parse_display_hash(text).unwrap());
        let expected = "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766";
        assert_eq!(display_hash(&root(&txids)), expected);
        let branch = branch(&txids[1..]);
        assert_eq!(branch, [txids[1], parent(&txids[2], &txids[3], sha256d)]);
        assert_eq!(display_hash(&fold(txids[0], &branch)), expected);
    }

    #[test]
    fn a_coinbase_alone_is_its_own_root() {
        assert_eq!(branch(&[]), [[0; 32]; 0]);
        assert_eq!(fold([7; 32], &[]), [7; 32]);
        assert_eq!(root(&[[7; 32]]), [7; 32]);
        assert_eq!(root(&[]), [0; 32]);
    }

    #[test]
    fn the_commitment_of_a_block_without_other_transactions() {
        // What every segwit chain's empty blocks carry.
        assert_eq!(
            hex::encode(&witness_commitment(&[])),
            "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
        );
    }

    /// The root by the definition, one level after the other with explicit duplication.
    fn root_by_definition(mut level: Vec<Hash>) -> Hash {
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push(level[level.len() - 1]);
            }
            level = level.chunks(2).map(|pair| sha256d(&pair.concat())).collect();
        }
        level[0]
    }

    #[test]
    fn branch_and_root_agree_for_every_count() {
        for count in 0..=40u8 {
            let txids: Vec<Hash> = (1..=count).map(|number| sha256d(&[number])).collect();
            let coinbase = sha256d(b"coinbase");
            let all: Vec<Hash> = std::iter::once(coinbase).chain(txids.iter().copied()).collect();
            let branch = branch(&txids);
            assert_eq!(fold(coinbase, &branch), root(&all), "{count}");
            assert_eq!(root(&all), root_by_definition(all.clone()), "{count}");
            // As many levels as it takes to number all leaves.
            assert_eq!(branch.len() as u32, all.len().next_power_of_two().trailing_zeros(), "{count}");
        }
    }

    proptest! {
        #[test]
        fn commitments_follow_the_formula(wtxids in prop::collection::vec(any::<Hash>(), 0..40)) {
            let mut leaves = vec![[0; 32]];
            leaves.extend(&wtxids);
            let mut preimage = root_by_definition(leaves).to_vec();
            preimage.extend([0; 32]);
            let script = witness_commitment(&wtxids);
            prop_assert_eq!(&script[..6], &[0x6a, 36, 0xaa, 0x21, 0xa9, 0xed]);
            prop_assert_eq!(&script[6..], &sha256d(&preimage));
        }
    }
}
