//! Whole real blocks: taken apart by hand, and built again byte for byte by this room.

use super::block;
use super::coinbase::{CoinbasePlan, Output, with_witness};
use super::form::{AddressForms, ChainForm};
use super::header::{Extra, Header, HeaderForm};
use super::{address, merkle};
use crate::bytes::sha256::sha256d;
use crate::bytes::{Hash, display_hash, hex, parse_display_hash};

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.as_bytes()).unwrap()
}

struct RealBlock {
    id: &'static str,
    previous: &'static str,
    version: u32,
    time: u32,
    bits: u32,
    nonce: u32,
    header: &'static str,
    coinbase: &'static str,
}

/// Bitcoin's first two blocks: a coinbase and nothing else.
const GENESIS: RealBlock = RealBlock {
    id: "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    previous: "0000000000000000000000000000000000000000000000000000000000000000",
    version: 1,
    time: 1_231_006_505,
    bits: 0x1d00_ffff,
    nonce: 2_083_236_893,
    header: "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61\
             7fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c",
    coinbase: "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468\
               652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e642062\
               61696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a8\
               28e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000",
};
const BLOCK_1: RealBlock = RealBlock {
    id: "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048",
    previous: GENESIS.id,
    version: 1,
    time: 1_231_469_665,
    bits: 0x1d00_ffff,
    nonce: 2_573_394_689,
    header: "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee1467\
             7ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299",
    coinbase: "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d0104ffffff\
               ff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515\
               d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000",
};

#[test]
fn the_first_two_blocks_of_bitcoin() {
    for real in [GENESIS, BLOCK_1] {
        let coinbase = bytes(real.coinbase);
        let header = Header {
            version: real.version,
            previous: parse_display_hash(real.previous).unwrap(),
            merkle_root: merkle::fold(sha256d(&coinbase), &merkle::branch(&[])),
            time: real.time,
            bits: real.bits,
            nonce: real.nonce,
            extra: Extra::None,
        };
        assert_eq!(hex::encode(&header.to_bytes()), real.header);
        assert_eq!(display_hash(&sha256d(&header.to_bytes())), real.id);
        let whole = block::serialise(&header.to_bytes(), &coinbase, [].into_iter(), None, &[]);
        assert_eq!(hex::encode(&whole), format!("{}01{}", real.header, real.coinbase));
    }
}

/// Bitcoin testnet's block 1,263,442, mined by a pool with segwit and one other transaction.
const SEGWIT_ID: &str = "000000006f27ddfe1dd680044a34548f41bed47eba9e6f0b310da21423bc5f33";
const SEGWIT_BLOCK: &str = "\
    000000201c8d1a529c39a396db2db234d5ec152fa651a2872966daccbde028b400000000083f14492679151dbfaa1a825ef4c18518e780\
    c1f91044180280a7d33f4a98ff5f45765aaddc001d38333b9a020100000000010100000000000000000000000000000000000000000000\
    00000000000000000000ffffffff230352471300fe5f45765afe94690a000963676d696e6572343208000000000000000000ffffffff02\
    4423a804000000001976a914f2c25ac3d59f3d674b1d1d0a25c27339aaac0ba688ac0000000000000000266a24aa21a9edcb26cb305242\
    6b9ebb4d19c819ef87c19677bbf3a7c46ef0855bd1b2abe834910120000000000000000000000000000000000000000000000000000000\
    00000000000000000002000000000101d20978463906ba4ff5e7192494b88dd5eb0de85d900ab253af909106faa22cc501000000000400\
    0000014777ff000000000016001446c29eabe8208a33aa1023c741fa79aa92e881ff0347304402207d7ca96134f2bcfdd6b536536fdd39\
    ad17793632016936f777ebb32c22943fda02206014d2fb8a6aa58279797f861042ba604ebd2f8f61e5bddbd9d3be5a245047b201004b63\
    2103eeaeba7ce5dc2470221e9517fb498e8d6bd4e73b85b8be655196972eb9ccd5566754b2752103a40b74d43df244799d041f32ce1ad5\
    15a6cd99501701540e38750d883ae21d3a68ac00000000";

/// The same bytes by their meaning.
struct SegwitBlock {
    header: [u8; 80],
    /// Without its witness.
    coinbase: Vec<u8>,
    transaction: Vec<u8>,
    txid: Hash,
}

fn segwit_block() -> SegwitBlock {
    let whole = bytes(SEGWIT_BLOCK);
    let (header, rest) = whole.split_first_chunk::<80>().unwrap();
    // Count, then the coinbase: version, marker and flag, 158 bytes of body, witness, lock time.
    let rest = &rest[1..];
    let body_end = rest.windows(4).position(|window| window == [1, 0x20, 0, 0]).unwrap();
    let coinbase = [&rest[..4], &rest[6..body_end], &[0; 4]].concat();
    let transaction = rest[body_end + 34 + 4..].to_vec();
    // The transaction: version, marker and flag, one input, one output, witness, lock time.
    let body = &transaction[6..6 + 1 + 41 + 1 + 31];
    let txid = sha256d(&[&transaction[..4], body, &[0; 4]].concat());
    SegwitBlock { header: *header, coinbase, transaction, txid }
}

#[test]
fn a_block_with_witnesses_is_built_again() {
    let SegwitBlock { header, coinbase, transaction, txid } = segwit_block();
    let fields = Header::from_bytes(HeaderForm::Bitcoin, &header).unwrap();
    assert_eq!(display_hash(&sha256d(&header)), SEGWIT_ID);
    assert_eq!(*fields.to_bytes(), header);
    assert_eq!(fields.merkle_root, merkle::fold(sha256d(&coinbase), &merkle::branch(&[txid])));

    let commitment = merkle::witness_commitment(&[sha256d(&transaction)]);
    assert_eq!(
        hex::encode(&commitment),
        "6a24aa21a9edcb26cb3052426b9ebb4d19c819ef87c19677bbf3a7c46ef0855bd1b2abe83491"
    );
    let with_witness = with_witness(&coinbase, &ChainForm::default(), &[]).unwrap();
    let whole = block::serialise(&header, &with_witness, [transaction.as_slice()].into_iter(), None, &[]);
    assert_eq!(hex::encode(&whole), SEGWIT_BLOCK);
}

#[test]
fn the_coinbase_of_a_real_pool_but_for_its_last_push() {
    let real = segwit_block();
    let commitment = merkle::witness_commitment(&[sha256d(&real.transaction)]);
    let forms = AddressForms { pubkey_hash: vec![111], script_hash: vec![196], ..AddressForms::default() };
    let script = address::decode("n3eYeU6HhzAXnqgyuezFsRytcaqZTr5ijN", &forms).unwrap();
    let halves = CoinbasePlan {
        height: 1_263_442,
        // A push of nothing, the time and a counter, as that pool put them.
        aux: &bytes("00fe5f45765afe94690a00"),
        tag: b"cgminer42",
        extranonce_bytes: 8,
        text: &[],
        outputs: &[Output { value: 78_127_940, script }],
        witness_commitment: Some(&commitment),
        form: &ChainForm::default(),
        time: 0,
        payload: &[],
    }
    .build()
    .unwrap();
    // That pool ends the script with one more empty push, which we leave out.
    let mut ours = halves.complete(&[0; 4], &[0; 4]);
    let script_end = halves.head.len() + 8;
    assert_eq!(ours[41], 0x22);
    ours[41] += 1;
    ours.insert(script_end, 0);
    assert_eq!(hex::encode(&ours), hex::encode(&real.coinbase));
}
