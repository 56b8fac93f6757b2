//! Coins: their profiles and the shipped presets.

pub mod preset;
pub mod profile;
pub mod proof;
