//! Memory that outlives a hash.

/// Memory that a hash may keep for the next one; one per thread or task that hashes.
#[derive(Debug, Default)]
pub struct Scratch(());

impl Scratch {
    /// Nothing kept yet.
    pub fn new() -> Self {
        Self::default()
    }
}
