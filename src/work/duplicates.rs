//! The memory of what was submitted: a share counts once.
//!
//! A set belongs to one extranonce1, so two connections cannot collide and none can see another's.
//! Keys are bytes, not text: upper case, padding and other spellings of the same work are the same
//! key. Two generations are kept, the tip's and the one before, so that a late block candidate of
//! the previous tip is not taken twice either.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::extranonce::Extranonce2;
use crate::bytes::fields::{Damaged, Reader, Writer};

/// Most shares remembered per extranonce and tip. Only shares that counted stay, so the bound is
/// reached by work, not by noise. Beyond it submits are hashed for the sake of blocks, but refused as
/// too many until the next tip: a connection with so many shares on one tip has a difficulty far too
/// low, and memory must stay bounded.
pub const DUPLICATES_MAX: usize = 250_000;

/// Most shares that all extranonces of a coin remember together. At the bound every connection is
/// treated as at its own.
pub const COIN_DUPLICATES_MAX: usize = 2_000_000;

/// Most block candidates remembered as such per extranonce.
pub const CANDIDATES_MAX: usize = 10_000;

/// How many shares the extranonces of one coin remember together; clones count in one place.
#[derive(Debug, Clone, Default)]
pub struct KeyCount(Arc<AtomicUsize>);

impl KeyCount {
    /// Makes room for one more, if there is any.
    fn take(&self) -> bool {
        let taken = self.0.fetch_add(1, Ordering::Relaxed) < COIN_DUPLICATES_MAX;
        if !taken {
            self.give_back(1);
        }
        taken
    }

    fn give_back(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many are remembered now.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that makes one piece of work differ from another on one extranonce1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShareKey {
    /// Serial of the job and its variant.
    pub job: (u32, u8),
    /// What the miner rolled, zero-padded.
    pub extranonce2: [u8; 8],
    /// Header time.
    pub time: u32,
    /// Header nonce.
    pub nonce: u32,
    /// Header version, with rolled bits; where miners vote instead of rolling bits, the vote.
    pub version: u32,
}

impl ShareKey {
    /// The key of a submission.
    pub fn new(job: (u32, u8), extranonce2: &Extranonce2, time: u32, nonce: u32, version: u32) -> Self {
        Self { job, extranonce2: extranonce2.padded(), time, nonce, version }
    }
}

/// The shares of one extranonce1.
#[derive(Debug, Default)]
pub struct Duplicates {
    tip_seq: u64,
    count: KeyCount,
    current: HashSet<ShareKey>,
    previous: HashSet<ShareKey>,
    /// Keys that turned out to be block candidates, with the tip at that time: a repeat of one must not even become a
    /// row.
    candidates: HashMap<ShareKey, u64>,
}

/// What [`Duplicates::reserve`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Never seen; it is now.
    New,
    /// Seen before.
    Duplicate,
    /// Not among those remembered, but no further one can be.
    Full,
    /// Seen before, and it was a block candidate.
    DuplicateCandidate,
}

impl Duplicates {
    /// An empty one whose keys are counted together with those of its coin.
    pub fn counted_by(count: KeyCount) -> Self {
        let mut duplicates = Self::default();
        duplicates.count = count;
        duplicates
    }

    /// Forgets the tip before the previous one when the tip has moved.
    pub fn on_tip(&mut self, tip_seq: u64) {
        if tip_seq != self.tip_seq {
            let before = std::mem::replace(&mut self.tip_seq, tip_seq);
            self.count.give_back(self.previous.len());
            self.previous = std::mem::take(&mut self.current);
            self.candidates.retain(|_, tip| *tip == before);
        }
    }

    /// Marks `key` as submitted, before it is hashed, so that two copies in flight cannot both count.
    pub fn reserve(&mut self, key: ShareKey) -> Reserved {
        if self.candidates.contains_key(&key) {
            return Reserved::DuplicateCandidate;
        }
        if self.previous.contains(&key) || self.current.contains(&key) {
            return Reserved::Duplicate;
        }
        if self.current.len() >= DUPLICATES_MAX || !self.count.take() {
            return Reserved::Full;
        }
        self.current.insert(key);
        Reserved::New
    }

