//! A solved block on its way to the nodes, and what they said.

use std::sync::Arc;

use crate::bytes::Hash;

/// Longest reason in a verdict, in bytes of ASCII: the width of MPOS's `shares.reason`. Longer words
/// are cut there; the whole answer is in [`News::Answered`].
pub const REASON_BYTES_MAX: usize = 50;

/// A block to be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolvedBlock {
    /// Its hash as this daemon computed it (internal byte order).
    pub hash: Hash,
    /// Its height.
    pub height: u32,
    /// The serialised block in hexadecimal.
    pub hex: Arc<str>,
    /// The template's `workid`, if it had one (BIP22 wants it back).
    pub work_id: Option<String>,
}

/// The fate of a block, as far as the nodes know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// True: a node took it and has it in its best chain. False: every node refused it for good.
    pub accepted: bool,
    /// The node's own name for the block: our hash, unless the coin's profile computes another.
    pub node_hash: Hash,
    /// Why it was refused: the words of the most preferred node, at most [`REASON_BYTES_MAX`] bytes
    /// of ASCII. Empty when accepted.
    pub reason: String,
}

/// No verdict: some node never gave an answer that settles it. The block may still be in the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no verdict on the block: {}", unanswered(.silent, .refused))]
pub struct Unsettled {
    /// Names of the nodes that gave no clear answer.
    pub silent: Vec<String>,
    /// The refusal of the most preferred node that refused.
    pub refused: Option<String>,
}

/// What happens while a block is submitted, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The block is on its way to a node for the first time.
    Submitted {
        /// Which node.
        node: String,
    },
    /// It was also sent to a node's peer-to-peer port, which answers nothing.
    Pushed {
        /// Which node.
        node: String,
    },
    /// A node answered a submission, or failed to, in other words than the time before.
    Answered {
        /// Which node.
        node: String,
        /// Its own words, or why there are none.
        words: String,
    },
    /// The case is decided. At most once; answers of other nodes may still follow.
    Decided(Verdict),
    /// Time is up without a decision: the last news.
    Open(Unsettled),
}

fn unanswered(silent: &[String], refused: &Option<String>) -> String {
    let silent = if silent.is_empty() { "no node was asked".into() } else { format!("silent: {}", silent.join(", ")) };
    match refused {
        Some(reason) => format!("{silent}; refused elsewhere: {reason}"),
        None => silent,
    }
}

/// Words cut to what fits `shares.reason`: printable ASCII, at most [`REASON_BYTES_MAX`] bytes.
pub(super) fn reason(words: &str) -> String {
    words.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(REASON_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_its_column() {
        assert_eq!(reason("bad-txnmrklroot"), "bad-txnmrklroot");
        assert_eq!(reason("é\n\""), "??\"");
        assert_eq!(reason(&"é".repeat(80)).len(), REASON_BYTES_MAX);
    }
}
