//! Worker names by pattern.

/// Longest pattern, in characters.
const CHARS_MAX: usize = 256;

/// A worker name, or many: `*` is any number of characters, `?` is one, and letters of either case are the same,
/// as they are to MPOS. Without either, an account's name is all its workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    chars: Vec<char>,
    is_account: bool,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn new(text: &str) -> Result<Self, String> {
        let chars: Vec<char> = text.to_lowercase().chars().take(CHARS_MAX + 1).collect();
        if chars.is_empty() || chars.len() > CHARS_MAX {
            return Err(format!("a worker's pattern has 1 to {CHARS_MAX} characters"));
        }
        let is_account = !chars.iter().any(|c| matches!(c, '*' | '?' | '.'));
        Ok(Self { chars, is_account })
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        if self.is_account {
            let account = name.split(|c| *c == '.').next().unwrap_or_default();
            return account == self.chars;
        }
        // The last star takes as little as it can, and more whenever what follows does not fit: no more steps
        // than the two lengths multiplied.
        let (mut at, mut to, mut star) = (0, 0, None);
        while let Some(c) = name.get(at) {
            match self.chars.get(to) {
                Some('*') => {
                    star = Some((to, at));
                    to += 1;
                }
                Some(wanted) if wanted == c || *wanted == '?' => (at, to) = (at + 1, to + 1),
                _ => {
                    let Some((behind, from)) = star else { return false };
                    star = Some((behind, from + 1));
                    (at, to) = (from + 1, behind + 1);
                }
            }
        }
        self.chars.iter().skip(to).all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_a_shell_means() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).unwrap().matches(name);
        for (pattern, name) in [
            ("alice", "alice.rig1"),
            ("ALICE", "alice.rig1"),
            ("alice.rig1", "Alice.Rig1"),
            ("alice.*", "alice.rig1"),
            ("*rig?", "alice.rig1"),
            ("*", "x"),
            ("a*b*c", "axxbxbxc"),
            ("**.r*", "alice.rig1"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("alic", "alice.rig1"),
            ("alice.rig", "alice.rig1"),
            ("alice.?", "alice.rig1"),
            ("a*b*c", "axxbxb"),
            ("rig1", "alice.rig1"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::new("").is_err() && Pattern::new(&"a".repeat(257)).is_err());
        assert!(!matches(&"*a".repeat(128), &"a".repeat(120)), "and it ends");
    }
}
