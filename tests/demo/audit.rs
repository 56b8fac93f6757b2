//! The end of the show: does MPOS's table say exactly what the miners were told and the node did?

use std::time::Duration;

use super::crew::Told;
use super::stage::Stage;
use super::support::mariadb::ShareRow;

/// How long the last rows and verdicts may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// One miner's account of things and the table's.
struct Account {
    worker: &'static str,
    told_accepted: usize,
    told_refused: u64,
    rows_accepted: usize,
    rows_refused: usize,
}

/// One block that a miner was told it had found.
struct Found {
    worker: &'static str,
    hash: String,
    /// Height in the node's best chain.
    height: Option<u64>,
    /// `upstream_result` of the finder's row with this solution.
    upstream_result: Option<String>,
}

/// What was compared.
pub struct Audit {
    accounts: Vec<Account>,
    blocks: Vec<Found>,
    best: String,
}

impl Audit {
    /// Waits for the last rows and compares.
    pub async fn of(stage: &Stage, told: &[Told]) -> Audit {
        let rows = stage.rows_when(PATIENCE, |rows| settled(told, rows)).await;
        let accounts = told
            .iter()
            .map(|miner| Account {
                worker: miner.worker,
                told_accepted: usize::try_from(miner.accepted).unwrap_or(usize::MAX),
                told_refused: miner.refused,
                rows_accepted: count(&rows, miner.worker, "Y"),
                rows_refused: count(&rows, miner.worker, "N"),
            })
            .collect();
        let mut blocks = Vec::new();
        for (miner, hash) in told.iter().flat_map(|miner| miner.blocks.iter().map(move |hash| (miner, hash))) {
            blocks.push(Found {
                worker: miner.worker,
                hash: hash.clone(),
                height: stage.height_of(hash).await,
                upstream_result: row_of(&rows, miner.worker, hash).and_then(|row| row.upstream_result.clone()),
            });
        }
        blocks.sort_by_key(|block| block.height);
        Audit { accounts, blocks, best: stage.best_block().await }
    }

    /// At least one block landed, every block's row agrees with the node, and every share answered
    /// `true` is one row of its worker.
    pub fn holds(&self) -> bool {
        let landed = self.blocks.iter().any(|block| block.height.is_some());
        landed && self.blocks.iter().all(Found::agrees) && self.accounts.iter().all(Account::agrees)
    }

    /// Prints the comparison.
    pub fn print(&self) {
        println!("\nwhat the miners were told, and what MPOS's table says:");
        for account in &self.accounts {
            println!(
                "  {:<12}{:>5} accepted, {:>5} rows Y   {:>3} refused, {:>3} rows N   {}",
                account.worker,
                account.told_accepted,
                account.rows_accepted,
                account.told_refused,
                account.rows_refused,
                mark(account.agrees())
            );
        }
        println!("blocks:");
        for block in &self.blocks {
            let height =
                block.height.map_or_else(|| "not in the chain".to_owned(), |height| format!("height {height}"));
            let upstream = block.upstream_result.as_deref().unwrap_or("no row");
            println!(
                "  {height:<16} {:<12} upstream_result {upstream}  {}  {}",
                block.worker,
                block.hash,
                mark(block.agrees())
            );
        }
        let ours = self.blocks.iter().find(|block| block.hash == self.best);
        match ours {
            Some(block) => println!("litecoind's best block is {}, found by {}", self.best, block.worker),
            None => println!("litecoind's best block is {}, found by nobody here", self.best),
        }
        println!("{}", if self.holds() { "everything agrees" } else { "SOMETHING DOES NOT AGREE" });
    }
}

impl Account {
    fn agrees(&self) -> bool {
        self.told_accepted == self.rows_accepted
    }
}

impl Found {
    /// `Y` exactly if the block is in the node's best chain; a lost race is `N`.
    fn agrees(&self) -> bool {
        self.upstream_result.as_deref() == Some(if self.height.is_some() { "Y" } else { "N" })
    }
}

fn mark(good: bool) -> &'static str {
    if good { "ok" } else { "WRONG" }
}

/// Whether nothing more is to be waited for.
fn settled(told: &[Told], rows: &[ShareRow]) -> bool {
    told.iter().all(|miner| {
        let all_there = u64::try_from(count(rows, miner.worker, "Y")).is_ok_and(|rows| rows >= miner.accepted);
        let verdict = |hash: &String| {
            row_of(rows, miner.worker, hash).is_some_and(|row| row.upstream_result.as_deref() == Some("Y"))
        };
        all_there && miner.blocks.iter().all(verdict)
    })
}

fn count(rows: &[ShareRow], worker: &str, our_result: &str) -> usize {
    rows.iter().filter(|row| row.username == worker && row.our_result == our_result).count()
}

fn row_of<'a>(rows: &'a [ShareRow], worker: &str, hash: &str) -> Option<&'a ShareRow> {
    rows.iter().find(|row| row.username == worker && row.solution == hash)
}
