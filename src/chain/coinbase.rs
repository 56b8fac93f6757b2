//! The coinbase transaction, in the two halves between which a miner's extranonce goes.
//!
//! The halves are the same for all miners of a job. A complete transaction without witness is
//! `head | extranonce1 | extranonce2 | tail`; its hash is the leaf of the merkle tree. The witness
//! form is needed only to serialise a found block.

use super::form::ChainForm;
use super::merkle::WITNESS_RESERVED_VALUE;
use super::script;
use crate::bytes::varint;

/// Transaction version of a coinbase.
const VERSION: u32 = 1;
/// The same on coins whose transactions end with a text.
const VERSION_WITH_MESSAGE: u32 = 2;
/// The same with a payload (Dash's DIP2): version 3, and in the upper half type 5, a coinbase.
const VERSION_WITH_PAYLOAD: u32 = 3 | 5 << 16;
/// The input that spends nothing: zeros as hash, all ones as index.
const NULL_OUTPOINT: [u8; 36] = {
    let mut outpoint = [0; 36];
    let mut at = 32;
    while at < 36 {
        outpoint[at] = 0xff;
        at += 1;
    }
    outpoint
};
/// Lengths of a coinbase's script that the consensus rules allow.
const SCRIPT_BYTES: std::ops::RangeInclusive<usize> = 2..=100;
/// A sequence with which the lock time does not count.
const SEQUENCE_FINAL: u32 = u32::MAX;
/// A sequence with which the lock time counts.
const SEQUENCE_LOCKED: u32 = 0xffff_fffe;

/// What a coinbase output pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Amount in the coin's smallest unit.
    pub value: u64,
    /// Output script.
    pub script: Vec<u8>,
}

/// What a coinbase is to hold.
#[derive(Debug, Clone, Copy)]
pub struct CoinbasePlan<'a> {
    /// Height of the block (BIP34).
    pub height: u32,
    /// The template's `coinbaseaux` members: already script, put in as they are.
    pub aux: &'a [u8],
    /// Makes coinbases of different jobs, variants and daemons differ; pushed before the extranonce.
    pub tag: &'a [u8],
    /// Bytes of extranonce1 and extranonce2 together.
    pub extranonce_bytes: usize,
    /// The pool's text; pushed after the extranonce.
    pub text: &'a [u8],
    /// What is paid, in this order.
    pub outputs: &'a [Output],
    /// Output script that commits to the witnesses; becomes the last output, with value 0.
    pub witness_commitment: Option<&'a [u8]>,
    /// Where the coin's coinbases differ from Bitcoin's.
    pub form: &'a ChainForm,
    /// The transaction's time, on coins that have one.
    pub time: u32,
    /// What follows the lock time in a coinbase of Dash's kind (`coinbase_payload`); empty: an ordinary one.
    pub payload: &'a [u8],
}

/// Why a coinbase cannot be built as planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoinbaseError {
    /// Nobody would be paid: the reward would be lost.
    #[error("the coinbase has no output that pays anybody")]
    NoOutputs,
    /// Miners could not vary it.
    #[error("the coinbase has no room for an extranonce")]
    NoExtranonce,
    /// The script is over the consensus limit.
    #[error(
        "the coinbase script would have {bytes} bytes, {over} more than the {max} that are allowed: shorten the \
         coinbase text or the extranonce",
        max = SCRIPT_BYTES.end()
    )]
    ScriptTooLong {
        /// What it would have.
        bytes: usize,
        /// How many of them are too many.
        over: usize,
    },
}

/// The two halves of a coinbase without witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coinbase {
    /// Everything before extranonce1.
    pub head: Vec<u8>,
    /// Everything after extranonce2.
    pub tail: Vec<u8>,
}

