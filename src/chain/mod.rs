//! The bytes of a chain: scripts, addresses, coinbase, merkle tree, header and block.
//!
//! Everything here is a pure function from values to bytes. Hashes are in internal byte order.

pub mod address;
pub mod block;
pub mod cash;
pub mod coinbase;
pub mod destination;
pub mod due;
pub mod form;
pub mod header;
pub mod merkle;
pub mod script;

#[cfg(test)]
mod tests;