    /// Notes that a key was a block candidate, whether it could be remembered as a share or not. Beyond
    /// [`CANDIDATES_MAX`], which only a test network reaches, a repeat is the duplicate of a share.
    pub fn mark_candidate(&mut self, key: ShareKey) {
        if self.candidates.len() < CANDIDATES_MAX {
            self.candidates.insert(key, self.tip_seq);
        }
    }

    /// Takes a reservation back: the share did not count, so it need not be remembered.
    pub fn release(&mut self, key: &ShareKey) {
        // The tip may have moved since it was reserved.
        if self.current.remove(key) || self.previous.remove(key) {
            self.count.give_back(1);
        }
    }
}

/// The way from one life of the daemon to the next.
impl Duplicates {
    /// Writes everything that is remembered.
    pub fn carry(&self, writer: &mut Writer) {
        writer.u64(self.tip_seq);
        writer.list(self.current.iter(), |writer, key| key.carry(writer));
        writer.list(self.previous.iter(), |writer, key| key.carry(writer));
        writer.list(self.candidates.keys(), |writer, key| key.carry(writer));
    }

    /// Reads it. The keys count, even where the coin's bound is reached.
    ///
    /// # Errors
    /// It is damaged.
    pub fn carried(reader: &mut Reader<'_>, count: KeyCount) -> Result<Self, Damaged> {
        let mut duplicates = Self::counted_by(count);
        duplicates.tip_seq = reader.u64()?;
        duplicates.current = reader.list(DUPLICATES_MAX, ShareKey::carried)?;
        duplicates.previous = reader.list(DUPLICATES_MAX, ShareKey::carried)?;
        duplicates.count.0.fetch_add(duplicates.current.len() + duplicates.previous.len(), Ordering::Relaxed);
        let candidates: Vec<ShareKey> = reader.list(2 * DUPLICATES_MAX, ShareKey::carried)?;
        let (of_tip, of_previous) = (duplicates.tip_seq, duplicates.tip_seq.wrapping_sub(1));
        let tip = |key: &ShareKey| if duplicates.previous.contains(key) { of_previous } else { of_tip };
        duplicates.candidates = candidates.into_iter().map(|key| (key, tip(&key))).collect();
        Ok(duplicates)
    }
}

impl ShareKey {
    fn carry(&self, writer: &mut Writer) {
        let (serial, variant) = self.job;
        writer.u32(serial);
        writer.u8(variant);
        writer.raw(&self.extranonce2);
        [self.time, self.nonce, self.version].into_iter().for_each(|number| writer.u32(number));
    }

    fn carried(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            job: (reader.u32()?, reader.u8()?),
            extranonce2: reader.array()?,
            time: reader.u32()?,
            nonce: reader.u32()?,
            version: reader.u32()?,
        })
    }
}

