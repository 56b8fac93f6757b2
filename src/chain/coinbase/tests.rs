use proptest::prelude::*;

use super::*;
use crate::bytes::hex;
use crate::chain::form::{AddressForms, AlgorithmBits};
use crate::chain::header::HeaderForm;

fn outputs() -> Vec<Output> {
    vec![Output { value: 5_000_000_000, script: vec![0x51] }, Output { value: 7, script: vec![0xac; 3] }]
}

/// Bitcoin's form.
static PLAIN: ChainForm = ChainForm {
    header: HeaderForm::Bitcoin,
    vote_max: 0,
    addresses: AddressForms { pubkey_hash: Vec::new(), script_hash: Vec::new(), segwit: Vec::new(), cash: Vec::new() },
    template_rules: Vec::new(),
    bare_requests: false,
    template_algorithm: None,
    algorithm_bits: AlgorithmBits { mask: 0, value: 0 },
    payee_members: Vec::new(),
    ignored_members: Vec::new(),
    payees_beside_value: None,
    own_transaction_hash: false,
    transaction_time: false,
    block_signature: false,
    message: None,
    lock_to_height: false,
    schedule: None,
};

/// Bitcoin's with BIP54.
fn locked() -> ChainForm {
    ChainForm { lock_to_height: true, ..ChainForm::default() }
}

fn plan(outputs: &[Output]) -> CoinbasePlan<'_> {
    CoinbasePlan {
        height: 500_000,
        aux: &[],
        tag: b"tag",
        extranonce_bytes: 8,
        text: b"/pool/",
        outputs,
        witness_commitment: None,
        form: &PLAIN,
        time: 0,
        payload: &[],
    }
}

#[test]
fn every_byte_of_a_coinbase() {
    let outputs = outputs();
    let commitment = [0x6a, 0x01, 0x02];
    let coinbase =
        CoinbasePlan { aux: &[0xa1, 0xa2], witness_commitment: Some(&commitment), form: &locked(), ..plan(&outputs) }
            .build()
            .unwrap();
    let null = format!("{}ffffffff", "00".repeat(32));
    // Script: 4 bytes height, 2 aux, 4 tag, 9 extranonce, 7 text.
    assert_eq!(hex::encode(&coinbase.head), format!("0100000001{null}1a0320a107a1a20374616708"));
    assert_eq!(
        hex::encode(&coinbase.tail),
        concat!(
            "062f706f6f6c2f",
            "feffffff",
            "03",
            "00f2052a010000000151",
            "070000000000000003acacac",
            "0000000000000000036a0102",
            "1fa10700",
        )
    );
    assert_eq!(
        hex::encode(&coinbase.complete(&[1, 2, 3, 4], &[5, 6, 7, 8])),
        format!("{}0102030405060708{}", hex::encode(&coinbase.head), hex::encode(&coinbase.tail))
    );
}

#[test]
fn without_lock_tag_text_and_commitment() {
    let outputs = outputs();
    let coinbase = CoinbasePlan { tag: &[], text: &[], height: 1, ..plan(&outputs) }.build().unwrap();
    assert!(hex::encode(&coinbase.head).ends_with("ffffffff0a5108"));
    assert!(hex::encode(&coinbase.tail).starts_with("ffffffff02"));
    assert!(hex::encode(&coinbase.tail).ends_with("acacac00000000"));
}

#[test]
fn the_lock_time_of_the_first_blocks_does_not_wrap() {
    let outputs = outputs();
    for (height, lock_time) in [(0, 0u32), (1, 0), (2, 1), (u32::MAX, u32::MAX - 1)] {
        let coinbase = CoinbasePlan { height, form: &locked(), ..plan(&outputs) }.build().unwrap();
        assert!(coinbase.tail.ends_with(&lock_time.to_le_bytes()), "{height}");
    }
}

