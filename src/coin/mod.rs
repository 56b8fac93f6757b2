//! Coins: their profiles and the shipped presets.

pub mod profile;
