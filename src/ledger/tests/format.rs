//! The bytes on disk: they are a promise to spools written by earlier versions.

use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::super::codec;
use super::super::envelope::{self, Envelope, Frame, Kind, PAYLOAD_BYTES_MAX, Parsed, Salt, parse, record_bytes};
use super::super::record::{CandidateFacts, Event, ShareRecord, VerdictRecord};
use super::super::sink::SpoolId;
use super::{T0, candidate, share};
use crate::bytes::hex;

fn salt() -> Salt {
    Salt::of(SpoolId([5; 16]))
}

fn record(event: &Event, seq: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = envelope::open(&mut bytes);
    let (kind, flags) = codec::frame_of(event);
    assert!(codec::encode(event, &mut bytes));
    assert!(envelope::close(&mut bytes, start, salt(), &Frame { kind, flags, following: 0, seq, time: T0 }));
    bytes
}

fn read(bytes: &[u8]) -> (Envelope, Event) {
    let Parsed::Record(envelope) = parse(bytes, salt()) else { panic!("no record") };
    assert_eq!(record_bytes(envelope.payload_bytes), bytes.len());
    let event = codec::decode(envelope.kind, &bytes[32..32 + envelope.payload_bytes]).unwrap();
    (envelope, event)
}

#[test]
fn golden_bytes() {
    let event = Event::Share(ShareRecord { header: vec![0xab; 4], ..share(1) });
    assert_eq!(hex::encode(&record(&event, 7)), GOLDEN_SHARE);
    assert_eq!(read(&hex::decode(GOLDEN_SHARE.as_bytes()).unwrap()).1, event);
    let event = candidate(1, T0);
    assert_eq!(crc32c::crc32c(&record(&event, 8)), 1_388_878_723);
    let event = verdict();
    assert_eq!(crc32c::crc32c(&record(&event, 9)), 809049668);
}

fn verdict() -> Event {
    Event::Verdict(VerdictRecord {
        candidate: 3,
        written_hash: [1; 32],
        accepted: false,
        node_hash: [2; 32],
        reason: "high-hash".to_owned(),
    })
}

const GOLDEN_SHARE: &str = concat!(
    "a76d737201000000070000000000000000f1536500000000690000003dea7f45050000000000003040000000000000e0",
    "3f000000000000f43f0000000065cdcd4100350c0040be402500000000c0000207111111111111111111111111111111",
    "11111111111111111111111111111111110a00616c6963652e726967310000020034660400abababab00000000000000",
);

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    for event in [candidate(1, T0), verdict()] {
        let good = record(&event, 7);
        assert_eq!(read(&good).1, event);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(!matches!(parse(&bad, salt()), Parsed::Record(_)), "byte {at} bit {bit}");
            }
            assert!(!matches!(parse(&good[..at], salt()), Parsed::Record(_)), "cut at {at}");
        }
        assert_eq!(parse(&good, Salt::of(SpoolId([6; 16]))), Parsed::Nothing, "another spool's");
    }
    assert_eq!(parse(&[0; 64], salt()), Parsed::Nothing);
}

#[test]
fn payloads_beyond_the_limit_are_refused_and_leave_nothing() {
    let mut bytes = vec![1, 2, 3];
    let start = envelope::open(&mut bytes);
    bytes.resize(start + 32 + PAYLOAD_BYTES_MAX + 1, 9);
    let frame = Frame { kind: Kind::Share, flags: 0, following: 0, seq: 1, time: 1 };
    assert!(!envelope::close(&mut bytes, start, salt(), &frame));
    assert_eq!(bytes, [1, 2, 3]);
    let long = Event::Share(ShareRecord { job: "j".repeat(70_000), ..share(1) });
    assert!(!codec::encode(&long, &mut bytes));
}

proptest! {
    #[test]
    fn shares_round_trip(
        worker in ".{0,120}", reason in "[ -~]{0,50}", job in ".{0,40}",
        header in proptest::collection::vec(any::<u8>(), 0..200),
        difficulties in any::<[f64; 4]>(), height in any::<u32>(), reward in any::<u64>(),
        remote in any::<u128>(), v4 in any::<bool>(), accepted in any::<bool>(),
        solution in proptest::option::of(any::<[u8; 32]>()),
        facts in proptest::option::of((any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>())),
        seq in any::<u64>(),
    ) {
        let address = Ipv6Addr::from(remote);
        let remote = if v4 { address.octets().last_chunk::<4>().copied().unwrap().into() } else { address.into() };
        let [row_difficulty, assigned_difficulty, share_difficulty, network_difficulty] =
            difficulties.map(|value| if value.is_nan() { 1.0 } else { value });
        let candidate = facts.map(|(hash, header_time, coinbase_txid)| CandidateFacts { hash, header_time, coinbase_txid });
        let event = Event::Share(ShareRecord {
            worker: worker.into(), remote, accepted, reason, row_difficulty, assigned_difficulty, share_difficulty,
            network_difficulty, height, reward, job, header, solution, candidate,
        });
        let (envelope, back) = read(&record(&event, seq));
        prop_assert_eq!(back, event);
        prop_assert_eq!((envelope.seq, envelope.time, envelope.flags), (seq, T0, u8::from(candidate.is_some())));
    }

    #[test]
    fn nothing_makes_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in [Kind::Share, Kind::Verdict, Kind::Marker, Kind::Gap] {
            let _ = codec::decode(kind, &bytes);
        }
        let _ = parse(&bytes, salt());
    }
}