impl Drop for Duplicates {
    fn drop(&mut self) {
        self.count.give_back(self.current.len() + self.previous.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(nonce: u32) -> ShareKey {
        let extranonce2 = Extranonce2::from_hex(b"00000001", 4).unwrap();
        ShareKey::new((7, 0), &extranonce2, 1, nonce, 0x2000_0000)
    }

    #[test]
    fn a_key_counts_once_until_the_tip_has_moved_twice() {
        let mut duplicates = Duplicates::default();
        duplicates.on_tip(1);
        assert_eq!(duplicates.reserve(key(1)), Reserved::New);
        assert_eq!(duplicates.reserve(key(1)), Reserved::Duplicate);
        assert_eq!(duplicates.reserve(key(2)), Reserved::New);
        duplicates.on_tip(1);
        assert_eq!(duplicates.reserve(key(1)), Reserved::Duplicate);
        duplicates.on_tip(2);
        assert_eq!(duplicates.reserve(key(1)), Reserved::Duplicate);
        duplicates.on_tip(3);
        assert_eq!(duplicates.reserve(key(1)), Reserved::New);
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let mut duplicates = Duplicates::default();
        let base = key(1);
        let other2 = Extranonce2::from_hex(b"00000002", 4).unwrap().padded();
        for other in [
            base,
            ShareKey { job: (8, 0), ..base },
            ShareKey { job: (7, 1), ..base },
            ShareKey { extranonce2: other2, ..base },
            ShareKey { time: 2, ..base },
            ShareKey { nonce: 2, ..base },
            ShareKey { version: 0x2000_2000, ..base },
        ] {
            assert_eq!(duplicates.reserve(other), Reserved::New, "{other:?}");
        }
    }

    #[test]
    fn a_repeated_candidate_is_told_apart_and_a_released_key_is_free_again() {
        let mut duplicates = Duplicates::default();
        duplicates.on_tip(1);
        duplicates.reserve(key(1));
        duplicates.mark_candidate(key(1));
        assert_eq!(duplicates.reserve(key(1)), Reserved::DuplicateCandidate);
        duplicates.on_tip(2);
        assert_eq!(duplicates.reserve(key(1)), Reserved::DuplicateCandidate);
        duplicates.reserve(key(2));
        duplicates.release(&key(2));
        assert_eq!(duplicates.reserve(key(2)), Reserved::New);
        duplicates.on_tip(3);
        duplicates.release(&key(2));
        assert_eq!(duplicates.reserve(key(2)), Reserved::New, "released although the tip has moved");
    }

    #[test]
    fn b17_a_candidate_beyond_the_bound_is_known_as_long_as_others_and_they_are_bounded_too() {
        let mut duplicates = Duplicates::default();
        duplicates.on_tip(1);
        duplicates.count.0.store(COIN_DUPLICATES_MAX, Ordering::Relaxed);
        assert_eq!(duplicates.reserve(key(1)), Reserved::Full);
        duplicates.mark_candidate(key(1));
        for tip in [1, 2] {
            duplicates.on_tip(tip);
            assert_eq!(duplicates.reserve(key(1)), Reserved::DuplicateCandidate, "tip {tip}");
        }
        duplicates.on_tip(3);
        assert_eq!(duplicates.reserve(key(1)), Reserved::Full);
        (0..2 * CANDIDATES_MAX as u32).for_each(|nonce| duplicates.mark_candidate(key(nonce)));
        assert_eq!(duplicates.candidates.len(), CANDIDATES_MAX);
    }

    #[test]
    fn the_coin_s_count_follows_its_extranonces() {
        let count = KeyCount::default();
        let (mut one, mut two) = (Duplicates::counted_by(count.clone()), Duplicates::counted_by(count.clone()));
        for nonce in 0..10 {
            one.reserve(key(nonce));
            two.reserve(key(nonce));
        }
        one.reserve(key(3));
        one.release(&key(4));
        one.release(&key(4));
        assert_eq!(count.get(), 19);
        two.on_tip(1);
        two.reserve(key(1));
        two.reserve(key(77));
        two.release(&key(7));
        assert_eq!(count.get(), 19);
        two.on_tip(2);
        assert_eq!(count.get(), 10);
        drop(one);
        assert_eq!(count.get(), 1);
        count.0.store(COIN_DUPLICATES_MAX, Ordering::Relaxed);
        assert_eq!(two.reserve(key(99)), Reserved::Full);
        assert_eq!(two.reserve(key(77)), Reserved::Duplicate);
        assert_eq!(count.get(), COIN_DUPLICATES_MAX);
    }

    #[test]
    fn at_the_bound_what_is_known_is_still_told_from_what_is_not() {
        let mut duplicates = Duplicates::default();
        for nonce in 0..DUPLICATES_MAX as u32 {
            duplicates.reserve(key(nonce));
        }
        assert_eq!(duplicates.reserve(key(u32::MAX)), Reserved::Full);
        assert_eq!(duplicates.reserve(key(7)), Reserved::Duplicate);
        duplicates.mark_candidate(key(u32::MAX));
        assert_eq!(duplicates.reserve(key(u32::MAX)), Reserved::DuplicateCandidate);
    }
}