#[test]
fn a_script_may_have_100_bytes_and_not_one_more() {
    let outputs = outputs();
    // 4 height + 4 tag + 9 extranonce leave 83: a push of 81 bytes of text takes two more.
    let text = [b'x'; 84];
    let with_text = |length: usize| CoinbasePlan { text: &text[..length], ..plan(&outputs) }.build();
    let longest = with_text(81).unwrap();
    assert_eq!(longest.head[41], 100);
    assert_eq!(with_text(82), Err(CoinbaseError::ScriptTooLong { bytes: 101, over: 1 }));
    let error = with_text(84).unwrap_err();
    assert_eq!(error, CoinbaseError::ScriptTooLong { bytes: 103, over: 3 });
    assert!(error.to_string().contains("103 bytes, 3 more than the 100"), "{error}");

    let endless = CoinbasePlan { extranonce_bytes: usize::MAX, ..plan(&outputs) }.build();
    assert!(matches!(endless, Err(CoinbaseError::ScriptTooLong { .. })));
    let pushed_with_two_bytes = CoinbasePlan { extranonce_bytes: 80, text: &[], ..plan(&outputs) }.build().unwrap();
    assert!(pushed_with_two_bytes.head.ends_with(&[0x4c, 80]));
}

#[test]
fn a_coinbase_that_pays_nobody_or_cannot_vary_is_refused() {
    assert_eq!(plan(&[]).build(), Err(CoinbaseError::NoOutputs));
    let outputs = outputs();
    let fixed = CoinbasePlan { extranonce_bytes: 0, ..plan(&outputs) };
    assert_eq!(fixed.build(), Err(CoinbaseError::NoExtranonce));
}

#[test]
fn only_a_coinbase_without_witness_gets_one() {
    let outputs = outputs();
    let plain = plan(&outputs).build().unwrap().complete(&[0; 4], &[0; 4]);
    let full = with_witness(&plain, &PLAIN, &[]).unwrap();
    assert_eq!(full.len(), plain.len() + 36);
    assert_eq!(full[..6], [1, 0, 0, 0, 0, 1]);
    assert_eq!(full[6..6 + plain.len() - 8], plain[4..plain.len() - 4]);
    assert_eq!(full[full.len() - 38..], [&[1, 32][..], &[0; 36]].concat());

    assert_eq!(with_witness(&full, &PLAIN, &[]), None);
    let mut spends = plain.clone();
    spends[5] = 1;
    assert_eq!(with_witness(&spends, &PLAIN, &[]), None);
    for length in 0..45 {
        assert_eq!(with_witness(&plain[..length], &PLAIN, &[]), None, "{length}");
    }
}

#[test]
fn the_odd_coinbases_of_other_families() {
    let outputs = outputs();
    let build = |form: &ChainForm, payload: &[u8]| {
        let coinbase = CoinbasePlan { form, payload, time: 0x0403_0201, ..plan(&outputs) }.build().unwrap();
        (hex::encode(&coinbase.complete(&[0xe1; 4], &[0xe2; 4])), coinbase)
    };
    let plain = build(&PLAIN, &[]).0;
    let (version, middle) = plain.split_at(8);
    assert_eq!(version, "01000000");

    // Peercoin: the time stands after the version, in the witness form too.
    let peercoin = ChainForm { transaction_time: true, ..ChainForm::default() };
    let (text, coinbase) = build(&peercoin, &[]);
    assert_eq!(text, format!("0100000001020304{middle}"));
    let full = with_witness(&coinbase.complete(&[0xe1; 4], &[0xe2; 4]), &peercoin, &[]).unwrap();
    let body = &middle[..middle.len() - 8];
    assert_eq!(hex::encode(&full), format!("01000000010203040001{body}0120{}00000000", "00".repeat(32)));

    // Florincoin: version 2, and a text at the end.
    let florincoin = ChainForm { message: Some("hello".into()), ..ChainForm::default() };
    let (text, coinbase) = build(&florincoin, &[]);
    assert_eq!(text, format!("02000000{middle}0568656c6c6f"));
    let full = with_witness(&coinbase.complete(&[0xe1; 4], &[0xe2; 4]), &florincoin, &[]).unwrap();
    assert!(hex::encode(&full).ends_with(&format!("{}000000000568656c6c6f", "00".repeat(32))));
    let silent = ChainForm { message: Some(String::new()), ..ChainForm::default() };
    assert_eq!(build(&silent, &[]).0, format!("02000000{middle}00"));

    // Dash (DIP2): version 3, type 5, and the payload at the end.
    let payload: Vec<u8> = (0..70).collect();
    assert_eq!(build(&PLAIN, &payload).0, format!("03000500{middle}46{}", hex::encode(&payload)));
}

