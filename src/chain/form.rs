//! What of a coin's chain differs from Bitcoin's, as far as blocks, templates and addresses go.

use super::header::HeaderForm;

/// Version bytes and prefixes of a coin's addresses, of the main and the test networks together: the
/// payout address is cross-checked with the node, which knows its network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressForms {
    /// Base58check versions of pay-to-public-key-hash.
    pub pubkey_hash: Vec<u8>,
    /// Base58check versions of pay-to-script-hash; some coins know two.
    pub script_hash: Vec<u8>,
    /// Human-readable parts of segwit addresses (bech32 and bech32m), in lower case.
    pub segwit: Vec<String>,
    /// Prefixes of CashAddr addresses, in lower case.
    pub cash: Vec<String>,
}

/// What of a coin's chain differs from Bitcoin's. The default is Bitcoin's form without addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainForm {
    /// How addresses look.
    pub addresses: AddressForms,
    /// How headers are laid out.
    pub header: HeaderForm,
    /// The most that a miner may vote for, where headers have a vote.
    pub vote_max: u16,
    /// `rules` for getblocktemplate (BIP9 names); an unknown mandatory rule stops the coin.
    pub template_rules: Vec<String>,
    /// Whether templates are asked for without any parameter, as nodes from before BIP22's `capabilities` want it.
    pub bare_requests: bool,
    /// A second parameter of template requests: the algorithm's name, on coins with several.
    pub template_algorithm: Option<String>,
    /// The bits of a header's version that name the algorithm, and what they are for this one, on coins with several.
    pub algorithm_bits: AlgorithmBits,
    /// Further members of a template that name mandatory payees; the usual ones are known anyway.
    pub payee_members: Vec<String>,
    /// Members of a template that look like payees and are none.
    pub ignored_members: Vec<String>,
    /// Whether `coinbasevalue` is what is left when the mandatory payees have theirs, instead of the whole. `None`: by the
    /// names of their members.
    pub payees_beside_value: Option<bool>,
    /// Transactions carry their time after the version (Peercoin and its descendants).
    pub transaction_time: bool,
    /// Transactions are named by another hash than sha256d: what a template leaves unnamed cannot be named here.
    pub own_transaction_hash: bool,
    /// A block ends with its signature; in a mined one that is empty, for the node to fill in.
    pub block_signature: bool,
    /// A text after the lock time of the coinbase, whose version is then 2 (Florincoin's transaction messages).
    /// `None` where the coin's transactions have no such field.
    pub message: Option<String>,
    /// BIP54: the coinbase's lock time is the height before, so that no two can be equal.
    pub lock_to_height: bool,
    /// When difficulty and subsidy change; `None`: not known, or not by such a rule.
    pub schedule: Option<Schedule>,
}

/// Bits of a header's version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlgorithmBits {
    /// Which; none: the version says nothing of the algorithm.
    pub mask: u32,
    /// What they must be.
    pub value: u32,
}

impl AlgorithmBits {
    /// Whether versions say anything of the algorithm.
    pub fn says(self) -> bool {
        self.mask != 0
    }
}

/// When the difficulty and the subsidy of a chain change, on its main network: the rules of Bitcoin, with its numbers or
/// others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The difficulty changes with blocks whose height is a multiple of this, and with no other.
    pub retarget_blocks: u32,
    /// The subsidy is halved with blocks whose height is a multiple of this.
    pub halving_blocks: u32,
    /// What the first blocks earned, in the coin's smallest unit.
    pub first_subsidy: u64,
}
