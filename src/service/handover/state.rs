//! What a stopped daemon writes down for the next: a file in memory.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `MPOSLIFE` |
//! | 4 | version |
//! | 8 | length of the body |
//! | 4 | CRC-32C of the body |
//! | | the body: how many coins, then each of them |
//!
//! A coin of version 1: its name; what it is mined by (a text that must be the same for the next daemon); its work,
//! as bytes; how many connections, and for each the port as configured, the other end of its socket and its state,
//! as bytes. The sockets are in the order of the connections of all coins. A daemon reads its own version only: after
//! an update that changes it, miners connect anew.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::bytes::fields::{Damaged, Reader, Writer};

const MAGIC: &[u8; 8] = b"MPOSLIFE";
/// The version that is written.
const VERSION: u32 = 1;
/// Longest state; a longer one is not handed over.
const STATE_BYTES_MAX: usize = 1 << 30;
const COINS_MAX: usize = 1024;
const CONNECTIONS_MAX: usize = 1 << 20;
/// Longest name or address.
const TEXT_BYTES_MAX: usize = 1024;

/// What is handed over of a coin.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CoinState {
    /// The coin's name.
    pub name: String,
    /// What it is mined by.
    pub mined_by: String,
    /// Its work.
    pub work: Vec<u8>,
    /// Its connections.
    pub connections: Vec<ConnectionState>,
}

/// What is handed over of a connection, but for its socket.
#[derive(Debug, PartialEq, Eq)]
pub struct ConnectionState {
    /// The port, as configured.
    pub port: SocketAddr,
    /// The other end of its socket.
    pub remote: SocketAddr,
    /// What stands behind it.
    pub state: Vec<u8>,
}

/// Why nothing of a state is used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is none, or not whole.
    #[error("{0}")]
    Damaged(#[from] Damaged),
    /// Another daemon wrote it.
    #[error("it is of version {0}, this daemon reads version {VERSION}")]
    Version(u32),
}

/// The bytes of a state.
pub fn encode(coins: &[CoinState]) -> Vec<u8> {
    let mut body = Writer::default();
    body.list(coins.iter(), |writer, coin| {
        writer.text(&coin.name);
        writer.text(&coin.mined_by);
        writer.bytes(&coin.work);
        writer.list(coin.connections.iter(), |writer, connection| {
            writer.text(&connection.port.to_string());
            writer.text(&connection.remote.to_string());
            writer.bytes(&connection.state);
        });
    });
    let body = body.into_bytes();
    let mut whole = Writer::default();
    whole.raw(MAGIC);
    whole.u32(VERSION);
    whole.u64(body.len() as u64);
    whole.u32(crc32c::crc32c(&body));
    whole.raw(&body);
    whole.into_bytes()
}

/// Reads a state.
///
/// # Errors
/// It is damaged, or of a version that is not known.
pub fn decode(bytes: &[u8]) -> Result<Vec<CoinState>, Unusable> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != *MAGIC {
        return Err(reader.damaged("the mark of a state").into());
    }
    let version = reader.u32()?;
    if version != VERSION {
        return Err(Unusable::Version(version));
    }
    let (length, checksum) = (reader.u64()?, reader.u32()?);
    let body = reader.raw(usize::try_from(length).unwrap_or(usize::MAX))?;
    reader.end()?;
    if crc32c::crc32c(body) != checksum {
        return Err(reader.damaged("what the checksum says").into());
    }
    let mut reader = Reader::new(body);
    let coins = reader.list(COINS_MAX, coin)?;
    reader.end()?;
    Ok(coins)
}

fn coin(reader: &mut Reader<'_>) -> Result<CoinState, Damaged> {
    Ok(CoinState {
        name: reader.text(TEXT_BYTES_MAX)?.to_owned(),
        mined_by: reader.text(TEXT_BYTES_MAX)?.to_owned(),
        work: reader.bytes(STATE_BYTES_MAX)?.to_vec(),
        connections: reader.list(CONNECTIONS_MAX, |reader| {
            Ok(ConnectionState {
                port: address(reader)?,
                remote: address(reader)?,
                state: reader.bytes(STATE_BYTES_MAX)?.to_vec(),
            })
        })?,
    })
}

fn address(reader: &mut Reader<'_>) -> Result<SocketAddr, Damaged> {
    let text = reader.text(TEXT_BYTES_MAX)?;
    text.parse().map_err(|_| reader.damaged("an address"))
}

/// Puts a state into a file in memory that nobody can change any more.
///
/// # Errors
/// The system gives no such file, or the state is too large.
pub fn into_memory(state: &[u8]) -> io::Result<OwnedFd> {
    if state.len() > STATE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the sessions take too much room"));
    }
    let mut file = File::from(memfd_create("mpos-stratum", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(state)?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file.into())
}

/// Reads a state out of a file in memory.
///
/// # Errors
/// See [`Unusable`].
pub fn from_memory(file: OwnedFd) -> Result<Vec<CoinState>, Unusable> {
    let mut file = File::from(file);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(STATE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coins() -> Vec<CoinState> {
        let connection = |number: u16| ConnectionState {
            port: ([127, 0, 0, 1], 3333).into(),
            remote: ([127, 0, 0, 1], number).into(),
            state: vec![7; number.into()],
        };
        let named = |name: &str, connections| CoinState {
            name: name.to_owned(),
            mined_by: "sha256d".to_owned(),
            work: vec![1, 2, 3],
            connections,
        };
        vec![named("bitcoin", vec![connection(1), connection(2)]), named("litecoin", vec![])]
    }

    #[test]
    fn what_was_put_into_memory_comes_out_and_cannot_be_changed() {
        let file = into_memory(&encode(&coins())).unwrap();
        assert!(File::from(file.try_clone().unwrap()).write_all(&[1]).is_err());
        assert_eq!(from_memory(file).unwrap(), coins());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = encode(&coins());
        assert!((0..whole.len()).all(|end| decode(&whole[..end]).is_err()));
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
        let mut newer = whole;
        newer[8] = 2;
        assert!(matches!(decode(&newer), Err(Unusable::Version(2))));
    }
}
