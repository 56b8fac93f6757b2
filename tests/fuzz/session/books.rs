//! What all connections of a life must not do together: credit work twice, or leave a block lying.

use std::collections::{HashMap, HashSet};

use mpos_stratum::stratum::desk::JudgedShare;

use super::super::miner::{hash, target};
use super::terms::STRATUM_BITS;

/// A header.
pub type Header = [u8; 80];

/// The header of a share.
pub fn header_of(share: &[u8]) -> Header {
    share.try_into().expect("a header of eighty bytes")
}

/// A share on the desk.
#[derive(Debug)]
pub struct OnDesk {
    pub accepted: bool,
    pub header: Option<Header>,
}

/// The accounts of a life.
#[derive(Debug, Default)]
pub struct Books {
    /// What was credited, and under which sequence number.
    pub credited: HashMap<Header, u64>,
    /// Blocks that came to the desk.
    pub candidates: HashSet<Header>,
    /// What was answered `true`.
    acknowledged: HashSet<Header>,
    /// What was submitted.
    pub submitted: HashSet<Header>,
    /// The last sequence number.
    pub seq: u64,
    /// Up to where everything is on the disk.
    pub synced: u64,
}

/// Whether a block is credited what it is worth to the network: it may have missed what its miner was told.
pub fn is_worth_of_block(share: &JudgedShare) -> bool {
    let Some(work) = share.work.as_ref().filter(|work| work.candidate.is_some()) else { return false };
    let bits = u32::from_le_bytes(work.header[72..76].try_into().unwrap());
    let target = f64::from(bits & 0xff_ffff) * 2f64.powi(8 * ((bits >> 24) as i32 - 3));
    let network = 65_535.0 * 2f64.powi(240 - STRATUM_BITS as i32) / target;
    (share.assigned.get() / network - 1.0).abs() < 1e-9
}

impl Books {
    /// A share comes to the desk.
    pub fn take(&mut self, share: &JudgedShare, tolerance_ppm: u32) -> OnDesk {
        let accepted = share.verdict.is_ok();
        let Some(work) = &share.work else {
            assert!(!accepted, "credited without work: {share:?}");
            return OnDesk { accepted, header: None };
        };
        let pow = hash::sha256d(&work.header);
        let bits = u32::from_le_bytes(work.header[72..76].try_into().unwrap());
        let is_block = target::is_met(&target::of_bits(bits).unwrap(), &pow);
        assert_eq!(is_block, work.candidate.is_some(), "a block is a candidate, and nothing else: {share:?}");
        if let Some(candidate) = &work.candidate {
            assert_eq!(candidate.block_hash, hash::sha256d(&work.header));
            assert_eq!(hash::sha256d(&candidate.coinbase), work.coinbase_txid);
            assert!(self.candidates.insert(header_of(&work.header)), "a block comes twice: {share:?}");
        }
        if accepted {
            // At the most generous: a little above what the tolerance allows. A block is no exception: it is never
            // credited more than it is worth to the network.
            let loosened = share.assigned.get() / (1.0 + f64::from(tolerance_ppm) / 999_000.0 + 1e-9);
            let bar = target::of_difficulty(loosened, STRATUM_BITS).unwrap();
            assert!(target::is_met(&bar, &pow), "not work enough: {share:?}");
            assert!(!self.credited.contains_key(&header_of(&work.header)), "credited twice: {share:?}");
        }
        OnDesk { accepted, header: Some(header_of(&work.header)) }
    }

    /// The desk has written a share down.
    pub fn write(&mut self, share: &OnDesk) -> u64 {
        self.seq += 1;
        if let (true, Some(header)) = (share.accepted, share.header) {
            assert!(self.credited.insert(header, self.seq).is_none(), "credited twice: {share:?}");
        }
        self.seq
    }

    /// A miner was told that its work counts.
    pub fn acknowledge(&mut self, header: Header, waits_for_sync: bool) {
        let seq = self.credited.get(&header).copied().expect("acknowledged, but not written down");
        assert!(!waits_for_sync || seq <= self.synced, "acknowledged before it was on the disk");
        assert!(self.acknowledged.insert(header), "acknowledged twice");
    }
}
