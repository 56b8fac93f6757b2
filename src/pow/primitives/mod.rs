//! Hash functions that no trustworthy crate offers in the form that coins use, one file each, next
//! to the specification that it names. All take messages of any length in whole bytes, allocate
//! nothing that depends on it, and are plain safe Rust.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "hash functions take words apart on purpose"
)]

mod aes_round;
pub mod blake;
pub mod bmw;
pub mod cubehash;
pub mod echo;
pub mod fugue;
pub mod hamsi;
pub mod haval;
pub mod hefty1;
pub mod luffa;
pub mod odocrypt;
pub mod shavite;
pub mod simd;

#[cfg(test)]
mod tests;
