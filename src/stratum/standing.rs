//! What holds on a port at present. It changes while the port is open: whoever is accepted then begins with it, and
//! those who are connected already take it over when they are called.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::gate::Gate;
use super::session::effects::Terms;

/// What holds on a port.
#[derive(Debug)]
pub struct Standing {
    held: RwLock<(Arc<Terms>, Arc<Gate>)>,
    closed: watch::Sender<bool>,
}

impl Standing {
    /// What holds at first.
    pub fn new(terms: Arc<Terms>, gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { held: RwLock::new((terms, gate)), closed: watch::Sender::new(false) })
    }

    /// What holds now.
    pub fn now(&self) -> (Arc<Terms>, Arc<Gate>) {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something else holds from now on. Connections hear of it by [`super::roster::Entry::call`].
    pub fn change(&self, terms: Arc<Terms>, gate: Arc<Gate>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = (terms, gate);
    }

    /// Nobody is accepted any more. Who is connected stays.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Ready once nobody is to be accepted any more.
    pub async fn closed(self: Arc<Self>) {
        // The sender is here.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}
