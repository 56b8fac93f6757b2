//! Messages of the peer-to-peer protocol, as bytes.

use crate::bytes::{Hash, sha256::sha256d, varint};

/// Bytes before the payload: magic, command, length, checksum.
pub(super) const FRAME_HEAD_BYTES: usize = 24;
/// Largest payload that is read; a larger one ends the connection. Blocks are never asked for.
pub(super) const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Most entries of an `inv` by the protocol.
const INV_MAX: u64 = 50_000;
/// Type of a block in an `inv`; the other bits say in which form it is offered.
const INV_BLOCK: u32 = 2;
/// Type of a compact block in an `inv`.
const INV_COMPACT: u32 = 4;
/// Bit of an `inv` type: with witness.
const INV_WITNESS: u32 = 1 << 30;

/// What is wrong with what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("its messages begin otherwise: p2p_magic is not that of its network")]
    Magic,
    #[error("a message is larger than {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("a message's checksum is wrong")]
    Checksum,
}

/// A message to be sent.
pub(super) fn frame(magic: [u8; 4], command: &str, payload: &[u8]) -> Vec<u8> {
    let mut name = [0; 12];
    name.iter_mut().zip(command.bytes()).for_each(|(to, from)| *to = from);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let sum = sha256d(payload);
    [&magic[..], &name, &length.to_le_bytes(), &sum[..4], payload].concat()
}

/// A message that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) command: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// The message at the front of what came, and how many bytes it takes; `None` if it is not complete.
pub(super) fn parse(magic: [u8; 4], bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, WireError> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else { return Ok(None) };
    let (start, head) = head.split_at(4);
    let (command, head) = head.split_at(12);
    let (length, sum) = head.split_at(4);
    if start != magic {
        return Err(WireError::Magic);
    }
    let length = length.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
    if length > PAYLOAD_BYTES_MAX {
        return Err(WireError::TooLarge);
    }
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    if sha256d(payload).get(..4) != Some(sum) {
        return Err(WireError::Checksum);
    }
    let end = command.iter().position(|byte| *byte == 0).unwrap_or(command.len());
    let command = command.get(..end).unwrap_or_default();
    Ok(Some((Message { command, payload }, FRAME_HEAD_BYTES + length)))
}

/// What we say about ourselves.
pub(super) struct Introduction {
    pub(super) version: u32,
    pub(super) unix_secs: u64,
    pub(super) nonce: [u8; 8],
    pub(super) height: u32,
}

/// The payload of `version`: no services, no transactions wanted (BIP37's relay flag).
pub(super) fn version(own: &Introduction) -> Vec<u8> {
    const AGENT: &[u8] = concat!("/mpos-stratum:", env!("CARGO_PKG_VERSION"), "/").as_bytes();
    let mut payload = Vec::with_capacity(128);
    payload.extend_from_slice(&own.version.to_le_bytes());
    payload.extend_from_slice(&[0; 8]);
    payload.extend_from_slice(&own.unix_secs.to_le_bytes());
    // Both addresses: no services, no address, no port. Nobody looks at them.
    payload.extend_from_slice(&[0; 52]);
    payload.extend_from_slice(&own.nonce);
    varint::write(AGENT.len() as u64, &mut payload);
    payload.extend_from_slice(AGENT);
    payload.extend_from_slice(&own.height.to_le_bytes());
    payload.push(0);
    payload
}

/// The payload of `sendcmpct` (BIP152): announce blocks so at once, in this version's form.
pub(super) fn send_compact(version: u64) -> Vec<u8> {
    [&[1][..], &version.to_le_bytes()].concat()
}

/// The payload of `getheaders` for what follows `tip`.
pub(super) fn get_headers(version: u32, tip: &Hash) -> Vec<u8> {
    [&version.to_le_bytes()[..], &[1], tip, &[0; 32]].concat()
}

