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