impl CoinbasePlan<'_> {
    /// Builds the two halves. The script is: height, aux, tag, extranonce, text; an empty tag or
    /// text is left out.
    ///
    /// # Errors
    /// Nobody is paid, there is no room for an extranonce, or the script is too long.
    pub fn build(&self) -> Result<Coinbase, CoinbaseError> {
        if self.outputs.is_empty() {
            return Err(CoinbaseError::NoOutputs);
        }
        if self.extranonce_bytes == 0 {
            return Err(CoinbaseError::NoExtranonce);
        }
        let mut before = Vec::new();
        script::push_height(self.height, &mut before);
        before.extend_from_slice(self.aux);
        push_unless_empty(self.tag, &mut before);
        script::push_length(self.extranonce_bytes, &mut before);
        let mut after = Vec::new();
        push_unless_empty(self.text, &mut after);

        // Never below the least: the height takes one byte and the extranonce two at least.
        let bytes = before.len().saturating_add(self.extranonce_bytes).saturating_add(after.len());
        if let Some(over @ 1..) = bytes.checked_sub(*SCRIPT_BYTES.end()) {
            return Err(CoinbaseError::ScriptTooLong { bytes, over });
        }

        let mut head = self.version().to_le_bytes().to_vec();
        if self.form.transaction_time {
            head.extend_from_slice(&self.time.to_le_bytes());
        }
        head.push(1);
        head.extend_from_slice(&NULL_OUTPOINT);
        varint::write(bytes as u64, &mut head);
        head.extend_from_slice(&before);
        Ok(Coinbase { head, tail: self.tail(after) })
    }

    fn version(&self) -> u32 {
        match (self.payload, &self.form.message) {
            ([_, ..], _) => VERSION_WITH_PAYLOAD,
            ([], Some(_)) => VERSION_WITH_MESSAGE,
            ([], None) => VERSION,
        }
    }

    /// `script_end`, sequence, outputs, lock time and what follows it.
    fn tail(&self, script_end: Vec<u8>) -> Vec<u8> {
        let (sequence, lock_time) = if self.form.lock_to_height {
            (SEQUENCE_LOCKED, self.height.saturating_sub(1))
        } else {
            (SEQUENCE_FINAL, 0)
        };
        let mut tail = script_end;
        tail.extend_from_slice(&sequence.to_le_bytes());
        varint::write(self.outputs.len() as u64 + u64::from(self.witness_commitment.is_some()), &mut tail);
        let paid = self.outputs.iter().map(|output| (output.value, output.script.as_slice()));
        for (value, script) in paid.chain(self.witness_commitment.map(|script| (0, script))) {
            tail.extend_from_slice(&value.to_le_bytes());
            varint::write(script.len() as u64, &mut tail);
            tail.extend_from_slice(script);
        }
        tail.extend_from_slice(&lock_time.to_le_bytes());
        tail.extend_from_slice(&after_lock_time(self.form, self.payload));
        tail
    }
}

/// What follows the lock time: a payload or a text with its length, or nothing.
fn after_lock_time(form: &ChainForm, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = form.message.as_deref().map(str::as_bytes);
    if let Some(content) = if payload.is_empty() { text } else { Some(payload) } {
        varint::write(content.len() as u64, &mut bytes);
        bytes.extend_from_slice(content);
    }
    bytes
}

impl Coinbase {
    /// The complete transaction without witness.
    pub fn complete(&self, extranonce1: &[u8], extranonce2: &[u8]) -> Vec<u8> {
        [&self.head, extranonce1, extranonce2, &self.tail].concat()
    }
}

fn push_unless_empty(data: &[u8], script: &mut Vec<u8>) {
    if !data.is_empty() {
        script::push_data(data, script);
    }
}

/// The witness form (BIP144) of a complete coinbase without witness: marker and flag before the input,
/// and before the lock time a witness of one item, the 32 zero bytes that BIP141 reserves. `form` and
/// `payload` are those it was built with. `None` if `tx` is no coinbase without witness.
pub fn with_witness(tx: &[u8], form: &ChainForm, payload: &[u8]) -> Option<Vec<u8>> {
    const MARKER_AND_FLAG: [u8; 2] = [0, 1];
    const LOCK_TIME_BYTES: usize = 4;
    let (head, rest) = tx.split_at_checked(if form.transaction_time { 8 } else { 4 })?;
    let end = LOCK_TIME_BYTES + after_lock_time(form, payload).len();
    let (body, end) = rest.split_at_checked(rest.len().checked_sub(end)?)?;
    if !body.strip_prefix(&[1]).is_some_and(|inputs| inputs.starts_with(&NULL_OUTPOINT)) {
        return None;
    }
    let (items, item_bytes) = (1, 32);
    Some([head, &MARKER_AND_FLAG[..], body, &[items, item_bytes], &WITNESS_RESERVED_VALUE, end].concat())
}

#[cfg(test)]
mod tests;