/// The last block of an `inv`.
pub(super) fn announced(payload: &[u8]) -> Option<Hash> {
    let (count, size) = varint::read(payload)?;
    if count > INV_MAX {
        return None;
    }
    let entries = payload.get(size..)?.chunks_exact(36);
    let block = |entry: &[u8]| {
        let (kind, hash) = entry.split_first_chunk::<4>()?;
        let kind = u32::from_le_bytes(*kind) & !INV_WITNESS;
        matches!(kind, INV_BLOCK | INV_COMPACT).then(|| hash.try_into().ok()).flatten()
    };
    entries.rev().find_map(block)
}

/// The last header of a `headers`. Where headers have something behind them (merged mining), only one
/// that comes alone can be read.
pub(super) fn last_header(payload: &[u8], header_bytes: usize) -> Option<&[u8]> {
    let (count, size) = varint::read(payload)?;
    let entries = payload.get(size..)?;
    // Each is followed by a count of transactions, which is zero.
    let entry = header_bytes + 1;
    let is_plain = u64::try_from(entries.len()).ok()? == count.checked_mul(entry as u64)?;
    let header = match (count, is_plain) {
        (1, _) => entries,
        (_, true) => entries.rchunks_exact(entry).next()?,
        (_, false) => return None,
    };
    header.get(..header_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 4] = [0xfb, 0xc0, 0xb6, 0xdb];

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        // `verack` of Bitcoin's main network, byte by byte from the protocol's documentation.
        let verack = crate::bytes::hex::decode(b"f9beb4d976657261636b000000000000000000005df6e0e2").unwrap();
        assert_eq!(frame([0xf9, 0xbe, 0xb4, 0xd9], "verack", &[]), verack);
        let bytes = [frame(MAGIC, "ping", &[7; 8]), frame(MAGIC, "verack", &[])].concat();
        let (message, used) = parse(MAGIC, &bytes).unwrap().unwrap();
        assert_eq!((message.command, message.payload, used), (&b"ping"[..], &[7; 8][..], 32));
        for cut in 0..32 {
            assert_eq!(parse(MAGIC, &bytes[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_is_no_message_ends_the_talk() {
        let good = frame(MAGIC, "ping", &[7; 8]);
        let changed = |at: usize| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            parse(MAGIC, &bytes).map(|_| ())
        };
        assert_eq!(changed(0), Err(WireError::Magic));
        assert_eq!(changed(23), Err(WireError::Checksum));
        assert_eq!(changed(31), Err(WireError::Checksum));
        assert_eq!(changed(19), Err(WireError::TooLarge));
    }

    #[test]
    fn the_last_block_of_an_inventory_counts() {
        let entry = |kind: u32, byte: u8| [&kind.to_le_bytes()[..], &[byte; 32]].concat();
        let inv = |entries: &[Vec<u8>]| [&[u8::try_from(entries.len()).unwrap()][..], &entries.concat()].concat();
        assert_eq!(announced(&inv(&[entry(2, 5), entry(2, 6), entry(1, 7)])), Some([6; 32]));
        assert_eq!(announced(&inv(&[entry(INV_WITNESS | 2, 8)])), Some([8; 32]));
        assert_eq!(announced(&inv(&[entry(1, 9)])), None);
        assert_eq!(announced(&[]), None);
        assert_eq!(announced(&inv(&[entry(2, 5)])[..20]), None);
    }

    #[test]
    fn the_last_header_counts() {
        for length in [80, 112] {
            let header = |byte: u8| [vec![byte; length], vec![0]].concat();
            let last = |payload: &[&[u8]]| last_header(&payload.concat(), length).map(<[u8]>::to_vec);
            assert_eq!(last(&[&[2], &header(1), &header(2)]), Some(vec![2; length]));
            // With something behind it.
            assert_eq!(last(&[&[1], &header(3), &[9; 40]]), Some(vec![3; length]));
            assert_eq!(last(&[&[2], &header(1), &header(2), &[9]]), None);
            assert_eq!(last(&[&[0]]), None);
            assert_eq!(last(&[&[1, 2, 3]]), None);
        }
    }
}
