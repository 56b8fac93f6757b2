//! A block template: what `getblocktemplate` (BIP22, BIP23, BIP145) answered, checked once and
//! turned into bytes.

mod empty;
mod parse;
mod payees;
mod room;
#[cfg(test)]
mod tests;

use crate::bytes::Hash;
use crate::chain::coinbase::Output;
use crate::chain::form::ChainForm;
use crate::chain::header::Extra;
use crate::difficulty::Target;

pub use empty::Tip;
pub use payees::PAYEES_MAX;
pub use room::{Limits, NoRoom};

/// Most transactions a template may have. The smallest transaction a node relays takes about 60
/// bytes, so a full 4 MB block stays far below; a template beyond it is refused as a whole.
pub const TRANSACTIONS_MAX: usize = 200_000;
/// Most bytes all members of `coinbaseaux` may have together: the coinbase's script holds 100 bytes,
/// and the height, the extranonce and the pool's text need the rest. More: the template is refused.
pub const COINBASE_AUX_BYTES_MAX: usize = 48;
/// Longest `longpollid` or `workid` that is kept and sent back. Longer: the template is refused.
pub const HANDLE_BYTES_MAX: usize = 512;
/// Most bytes of `coinbase_payload`, the limit of DIP2. More: the template is refused.
pub const PAYLOAD_BYTES_MAX: usize = 10_000;

/// Why a template is not mined on. The texts name the member of the answer that is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The answer is not a JSON object.
    #[error("the block template is not a JSON object: {0}")]
    Json(String),
    /// A member is missing, of the wrong type or contradicts another.
    #[error("block template: `{field}` {problem}")]
    Field {
        /// Path of the member, such as `transactions[3].data`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The chain takes no block of this algorithm for a while (Verge's `mining_disabled`): too many of the last ones were.
    #[error(
        "block template: `mining_disabled` is true: by the node's words the chain takes no block of this algorithm now; \
         there is work again when the node says otherwise"
    )]
    Paused,
    /// The node demands a rule that this daemon does not know; a block made without it would be
    /// invalid (BIP9: a `!` in front of a name in `rules`).
    #[error(
        "block template: the node demands rule {0:?}, which the coin's profile does not list; \
         add it to the coin's template rules only if this daemon's blocks follow it"
    )]
    UnknownRule(String),
}

/// One transaction of a template, in the template's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// Serialised bytes, with witness where the transaction has one.
    pub data: Vec<u8>,
    /// The hash that enters the merkle tree (internal byte order).
    pub txid: Hash,
    /// The hash over the witness form, for recomputing the witness commitment.
    pub wtxid: Hash,
    /// What it pays; `None` if the node does not tell.
    pub fee: Option<u64>,
    /// What it weighs (BIP141); `None` if that is not known.
    pub weight: Option<u64>,
}

/// What the next block is to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Height of the block to be found.
    pub height: u32,
    /// Header version with the rule bits the node wants set.
    pub version: u32,
    /// Hash of the block to build on (internal byte order): the tip.
    pub previous: Hash,
    /// Compact network target, as it goes into the header.
    pub bits: u32,
    /// The network target.
    pub target: Target,
    /// The node's idea of the present time, Unix seconds.
    pub curtime: u32,
    /// Least header time the node will accept.
    pub mintime: u32,
    /// What the coinbase may pay in total, in the coin's smallest unit.
    pub coinbase_value: u64,
    /// The part of it that its transactions pay; `None` if the node does not tell.
    pub fees: Option<u64>,
    /// All members of `coinbaseaux`, concatenated: they must appear in the coinbase's script.
    pub coinbase_aux: Vec<u8>,
    /// The output script that commits to the witnesses, where the chain has segwit.
    pub witness_commitment: Option<Vec<u8>>,
    /// Transactions, in the order the node wants them.
    pub transactions: Vec<TemplateTransaction>,
    /// Litecoin's extension block, to be appended after the transactions.
    pub mweb: Option<Vec<u8>>,
    /// Handle for BIP22 long polling.
    pub longpoll_id: Option<String>,
    /// To be returned with the solved block, if given.
    pub work_id: Option<String>,
    /// What else it holds.
    pub particulars: Particulars,
}

/// What a template holds beside the members that every coin of Bitcoin's family has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// Outputs that the coinbase must have, by the template's own scripts.
    pub payees: Vec<Output>,
    /// The members that name them, in lower case.
    pub payee_members: Vec<String>,
    /// What the coinbase must carry after its lock time; empty: nothing.
    pub coinbase_payload: Vec<u8>,
    /// What the block ends with, after the transactions.
    pub block_end: Vec<u8>,
    /// What the header holds beside the usual fields; a vote is the miner's own.
    pub extra: Extra,
    /// The rules in force, as the node names them.
    pub rules: Vec<String>,
    /// How large a block may be.
    pub limits: Limits,
    /// The node checks blocks that have no proof of work yet (BIP23).
    pub takes_proposals: bool,
    /// It was computed ahead of the node's own template, which will replace it.
    pub is_provisional: bool,
}

impl Template {
    /// Reads the result of `getblocktemplate` and checks it once: everything behind this function
    /// may rely on it. A rule that the node calls mandatory and `form` does not list is an error.
    pub fn from_json(json: &str, form: &ChainForm) -> Result<Self, TemplateError> {
        parse::template(json, form)
    }

    /// True if blocks made from `other` would be the same but for the time and the node's handles.
    /// A difference is worth a new job to miners; a later `curtime` alone is not.
    pub fn same_block(&self, other: &Self) -> bool {
        self.same_header(other)
            && self.coinbase_value == other.coinbase_value
            && self.coinbase_aux == other.coinbase_aux
            && self.witness_commitment == other.witness_commitment
            && self.mweb == other.mweb
            && self.particulars.payees == other.particulars.payees
            && self.particulars.payee_members == other.particulars.payee_members
            && self.particulars.coinbase_payload == other.particulars.coinbase_payload
            && self.particulars.block_end == other.particulars.block_end
            && self.transactions.len() == other.transactions.len()
            && self.transactions.iter().zip(&other.transactions).all(|(a, b)| a.wtxid == b.wtxid && a.txid == b.txid)
    }

    /// True if `other` asks for the same work: a block for one has a header the other's rules take.
    pub fn same_header(&self, other: &Self) -> bool {
        (self.height, self.version, self.previous, self.bits, self.particulars.extra)
            == (other.height, other.version, other.previous, other.bits, other.particulars.extra)
    }
}
