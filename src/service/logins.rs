//! Logins to the database that a reload brings: tried before anything is changed, then used for every connection that
//! is made from then on.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::accounts::Books;
use crate::config::Coin;
use crate::mpos::login_proof::{Doubt, prove};

/// How long the servers of a coin may take to show whether they let us in. One that is away is no reason to refuse:
/// shares wait in the spool, and a login that turns out to be wrong is put right by the next reload.
const PROOF_MAX: Duration = Duration::from_secs(8);

/// Tries the logins that the coins have not had before. One that cannot be tried now is a warning, as are rights that
/// are missing and not needed at once.
///
/// # Errors
/// A server does not let one of them in, or not to do what shares and workers need.
pub async fn prove_new_logins(books: &Books, before: &[Arc<Coin>], after: &[Arc<Coin>]) -> Result<Vec<String>, String> {
    let mut asked = JoinSet::new();
    for coin in after.iter().filter(|coin| !before.iter().any(|before| is_same(before, coin))) {
        let (coin, first) = (Arc::clone(coin), books.server_of(coin));
        asked.spawn(async move {
            let proven = timeout(PROOF_MAX, prove(&coin.mpos, &coin.workers, &first)).await;
            let doubt = proven.unwrap_or_else(|_| Err(Doubt::Unasked(format!("no answer in {PROOF_MAX:?}")))).err()?;
            let words = format!("coin {}, user {:?}: {doubt}", coin.name, coin.mpos.user);
            Some(match doubt {
                Doubt::Rejected(_) | Doubt::Powerless(_) => Err(words),
                Doubt::Lacking(_) | Doubt::Unasked(_) => Ok(words),
            })
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

/// From now on the databases of the coins are connected to by the logins of `after`.
pub fn take_over(books: &Books, before: &[Arc<Coin>], after: &[Arc<Coin>]) {
    let is_new = |coin: &&Arc<Coin>| !before.iter().any(|before| is_same(before, coin));
    after.iter().filter(is_new).for_each(|coin| books.log_in_by(coin));
}

/// Whether this is the same coin with the same login.
fn is_same(before: &Coin, coin: &Coin) -> bool {
    before.name == coin.name && (&before.mpos.user, &before.mpos.password) == (&coin.mpos.user, &coin.mpos.password)
}
