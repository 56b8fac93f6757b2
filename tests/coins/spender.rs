//! Payments that need no wallet and no key: from and to the witness script OP_TRUE, which anybody may
//! spend. Every one of them has a witness.

use bech32::Hrp;

use crate::support::miner::hash::{display, sha256d};
use crate::support::miner::hex;

/// SHA-256 of the script OP_TRUE.
const PROGRAM: [u8; 32] = [
    0x4a, 0xe8, 0x15, 0x72, 0xf0, 0x6e, 0x1b, 0x88, 0xfd, 0x5c, 0xed, 0x7a, 0x1a, 0x00, 0x09, 0x45, 0x43, 0x2e, 0x83,
    0xe1, 0x55, 0x1e, 0x6f, 0x72, 0x1e, 0xe9, 0xc0, 0x0b, 0x8c, 0xc3, 0x32, 0x60,
];

/// The address that everybody may spend from.
pub fn address(hrp: &str) -> String {
    bech32::segwit::encode_v0(Hrp::parse(hrp).unwrap(), &PROGRAM).unwrap()
}

/// An output to spend.
#[derive(Debug, Clone, Copy)]
pub struct Coin {
    pub txid: [u8; 32],
    pub index: u32,
    pub value: u64,
}

impl Coin {
    /// The first output of a transaction as RPC names it.
    pub fn first_of(txid: &str, value: u64) -> Self {
        let mut bytes: [u8; 32] = hex::decode(txid).unwrap().try_into().unwrap();
        bytes.reverse();
        Self { txid: bytes, index: 0, value }
    }

    /// Divides it into `count` equal outputs, less `fee`: the transaction in hexadecimal, and the new coins.
    pub fn divide(&self, count: u16, fee: u64) -> (String, Vec<Coin>) {
        let value = (self.value - fee) / u64::from(count);
        let mut body = vec![1];
        body.extend(self.txid);
        body.extend(self.index.to_le_bytes());
        body.push(0);
        body.extend(u32::MAX.to_le_bytes());
        if count < 0xfd {
            body.push(count as u8);
        } else {
            body.push(0xfd);
            body.extend(count.to_le_bytes());
        }
        for _ in 0..count {
            body.extend(value.to_le_bytes());
            body.extend([34, 0, 32]);
            body.extend(PROGRAM);
        }
        let (version, lock_time) = ([2, 0, 0, 0], [0; 4]);
        let txid = sha256d(&[&version, &body[..], &lock_time].concat());
        // One witness: the script alone, of one byte.
        let whole = [&version[..], &[0, 1], &body, &[1, 1, 0x51], &lock_time].concat();
        let coins = (0..u32::from(count)).map(|index| Coin { txid, index, value }).collect();
        (hex::encode(&whole), coins)
    }

    /// The id of the transaction that made it, as RPC names it.
    pub fn txid(&self) -> String {
        display(&self.txid)
    }
}
