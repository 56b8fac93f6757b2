//! As whom the database is connected to. A reload may change that.

use std::sync::{Arc, PoisonError, RwLock};

use mysql_async::{Opts, OptsBuilder};

use crate::config::Mpos;
use crate::config::secret::Secret;

/// As whom connections are made from now on; those that are open stay. Clones are the same login.
#[derive(Debug, Clone, Default)]
pub struct Login(Arc<RwLock<Option<(String, Secret)>>>);

impl Login {
    /// As the user that `mpos` names now.
    pub fn change(&self, mpos: &Mpos) {
        let login = (mpos.user.clone(), mpos.password.clone());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(login);
    }

    /// How to connect, if `first` was the way at first.
    pub(super) fn of(&self, first: &Opts) -> Opts {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Some((user, password)) => {
                OptsBuilder::from_opts(first.clone()).user(Some(user)).pass(Some(password.reveal())).into()
            }
            None => first.clone(),
        }
    }
}
