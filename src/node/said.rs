//! What a node's answer to a submitted block means.
//!
//! The rule is that no block is lost to a word that was not about the block. So a node's answer refuses only if it is
//! known to name a fault of the block itself. All other words, and errors of whatever kind, leave the case open: the
//! block is submitted and looked for again. Words that may be a refusal (`rejected`, or some that nobody knows) become
//! one when the round is over and nothing better came; errors of the node never do.

use serde_json::value::RawValue;

use super::error::{self, RpcError};

/// What a submission's answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// `null`: the node took it.
    Taken,
    /// The node knows it already; where it stands is to be asked.
    Known,
    /// Not decided. With `Some`, these words become a refusal when nothing better comes.
    Open(Option<String>),
    /// Refused for good.
    Refused(String),
}

/// An answer as people read it.
pub(super) fn in_words(answer: &Result<Box<RawValue>, RpcError>) -> String {
    match answer {
        Ok(result) => match serde_json::from_str::<Option<String>>(result.get()) {
            Ok(None) => "accepted".into(),
            Ok(Some(words)) => error::words(&words),
            Err(_) => error::words(result.get()),
        },
        Err(error) => error.to_string(),
    }
}

/// What an answer to a submission means (BIP22 and what daemons make of it).
pub(super) fn meaning(answer: &Result<Box<RawValue>, RpcError>) -> Said {
    match answer {
        Ok(result) => match serde_json::from_str::<Option<String>>(result.get()) {
            Ok(None) => Said::Taken,
            Ok(Some(words)) => of_words(words),
            Err(_) => Said::Open(None),
        },
        Err(RpcError::Node { code, message, .. }) => of_error(*code, message),
        Err(_) => Said::Open(None),
    }
}

/// An error says something about the node: it starts, its disk is full, its wallet is locked. -25 is one of these:
/// daemons that are Bitcoin Core's kin answer so when they fail themselves while they look at a block, and name an
/// invalid block's fault in the result.
fn of_error(code: i64, message: &str) -> Said {
    match code {
        // These bytes are no block.
        -22 => Said::Refused(message.to_owned()),
        // Broke a rule: which one, the words say.
        -26 => of_words(message.to_owned()),
        // It is in the chain already.
        -27 => Said::Known,
        // Peercoin and its descendants: either the block fails its check, or the wallet cannot sign it now.
        -100 if message.to_ascii_lowercase().contains("checkblock") => Said::Refused(message.to_owned()),
        _ => Said::Open(None),
    }
}

fn of_words(words: String) -> Said {
    // bcoin writes "rejected: duplicate" where Bitcoin writes "duplicate".
    match words.strip_prefix("rejected: ").unwrap_or(&words) {
        "duplicate" => Said::Known,
        // It is yet to be looked at; "valid?" is what Bitcoin Core says where it does not know itself.
        "inconclusive" | "duplicate-inconclusive" | "valid?" => Said::Open(None),
        // Time passes.
        "time-too-new" => Said::Open(None),
        // The node lacks the parent, or has not taken it over yet: that is about the node, and the watch finds out.
        "bad-prevblk" | "prev-blk-not-found" => Said::Open(None),
        word if blames_the_block(word) => Said::Refused(words),
        _ => Said::Open(Some(words)),
    }
}

/// Whether a word names a fault that a block does not lose by waiting. What is missing of BIP22's words is what an old
/// node says whatever went wrong (`rejected`), or what says more about the node, its tip or the login than about the
/// block (`stale-prevblk`, `stale-work`, `unknown-work`, `unknown-user`, `time-invalid`).
fn blames_the_block(word: &str) -> bool {
    const BEGINNINGS: [&str; 7] = [
        "bad-",
        "high-hash",
        "duplicate-invalid",
        "time-too-old",
        "time-timewarp",
        "checkpoint mismatch",
        "unexpected-witness",
    ];
    BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) || word.contains("script-verify-flag-failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(json: &str) -> Said {
        meaning(&Ok(RawValue::from_string(json.into()).unwrap()))
    }

    fn error(code: i64, words: &str) -> Said {
        meaning(&Err(RpcError::Node { node: "n".into(), method: "m".into(), code, message: words.into() }))
    }

    #[test]
    fn every_answer_has_its_meaning() {
        assert_eq!(answered("null"), Said::Taken);
        assert_eq!(answered("\"duplicate\""), Said::Known);
        assert_eq!(answered("\"rejected: duplicate\""), Said::Known);
        let open = [
            "\"prev-blk-not-found\"",
            "\"rejected: bad-prevblk\"",
            "\"time-too-new\"",
            "\"inconclusive\"",
            "\"duplicate-inconclusive\"",
            "\"valid?\"",
            "true",
            "{}",
        ];
        for open in open {
            assert_eq!(answered(open), Said::Open(None), "{open}");
        }
        let faults = [
            "high-hash",
            "duplicate-invalid",
            "bad-txnmrklroot",
            "rejected: bad-txnmrklroot",
            "bad-version(0x00000001)",
            "time-too-old",
            "time-timewarp-attack",
            "checkpoint mismatch",
            "mandatory-script-verify-flag-failed (Script evaluated without error)",
            "block-script-verify-flag-failed (Signature is not valid)",
        ];
        for fault in faults {
            assert_eq!(answered(&format!("{fault:?}")), Said::Refused(fault.into()));
        }
    }

    #[test]
    fn words_that_nobody_knows_refuse_only_when_time_is_up() {
        let words = ["rejected", "stale-prevblk", "", "node-is-resting"];
        for word in words {
            assert_eq!(answered(&format!("{word:?}")), Said::Open(Some(word.into())));
        }
    }

    #[test]
    fn only_errors_about_the_block_refuse_it() {
        assert_eq!(error(-100, "CheckBlock failed"), Said::Refused("CheckBlock failed".into()));
        let locked = "Unable to sign block, wallet locked?";
        assert_eq!(error(-100, locked), Said::Open(None), "it may be unlocked");
        assert_eq!(error(-22, "words"), Said::Refused("words".into()));
        assert_eq!(error(-26, "high-hash"), Said::Refused("high-hash".into()));
        assert_eq!(error(-26, "too busy"), Said::Open(Some("too busy".into())));
        assert_eq!(error(-27, "words"), Said::Known);
        for code in [-1, -2, -10, -20, -25, -28, -32603] {
            assert_eq!(error(code, "bad-words"), Said::Open(None), "{code}");
        }
        let timeout = RpcError::Timeout { node: "n".into(), method: "m".into(), secs: 30 };
        assert_eq!(meaning(&Err(timeout)), Said::Open(None));
    }
}
