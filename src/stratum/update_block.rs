//! `mining.update_block`: somebody says on a stratum port that there is a new block, as the `blocknotify`
//! script of stratum-mining does.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::bytes::sha256::sha256;
use crate::config;

/// Who may say it, and who is told.
#[derive(Clone, Default)]
pub struct UpdateBlock(Option<Arc<Door>>);

struct Door {
    rules: config::UpdateBlock,
    ring: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for UpdateBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpdateBlock").field(&self.is_open()).finish()
    }
}

impl UpdateBlock {
    /// Lets in whom `rules` allow; `ring` must not wait.
    pub fn new(rules: config::UpdateBlock, ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Door { rules, ring: Box::new(ring) })))
    }

    /// Whether anybody may.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Somebody says it; false if he may not.
    pub fn tell(&self, from: IpAddr, password: &str) -> bool {
        let Some(door) = &self.0 else { return false };
        let rules = &door.rules;
        let is_near = rules.from.iter().any(|network| network.contains(from));
        // Digests are compared, so the time it takes tells nothing about the password.
        let may = is_near && sha256(password.as_bytes()) == rules.password_sha256;
        if may {
            (door.ring)();
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::config::Network;

    #[test]
    fn only_who_is_allowed_and_knows_the_password_is_heard() {
        let rung = Arc::new(AtomicU32::new(0));
        let bell = Arc::clone(&rung);
        let from = vec![Network::parse("127.0.0.0/8").unwrap(), Network::parse("2001:db8::/32").unwrap()];
        let rules = config::UpdateBlock { from, password_sha256: sha256(b"secret") };
        let door = UpdateBlock::new(rules, move || _ = bell.fetch_add(1, Ordering::SeqCst));
        for (from, password, may) in [
            ("127.0.0.1", "secret", true),
            ("2001:db8::7", "secret", true),
            ("192.0.2.1", "secret", false),
            ("2001:db9::7", "secret", false),
            ("127.0.0.1", "Secret", false),
            ("127.0.0.1", "", false),
        ] {
            let before = rung.load(Ordering::SeqCst);
            assert_eq!(door.tell(from.parse().unwrap(), password), may, "{from} {password}");
            assert_eq!(rung.load(Ordering::SeqCst) - before, u32::from(may));
        }
        assert!(!UpdateBlock::default().tell("127.0.0.1".parse().unwrap(), "secret"), "off");
    }
}
