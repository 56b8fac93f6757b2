//! A block template: what `getblocktemplate` (BIP22, BIP23, BIP145) answered, checked once and
//! turned into bytes.

use crate::bytes::Hash;
use crate::difficulty::Target;

/// One transaction of a template, in the template's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateTransaction {
    /// Serialised bytes, with witness where the transaction has one.
    pub data: Vec<u8>,
    /// The hash that enters the merkle tree (internal byte order).
    pub txid: Hash,
    /// The hash over the witness form, for recomputing the witness commitment.
    pub wtxid: Hash,
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
}
