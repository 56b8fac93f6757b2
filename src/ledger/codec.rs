//! Events as payloads of records.
//!
//! Share: one byte of flags (1 accepted, 2 remote is IPv6, 4 has a solution, 8 is a candidate);
//! row, assigned, share and network difficulty as IEEE 754 bits; height (4); reward (8); remote
//! (4 or 16); solution (32, if any); candidate's hash (32), header time (4) and coinbase txid (32,
//! if any); then worker, reason, job and header, each with a 2-byte length before it.
//!
//! Verdict: candidate's sequence number (8), written hash (32), one byte accepted, node's hash
//! (32), reason with a 2-byte length. All numbers are little-endian.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::envelope::{FLAG_CANDIDATE, Kind};
use super::record::{CandidateFacts, Event, ShareRecord, VerdictRecord};

const ACCEPTED: u8 = 1;
const IPV6: u8 = 2;
const SOLUTION: u8 = 4;
const CANDIDATE: u8 = 8;

/// Kind and envelope flags of an event.
pub(super) fn frame_of(event: &Event) -> (Kind, u8) {
    match event {
        Event::Share(share) => (Kind::Share, if share.candidate.is_some() { FLAG_CANDIDATE } else { 0 }),
        Event::Verdict(_) => (Kind::Verdict, 0),
    }
}

/// Appends the payload of `event`; false if a text or the header is longer than 65,535 bytes.
pub(super) fn encode(event: &Event, out: &mut Vec<u8>) -> bool {
    match event {
        Event::Share(share) => encode_share(share, out),
        Event::Verdict(verdict) => encode_verdict(verdict, out),
    }
}

/// Reads the payload of an event; `None` if it is not one (its checksum was right, so it was
/// written by something else).
pub(super) fn decode(kind: Kind, payload: &[u8]) -> Option<Event> {
    let mut input = Input(payload);
    let event = match kind {
        Kind::Share => Event::Share(decode_share(&mut input)?),
        Kind::Verdict => Event::Verdict(decode_verdict(&mut input)?),
        Kind::Marker | Kind::Gap => return None,
    };
    input.0.is_empty().then_some(event)
}

fn encode_share(share: &ShareRecord, out: &mut Vec<u8>) -> bool {
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(
        bit(share.accepted, ACCEPTED)
            | bit(share.remote.is_ipv6(), IPV6)
            | bit(share.solution.is_some(), SOLUTION)
            | bit(share.candidate.is_some(), CANDIDATE),
    );
    for difficulty in
        [share.row_difficulty, share.assigned_difficulty, share.share_difficulty, share.network_difficulty]
    {
        out.extend_from_slice(&difficulty.to_bits().to_le_bytes());
    }
    out.extend_from_slice(&share.height.to_le_bytes());
    out.extend_from_slice(&share.reward.to_le_bytes());
    match share.remote {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
    if let Some(solution) = &share.solution {
        out.extend_from_slice(solution);
    }
    if let Some(candidate) = &share.candidate {
        out.extend_from_slice(&candidate.hash);
        out.extend_from_slice(&candidate.header_time.to_le_bytes());
        out.extend_from_slice(&candidate.coinbase_txid);
    }
    put(share.worker.as_bytes(), out)
        && put(share.reason.as_bytes(), out)
        && put(share.job.as_bytes(), out)
        && put(&share.header, out)
}

fn encode_verdict(verdict: &VerdictRecord, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&verdict.candidate.to_le_bytes());
    out.extend_from_slice(&verdict.written_hash);
    out.push(u8::from(verdict.accepted));
    out.extend_from_slice(&verdict.node_hash);
    put(verdict.reason.as_bytes(), out)
}

/// Appends `bytes` behind their length.
fn put(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(bytes.len()) else { return false };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
    true
}

fn decode_share(input: &mut Input<'_>) -> Option<ShareRecord> {
    let [flags] = input.array()?;
    if flags & !(ACCEPTED | IPV6 | SOLUTION | CANDIDATE) != 0 {
        return None;
    }
    let row_difficulty = input.double()?;
    let assigned_difficulty = input.double()?;
    let share_difficulty = input.double()?;
    let network_difficulty = input.double()?;
    let height = u32::from_le_bytes(input.array()?);
    let reward = u64::from_le_bytes(input.array()?);
    let remote = if flags & IPV6 == 0 {
        IpAddr::V4(Ipv4Addr::from(input.array::<4>()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(input.array::<16>()?))
    };
    let solution = if flags & SOLUTION == 0 { None } else { Some(input.array()?) };
    let candidate = if flags & CANDIDATE == 0 {
        None
    } else {
        let hash = input.array()?;
        let header_time = u32::from_le_bytes(input.array()?);
        Some(CandidateFacts { hash, header_time, coinbase_txid: input.array()? })
    };
    Some(ShareRecord {
        worker: Arc::from(input.text()?),
        remote,
        accepted: flags & ACCEPTED != 0,
        reason: input.text()?.to_owned(),
        row_difficulty,
        assigned_difficulty,
        share_difficulty,
        network_difficulty,
        height,
        reward,
        job: input.text()?.to_owned(),
        header: input.bytes()?.to_vec(),
        solution,
        candidate,
    })
}

fn decode_verdict(input: &mut Input<'_>) -> Option<VerdictRecord> {
    let candidate = u64::from_le_bytes(input.array()?);
    let written_hash = input.array()?;
    let accepted = match input.array()? {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let node_hash = input.array()?;
    Some(VerdictRecord { candidate, written_hash, accepted, node_hash, reason: input.text()?.to_owned() })
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn double(&mut self) -> Option<f64> {
        self.array().map(|bytes| f64::from_bits(u64::from_le_bytes(bytes)))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}