/// Walks a coinbase as a node reads it: script, sequence, outputs, lock time.
fn read(tx: &[u8]) -> (Vec<u8>, u32, Vec<Output>, u32) {
    let take_u32 = |at: usize| u32::from_le_bytes(tx[at..at + 4].try_into().unwrap());
    let (length, size) = varint::read(&tx[41..]).unwrap();
    let mut at = 41 + size;
    let script = tx[at..at + length as usize].to_vec();
    at += length as usize;
    let sequence = take_u32(at);
    at += 4;
    let (count, size) = varint::read(&tx[at..]).unwrap();
    at += size;
    let mut outputs = Vec::new();
    for _ in 0..count {
        let value = u64::from_le_bytes(tx[at..at + 8].try_into().unwrap());
        let (length, size) = varint::read(&tx[at + 8..]).unwrap();
        at += 8 + size;
        outputs.push(Output { value, script: tx[at..at + length as usize].to_vec() });
        at += length as usize;
    }
    assert_eq!(at + 4, tx.len());
    (script, sequence, outputs, take_u32(at))
}

proptest! {
    #[test]
    fn a_coinbase_reads_back_as_planned(
        height in any::<u32>(),
        aux in prop::collection::vec(any::<u8>(), 0..20),
        tag in prop::collection::vec(any::<u8>(), 0..20),
        text in prop::collection::vec(any::<u8>(), 0..80),
        extranonce in prop::collection::vec(any::<u8>(), 1..24),
        paid in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 1..260),
        commitment in prop::option::of(any::<[u8; 38]>()),
        lock_to_height in any::<bool>(),
    ) {
        let form = ChainForm { lock_to_height, ..ChainForm::default() };
        let mut outputs: Vec<Output> = paid.into_iter().map(|(value, script)| Output { value, script }).collect();
        let plan = CoinbasePlan {
            height,
            aux: &aux,
            tag: &tag,
            extranonce_bytes: extranonce.len(),
            text: &text,
            outputs: &outputs,
            witness_commitment: commitment.as_ref().map(<[u8; 38]>::as_slice),
            form: &form,
            time: 0,
            payload: &[],
        };
        let mut expected_script = Vec::new();
        script::push_height(height, &mut expected_script);
        expected_script.extend(&aux);
        push_unless_empty(&tag, &mut expected_script);
        script::push_data(&extranonce, &mut expected_script);
        push_unless_empty(&text, &mut expected_script);

        match plan.build() {
            Err(error) => {
                let bytes = expected_script.len();
                prop_assert!(bytes > 100);
                prop_assert_eq!(error, CoinbaseError::ScriptTooLong { bytes, over: bytes - 100 });
            }
            Ok(coinbase) => {
                let tx = coinbase.complete(&extranonce[..extranonce.len() / 2], &extranonce[extranonce.len() / 2..]);
                outputs.extend(commitment.map(|script| Output { value: 0, script: script.to_vec() }));
                let locked = (0xffff_fffe, height.saturating_sub(1));
                let (sequence, lock_time) = if lock_to_height { locked } else { (u32::MAX, 0) };
                prop_assert_eq!(read(&tx), (expected_script, sequence, outputs, lock_time));
                prop_assert_eq!(with_witness(&tx, &form, &[]).map(|full| full.len()), Some(tx.len() + 36));
            }
        }
    }
}
