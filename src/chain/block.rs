//! A whole block, as `submitblock` and the peer-to-peer network want it.

use crate::bytes::varint;

/// Stands before Litecoin's extension block where there is one (LIP2).
const EXTENSION_FOLLOWS: u8 = 1;

/// The bytes of a block: header, count of transactions, coinbase, the others in order, for Litecoin's
/// MWEB the extension block of the template, and what else the coin ends its blocks with.
///
/// The coinbase is taken as it comes: where the block commits to witnesses it has to be in its
/// witness form (see [`super::coinbase::with_witness`]).
pub fn serialise<'a>(
    header: &[u8],
    coinbase: &[u8],
    transactions: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    mweb: Option<&[u8]>,
    end: &[u8],
) -> Vec<u8> {
    /// A CompactSize and the mark before an extension block, at their longest.
    const COUNT_AND_MARK_BYTES: usize = 10;
    let bytes: usize = transactions.clone().map(<[u8]>::len).sum();
    let bytes = bytes + header.len() + coinbase.len() + mweb.map_or(0, <[u8]>::len) + end.len();
    let mut block = Vec::with_capacity(bytes + COUNT_AND_MARK_BYTES);
    block.extend_from_slice(header);
    varint::write(transactions.len() as u64 + 1, &mut block);
    block.extend_from_slice(coinbase);
    for transaction in transactions {
        block.extend_from_slice(transaction);
    }
    if let Some(extension) = mweb {
        block.push(EXTENSION_FOLLOWS);
        block.extend_from_slice(extension);
    }
    block.extend_from_slice(end);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_one_three_or_five_bytes() {
        for (others, count) in [(0, "01"), (251, "fc"), (252, "fdfd00"), (65_534, "fdffff"), (65_535, "fe00000100")] {
            let transactions = vec![vec![0xbb; 2]; others];
            let block = serialise(&[0xaa; 80], &[0xcc; 3], transactions.iter().map(Vec::as_slice), None, &[]);
            let count = crate::bytes::hex::decode(count.as_bytes()).unwrap();
            let expected = [&[0xaa; 80][..], &count, &[0xcc; 3], &vec![0xbb; 2 * others]].concat();
            assert!(block == expected, "{others} transactions beside the coinbase");
            assert!(block.capacity() >= block.len());
        }
    }

    #[test]
    fn an_extension_block_follows_its_mark() {
        let block = serialise(b"head", b"coinbase", [&b"hogex"[..]].into_iter(), Some(b"mweb"), b"end");
        assert_eq!(block, b"head\x02coinbasehogex\x01mwebend");
    }
}
