//! The shipped presets: a coin's profile as the keys an operator would otherwise write into
//! `[[coin]]`. They hold facts of the coins' reference clients and no setting of a pool.

/// A coin's profile in the format of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What the operator writes: `preset = "litecoin"`.
    pub name: &'static str,
    /// What the coin was called before, and other names it has in files of our predecessors.
    pub also: &'static [&'static str],
    /// The profile keys.
    pub toml: &'static str,
}

impl Preset {
    const fn new(name: &'static str, toml: &'static str) -> Self {
        Self { name, also: &[], toml }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// Whether the coin is called so.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }
}

/// Every shipped preset, by name.
pub static PRESETS: [Preset; 64] = [
    Preset::new("auroracoin-groestl-myriad", include_str!("presets/auroracoin-groestl-myriad.toml")),
    Preset::new("auroracoin-qubit", include_str!("presets/auroracoin-qubit.toml")),
    Preset::new("auroracoin-scrypt", include_str!("presets/auroracoin-scrypt.toml")),
    Preset::new("auroracoin-sha256d", include_str!("presets/auroracoin-sha256d.toml")),
    Preset::new("auroracoin-skein", include_str!("presets/auroracoin-skein.toml")),
    Preset::new("bitcoin", include_str!("presets/bitcoin.toml")),
    Preset::new("bitcoin-cash", include_str!("presets/bitcoin-cash.toml")).also(&["bitcoincash"]),
    Preset::new("bitcoin-sv", include_str!("presets/bitcoin-sv.toml")).also(&["bitcoinsv"]),
    Preset::new("bitgesell", include_str!("presets/bitgesell.toml")),
    Preset::new("bitweb", include_str!("presets/bitweb.toml")),
    Preset::new("blakecoin", include_str!("presets/blakecoin.toml")),
    Preset::new("chaincoin", include_str!("presets/chaincoin.toml")),
    Preset::new("dash", include_str!("presets/dash.toml")).also(&["darkcoin"]),
    Preset::new("digibyte-odocrypt", include_str!("presets/digibyte-odocrypt.toml")),
    Preset::new("digibyte-qubit", include_str!("presets/digibyte-qubit.toml")),
    Preset::new("digibyte-scrypt", include_str!("presets/digibyte-scrypt.toml")),
    Preset::new("digibyte-sha256d", include_str!("presets/digibyte-sha256d.toml")),
    Preset::new("digibyte-skein", include_str!("presets/digibyte-skein.toml")),
    Preset::new("digitalcoin-scrypt", include_str!("presets/digitalcoin-scrypt.toml")).also(&["digitalcoin"]),
    Preset::new("digitalcoin-sha256d", include_str!("presets/digitalcoin-sha256d.toml")),
    Preset::new("digitalcoin-x11", include_str!("presets/digitalcoin-x11.toml")),
    Preset::new("dogecoin", include_str!("presets/dogecoin.toml")),
    Preset::new("dynamic", include_str!("presets/dynamic.toml")),
    Preset::new("ecash", include_str!("presets/ecash.toml")),
    Preset::new("eternity", include_str!("presets/eternity.toml")),
    Preset::new("feathercoin", include_str!("presets/feathercoin.toml")),
    Preset::new("florincoin", include_str!("presets/florincoin.toml")).also(&["flo"]),
    Preset::new("fuguecoin", include_str!("presets/fuguecoin.toml")),
    Preset::new("gamecredits", include_str!("presets/gamecredits.toml")),
    Preset::new("garlicoin", include_str!("presets/garlicoin.toml")),
    Preset::new("gobyte", include_str!("presets/gobyte.toml")),
    Preset::new("groestlcoin", include_str!("presets/groestlcoin.toml")),
    Preset::new("heavycoin", include_str!("presets/heavycoin.toml")),
    Preset::new("lbry", include_str!("presets/lbry.toml")),
    Preset::new("litecoin", include_str!("presets/litecoin.toml")),
    Preset::new("maxcoin", include_str!("presets/maxcoin.toml")),
    Preset::new("mazacoin", include_str!("presets/mazacoin.toml")),
    Preset::new("megacoin", include_str!("presets/megacoin.toml")),
    Preset::new("monacoin", include_str!("presets/monacoin.toml")),
    Preset::new("mooncoin", include_str!("presets/mooncoin.toml")),
    Preset::new("myriadcoin-groestl-myriad", include_str!("presets/myriadcoin-groestl-myriad.toml")),
    Preset::new("myriadcoin-scrypt", include_str!("presets/myriadcoin-scrypt.toml")),
    Preset::new("myriadcoin-sha256d", include_str!("presets/myriadcoin-sha256d.toml")),
    Preset::new("myriadcoin-skein", include_str!("presets/myriadcoin-skein.toml")),
    Preset::new("myriadcoin-yescrypt", include_str!("presets/myriadcoin-yescrypt.toml")),
    Preset::new("namecoin", include_str!("presets/namecoin.toml")),
    Preset::new("novacoin", include_str!("presets/novacoin.toml")),
    Preset::new("peercoin", include_str!("presets/peercoin.toml")),
    Preset::new("pepecoin", include_str!("presets/pepecoin.toml")),
    Preset::new("quarkcoin", include_str!("presets/quarkcoin.toml")).also(&["quark"]),
    Preset::new("skeincoin", include_str!("presets/skeincoin.toml")),
    Preset::new("sparks", include_str!("presets/sparks.toml")),
    Preset::new("straks", include_str!("presets/straks.toml")),
    Preset::new("terracoin", include_str!("presets/terracoin.toml")),
    Preset::new("ufo", include_str!("presets/ufo.toml")),
    Preset::new("unobtanium", include_str!("presets/unobtanium.toml")),
    Preset::new("verge-blake2s", include_str!("presets/verge-blake2s.toml")),
    Preset::new("verge-groestl-myriad", include_str!("presets/verge-groestl-myriad.toml")),
    Preset::new("verge-lyra2rev2", include_str!("presets/verge-lyra2rev2.toml")),
    Preset::new("verge-scrypt", include_str!("presets/verge-scrypt.toml")),
    Preset::new("verge-x17", include_str!("presets/verge-x17.toml")),
    Preset::new("viacoin", include_str!("presets/viacoin.toml")),
    Preset::new("vivo", include_str!("presets/vivo.toml")),
    Preset::new("zetacoin", include_str!("presets/zetacoin.toml")),
];

/// The preset of a name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.is(name))
}
