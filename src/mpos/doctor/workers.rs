//! Workers that MPOS has, but whose shares it would not count for their owner.

use mysql_async::Params;

use super::{EXAMPLES_MAX, Line, Seen};
use crate::config::Mpos;
use crate::mpos::connect::quoted;

/// Names of workers that are wrong in some way, [`EXAMPLES_MAX`] and one of each at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workers {
    /// Not of the form `account.worker`.
    pub odd: Seen<Vec<String>>,
    /// Whose account does not exist.
    pub homeless: Seen<Vec<String>>,
    /// Whose name begins with another account than the one they belong to.
    pub foreign: Seen<Vec<String>>,
    /// Whose account an administrator has locked.
    pub locked: Seen<Vec<String>>,
}

/// A worker that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Whether `pool_worker` has it.
    pub exists: bool,
    /// The account by the text before the first dot: whether it is locked. `None`: there is none.
    pub account_locked: Option<i64>,
}

/// Looks for them.
pub async fn wrong(line: &mut Line, mpos: &Mpos) -> Workers {
    let (workers, accounts) = (quoted(&mpos.workers_database), quoted(&mpos.accounts_database));
    let limit = EXAMPLES_MAX + 1;
    let odd = format!(
        "SELECT COALESCE(username, 'NULL') FROM {workers}.pool_worker WHERE username IS NULL OR username NOT LIKE '_%._%' \
         OR username LIKE '%.%.%' OR username REGEXP '[^0-9A-Za-z_.-]' LIMIT {limit}"
    );
    let by_account = |join: &str, condition: &str| {
        format!(
            "SELECT w.username FROM {workers}.pool_worker w {join} {accounts}.accounts a \
             ON a.username = SUBSTRING_INDEX(w.username, '.', 1) WHERE {condition} LIMIT {limit}"
        )
    };
    let homeless = by_account("LEFT JOIN", "a.id IS NULL AND w.username LIKE '_%._%'");
    Workers {
        odd: line.ask(&odd, Params::Empty).await,
        homeless: line.ask(&homeless, Params::Empty).await,
        foreign: line.ask(&by_account("JOIN", "a.id <> w.account_id"), Params::Empty).await,
        locked: line.ask(&by_account("JOIN", "a.is_locked = 2"), Params::Empty).await,
    }
}

/// Looks one up.
pub async fn named(line: &mut Line, mpos: &Mpos, name: &str) -> Seen<Named> {
    let (workers, accounts) = (quoted(&mpos.workers_database), quoted(&mpos.accounts_database));
    let sql = format!("SELECT username FROM {workers}.pool_worker WHERE username = ? LIMIT 1");
    let found: Vec<String> = line.ask(&sql, (name,)).await?;
    let sql = format!("SELECT CAST(is_locked AS SIGNED) FROM {accounts}.accounts WHERE username = ? LIMIT 1");
    let account = name.split('.').next().unwrap_or_default();
    let account_locked: Vec<i64> = line.ask(&sql, (account,)).await?;
    Ok(Named { exists: !found.is_empty(), account_locked: account_locked.into_iter().next() })
}
