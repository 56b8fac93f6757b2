//! The shipped presets: a coin's profile as the keys an operator would otherwise write into
//! `[[coin]]`. They hold facts of the coins' reference clients and no setting of a pool.

/// A coin's profile in the format of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What the operator writes: `preset = "litecoin"`.
    pub name: &'static str,
    /// The profile keys.
    pub toml: &'static str,
}

/// Every shipped preset, by name.
pub static PRESETS: [Preset; 5] = [
    Preset { name: "bitcoin", toml: include_str!("presets/bitcoin.toml") },
    Preset { name: "digibyte-scrypt", toml: include_str!("presets/digibyte-scrypt.toml") },
    Preset { name: "digibyte-sha256d", toml: include_str!("presets/digibyte-sha256d.toml") },
    Preset { name: "dogecoin", toml: include_str!("presets/dogecoin.toml") },
    Preset { name: "litecoin", toml: include_str!("presets/litecoin.toml") },
];

/// The preset of a name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
