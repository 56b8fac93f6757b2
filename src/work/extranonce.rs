//! The extranonce: the part of the coinbase that makes every connection's work its own.
//!
//! `extranonce1` is a counter per coin. Daemons that pay the same address are kept apart not here
//! but by the instance number and the random part in the coinbase tag (see [`super::job`]).

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Size of the part the server assigns, bytes.
pub const EXTRANONCE1_BYTES: usize = 4;
/// Largest part a miner may be given to roll, bytes: more breaks widespread firmware.
pub const EXTRANONCE2_BYTES_MAX: usize = 8;

/// The part of the extranonce that belongs to one connection.
pub type Extranonce1 = [u8; EXTRANONCE1_BYTES];

/// Hands out extranonces, none to two at once.
#[derive(Debug)]
pub struct Extranonces {
    next: AtomicU32,
    taken: Mutex<HashSet<u32>>,
}

/// An extranonce as long as it is somebody's.
#[derive(Debug)]
pub struct Lease {
    value: u32,
    owner: Arc<Extranonces>,
}

impl Extranonces {
    /// Starts at `first`, which should be random so that a restart does not begin with the values
    /// that miners of the previous process still work on.
    pub fn starting_at(first: u32) -> Self {
        Self { next: AtomicU32::new(first), taken: Mutex::default() }
    }

    /// The next one that is free.
    pub fn lease(self: &Arc<Self>) -> Lease {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = self.next.fetch_add(1, Ordering::Relaxed);
        while !taken.insert(value) {
            value = self.next.fetch_add(1, Ordering::Relaxed);
        }
        Lease { value, owner: Arc::clone(self) }
    }
}

impl Extranonces {
    /// One that somebody had in the daemon's last life; `None` if it is somebody's already.
    pub fn lease_again(self: &Arc<Self>, bytes: Extranonce1) -> Option<Lease> {
        let value = u32::from_be_bytes(bytes);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(value).then(|| Lease { value, owner: Arc::clone(self) })
    }

    /// Where the next life goes on.
    pub fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }
}

impl Lease {
    /// The extranonce.
    pub fn bytes(&self) -> Extranonce1 {
        self.value.to_be_bytes()
    }

    /// A further one of the same coin.
    pub fn another(&self) -> Lease {
        self.owner.lease()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.owner.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.value);
    }
}

/// What a miner rolled: at most eight bytes, kept with their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extranonce2 {
    bytes: [u8; EXTRANONCE2_BYTES_MAX],
    len: u8,
}

impl Extranonce2 {
    /// Zeros: what no miner chose.
    pub fn zero(len: u8) -> Self {
        Self { bytes: [0; EXTRANONCE2_BYTES_MAX], len }
    }

    /// Reads exactly `len` bytes of hexadecimal.
    pub fn from_hex(text: &[u8], len: u8) -> Option<Self> {
        let mut bytes = [0; EXTRANONCE2_BYTES_MAX];
        let used = bytes.get_mut(..usize::from(len))?;
        crate::bytes::hex::decode_into(text, used).then_some(Self { bytes, len })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }

    /// The bytes padded with zeros, for keys; one size per connection makes this unambiguous.
    pub fn padded(&self) -> [u8; EXTRANONCE2_BYTES_MAX] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_the_same_to_two_at_once_even_across_the_wrap() {
        let extranonces = Arc::new(Extranonces::starting_at(u32::MAX));
        let (last, first) = (extranonces.lease(), extranonces.lease());
        assert_eq!((last.bytes(), first.bytes()), ([255; 4], [0; 4]));
        extranonces.next.store(u32::MAX, Ordering::Relaxed);
        assert_eq!(extranonces.lease().bytes(), [0, 0, 0, 1], "those in use are left out");
        drop(first);
        extranonces.next.store(0, Ordering::Relaxed);
        assert_eq!(extranonces.lease().bytes(), [0; 4]);
    }

    #[test]
    fn reads_exactly_the_announced_size() {
        assert_eq!(Extranonce2::from_hex(b"00FFaa01", 4).unwrap().as_bytes(), [0, 255, 170, 1]);
        for (text, len) in [(&b"00ffaa"[..], 4), (b"00ffaa0102", 4), (b"00ffaa0g", 4), (b"0000", 9)] {
            assert_eq!(Extranonce2::from_hex(text, len), None);
        }
    }
}
