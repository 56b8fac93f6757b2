//! What can go wrong when a node is asked.

/// A call to a node that gave no result. Texts name the node, never its login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No connection, or it broke before the answer was complete, or who is there is too busy (HTTP 503).
    #[error("node {node} is unreachable: {problem}")]
    Unreachable {
        /// Which node.
        node: String,
        /// The system's words.
        problem: String,
    },
    /// No complete answer in time.
    #[error("node {node} did not answer {method} within {secs} s")]
    Timeout {
        /// Which node.
        node: String,
        /// What was asked.
        method: String,
        /// The time it had.
        secs: u64,
    },
    /// The node refused the login (HTTP 401) or the caller's address (HTTP 403), or the cookie
    /// file could not be read.
    #[error("node {node} refused the login: {problem}")]
    Unauthorized {
        /// Which node.
        node: String,
        /// What to look at.
        problem: String,
    },
    /// The answer is larger than the call allows.
    #[error("node {node} answered {method} with more than {bytes_max} bytes")]
    TooLarge {
        /// Which node.
        node: String,
        /// What was asked.
        method: String,
        /// The limit.
        bytes_max: usize,
    },
    /// Something that is not a JSON-RPC answer, or not the answer to this call.
    #[error("node {node} answered {method} in a form that cannot be read: {problem}")]
    BadAnswer {
        /// Which node.
        node: String,
        /// What was asked.
        method: String,
        /// What is wrong.
        problem: String,
    },
    /// The node understood and answered with an error.
    #[error("node {node} answered {method} with error {code}: {message}")]
    Node {
        /// Which node.
        node: String,
        /// What was asked.
        method: String,
        /// The node's number.
        code: i64,
        /// The node's words, shortened to [`MESSAGE_CHARS_MAX`] and freed of control characters.
        message: String,
    },
}

/// How much of a node's words is kept.
pub const MESSAGE_CHARS_MAX: usize = 200;

/// A node's words, fit for a log line.
pub(super) fn words(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl RpcError {
    /// The node's own error number, if it answered with one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Node { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The node does not know the method.
    pub fn is_method_missing(&self) -> bool {
        self.code() == Some(-32601)
    }

    /// The node has just started and does not serve yet.
    pub fn is_warming_up(&self) -> bool {
        self.code() == Some(-28)
    }

    /// The node has no peers (-9) or has not caught up with its chain yet (-10).
    pub fn is_syncing(&self) -> bool {
        matches!(self.code(), Some(-9 | -10))
    }

    /// The node is starting, or has not caught up with its chain yet: what it has of it so far is old.
    pub(super) fn is_catching_up(&self) -> bool {
        matches!(self.code(), Some(-10 | -28)) && !self.is_stake_only()
    }

    /// The node gives no templates because its chain takes no mined blocks any more. Those nodes use
    /// various numbers, some that of a node that is catching up: so the words decide.
    pub fn is_stake_only(&self) -> bool {
        let Self::Node { message, .. } = self else { return false };
        let message = message.to_ascii_lowercase();
        let ended =
            ["no more", "ended", "disabled", "not allowed", "after the last"].iter().any(|word| message.contains(word));
        ended && ["pow", "proof-of-work", "proof of work"].iter().any(|work| message.contains(work))
    }

    /// The node says that it does not know the block asked for. Bitcoin's number for it is -5;
    /// bcoin uses its general -1, so there the words decide.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Node { code: -5, .. } => true,
            Self::Node { code: -1, message, .. } => message.to_ascii_lowercase().contains("not found"),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_printable() {
        assert_eq!(words("a\nb\u{7f}"), "a b ");
        assert_eq!(words(&"x".repeat(1000)).len(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn a_chain_that_is_staked_alone_is_told_from_one_that_is_catching_up() {
        let error = |code, message: &str| RpcError::Node {
            node: "n".into(),
            method: "getblocktemplate".into(),
            code,
            message: message.into(),
        };
        assert!(error(-1, "No more PoW blocks").is_stake_only());
        assert!(error(-10, "proof-of-work phase ended").is_stake_only());
        assert!(!error(-10, "Bitcoin is downloading blocks...").is_stake_only());
        assert!(!error(-9, "Powcoin is not connected!").is_stake_only());
    }

    #[test]
    fn a_node_that_is_alone_is_not_catching_up() {
        let error = |code| RpcError::Node { node: "n".into(), method: "m".into(), code, message: "x".into() };
        assert_eq!([-10, -28, -9, -1].map(|code| error(code).is_catching_up()), [true, true, false, false]);
        assert!(error(-9).is_syncing(), "but it gives no templates either");
    }

    #[test]
    fn not_found_is_told_by_number_or_by_bcoins_words() {
        let error = |code, message: &str| RpcError::Node {
            node: "n".into(),
            method: "m".into(),
            code,
            message: message.into(),
        };
        assert!(error(-5, "x").is_not_found());
        assert!(error(-1, "Block not found").is_not_found());
        assert!(!error(-1, "Out of memory").is_not_found());
        assert!(!error(-32601, "Method not found").is_not_found());
    }
}
