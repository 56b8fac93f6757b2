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
pub static PRESETS: [Preset; 22] = [
    Preset { name: "bitcoin", toml: include_str!("presets/bitcoin.toml") },
    Preset { name: "bitcoin-cash", toml: include_str!("presets/bitcoin-cash.toml") },
    Preset { name: "bitcoin-sv", toml: include_str!("presets/bitcoin-sv.toml") },
    Preset { name: "digibyte-scrypt", toml: include_str!("presets/digibyte-scrypt.toml") },
    Preset { name: "digibyte-sha256d", toml: include_str!("presets/digibyte-sha256d.toml") },
    Preset { name: "digitalcoin", toml: include_str!("presets/digitalcoin.toml") },
    Preset { name: "dogecoin", toml: include_str!("presets/dogecoin.toml") },
    Preset { name: "ecash", toml: include_str!("presets/ecash.toml") },
    Preset { name: "florincoin", toml: include_str!("presets/florincoin.toml") },
    Preset { name: "gamecredits", toml: include_str!("presets/gamecredits.toml") },
    Preset { name: "litecoin", toml: include_str!("presets/litecoin.toml") },
    Preset { name: "mazacoin", toml: include_str!("presets/mazacoin.toml") },
    Preset { name: "megacoin", toml: include_str!("presets/megacoin.toml") },
    Preset { name: "mooncoin", toml: include_str!("presets/mooncoin.toml") },
    Preset { name: "namecoin", toml: include_str!("presets/namecoin.toml") },
    Preset { name: "novacoin", toml: include_str!("presets/novacoin.toml") },
    Preset { name: "peercoin", toml: include_str!("presets/peercoin.toml") },
    Preset { name: "pepecoin", toml: include_str!("presets/pepecoin.toml") },
    Preset { name: "terracoin", toml: include_str!("presets/terracoin.toml") },
    Preset { name: "unobtanium", toml: include_str!("presets/unobtanium.toml") },
    Preset { name: "viacoin", toml: include_str!("presets/viacoin.toml") },
    Preset { name: "zetacoin", toml: include_str!("presets/zetacoin.toml") },
];

/// The preset of a name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
