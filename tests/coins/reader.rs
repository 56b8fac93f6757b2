//! Reads blocks as nodes do, with code of its own: nothing here is shared with the daemon.

use crate::support::miner::hash::sha256d;

/// Where a coin's blocks differ from Bitcoin's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quirks {
    /// Transactions have a time.
    pub time: bool,
    /// Transactions end with a text or a payload.
    pub end: bool,
}

/// An output: amount and script.
pub type Paid = (u64, Vec<u8>);

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    pub version: u32,
    pub time: Option<u32>,
    /// Previous hash, index, script, sequence.
    pub inputs: Vec<([u8; 32], u32, Vec<u8>, u32)>,
    pub outputs: Vec<Paid>,
    /// Stack items by input; empty without witness.
    pub witness: Vec<Vec<Vec<u8>>>,
    pub lock_time: u32,
    pub end: Option<Vec<u8>>,
    /// The hash without witness.
    pub txid: [u8; 32],
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub header: [u8; 80],
    pub transactions: Vec<Transaction>,
    /// What follows the transactions.
    pub rest: Vec<u8>,
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.take(N).try_into().unwrap()
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn count(&mut self) -> usize {
        let number = match self.array::<1>()[0] {
            0xfd => u64::from(u16::from_le_bytes(self.array())),
            0xfe => u64::from(self.u32()),
            0xff => u64::from_le_bytes(self.array()),
            small => u64::from(small),
        };
        usize::try_from(number).unwrap()
    }

    fn counted(&mut self) -> Vec<u8> {
        let length = self.count();
        self.take(length).to_vec()
    }
}

impl Block {
    /// Reads a block; the first transaction alone has the quirks' end, for the others come from fixtures of
    /// ordinary coins.
    pub fn read(bytes: &[u8], quirks: Quirks) -> Self {
        let mut bytes = Bytes(bytes);
        let header = bytes.array();
        let count = bytes.count();
        let plain = Quirks::default();
        let transactions =
            (0..count).map(|index| transaction(&mut bytes, if index == 0 { quirks } else { plain })).collect();
        Self { header, transactions, rest: bytes.0.to_vec() }
    }

    /// The merkle root over the transactions, level by level.
    pub fn merkle_root(&self) -> [u8; 32] {
        let mut level: Vec<[u8; 32]> = self.transactions.iter().map(|transaction| transaction.txid).collect();
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push(*level.last().unwrap());
            }
            level = level.chunks(2).map(|pair| sha256d(&pair.concat())).collect();
        }
        level[0]
    }

    /// The coinbase.
    pub fn coinbase(&self) -> &Transaction {
        let coinbase = &self.transactions[0];
        assert_eq!(coinbase.inputs.len(), 1);
        assert_eq!((coinbase.inputs[0].0, coinbase.inputs[0].1), ([0; 32], u32::MAX));
        coinbase
    }
}

fn transaction(bytes: &mut Bytes<'_>, quirks: Quirks) -> Transaction {
    let start = bytes.0;
    let version = bytes.u32();
    let time = quirks.time.then(|| bytes.u32());
    let mut bare = start[..start.len() - bytes.0.len()].to_vec();
    let has_witness = bytes.0.starts_with(&[0, 1]);
    if has_witness {
        bytes.take(2);
    }
    let body = bytes.0;
    let inputs: Vec<_> =
        (0..bytes.count()).map(|_| (bytes.array(), bytes.u32(), bytes.counted(), bytes.u32())).collect();
    let outputs = (0..bytes.count()).map(|_| (u64::from_le_bytes(bytes.array()), bytes.counted())).collect();
    bare.extend_from_slice(&body[..body.len() - bytes.0.len()]);
    let mut witness = Vec::new();
    if has_witness {
        witness = inputs.iter().map(|_| (0..bytes.count()).map(|_| bytes.counted()).collect()).collect();
    }
    let tail = bytes.0;
    let lock_time = bytes.u32();
    let end = quirks.end.then(|| bytes.counted());
    bare.extend_from_slice(&tail[..tail.len() - bytes.0.len()]);
    Transaction { version, time, inputs, outputs, witness, lock_time, end, txid: sha256d(&bare) }
}
