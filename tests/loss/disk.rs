//! Disks that are full, read-only or broken, below a daemon under load.

use crate::account::{self, Account};
use crate::crew::Crew;
use crate::pool::Pool;
use crate::stage::Coin;
use crate::support::daemon::Daemon;
use crate::support::disk::Disk;

/// Miners at work.
const MINERS: usize = 8;
/// Blocks that are to be found while no share can be written down.
const BLOCKS: usize = 2;
/// What the log says first about shares that cannot be written down.
const TOLD: &str = "shares are refused: they cannot be written down";

/// The smallest segments.
fn small(coin: &mut Coin) {
    "segment_mib = 1".clone_into(&mut coin.ledger);
}

/// The rows are what the miners were told, and every block is among them.
async fn check(pool: &mut Pool, accounts: &[Account]) -> account::Counts {
    let rows = pool.rows().await;
    let counts = account::check(accounts, &rows, false);
    assert_eq!(pool.check_blocks(&rows).await, 0);
    assert!(counts.unrecorded > 0, "no miner was refused: {counts:?}");
    counts
}

/// Shares are refused at last: there is room for thousands before.
async fn refused(pool: &Pool) {
    for _ in 0..2 {
        if pool.daemon().wait_for_log(TOLD).await.is_ok() {
            return;
        }
    }
    pool.daemon().wait_for_log(TOLD).await.unwrap();
}

/// More blocks reach the node.
async fn more_blocks(pool: &Pool) {
    let before = pool.node.submissions().len();
    // Each takes luck: more patience than for one answer.
    for number in 1..=BLOCKS {
        pool.node.wait_for_submissions(before + number).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_shares_keeps_what_was_acknowledged_and_takes_blocks() {
    let disk = Disk::of_bytes(8 << 20);
    let mut pool = Pool::new(MINERS, Some(disk.path()), small).await;
    let mut crew = Crew::new(MINERS);
    pool.begin(&crew).await;
    crew.go_on(500).await;
    // Nothing is drained, so no segment may go to make room.
    pool.db.stop();
    disk.fill();
    refused(&pool).await;
    more_blocks(&pool).await;
    disk.free();
    crew.go_on(500).await;
    tokio::task::block_in_place(|| pool.db.restart());
    let accounts = crew.stop().await;
    let counts = check(&mut pool, &accounts).await;
    let in_reserve = accounts.iter().flat_map(|account| &account.sent).filter(|sent| sent.block().is_some());
    assert!(counts.blocks >= BLOCKS && in_reserve.count() == counts.blocks, "{counts:?}");
    assert!(pool.daemon.take().unwrap().stop().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_no_matter_while_the_database_takes_the_shares() {
    let disk = Disk::of_bytes(8 << 20);
    let mut pool = Pool::new(MINERS, Some(disk.path()), small).await;
    let mut crew = Crew::new(MINERS);
    pool.begin(&crew).await;
    crew.go_on(500).await;
    disk.fill();
    // Drained segments make room for new ones.
    pool.daemon().wait_for_log("the disk is full").await.unwrap();
    crew.go_on(500).await;
    let accounts = crew.stop().await;
    let rows = pool.rows().await;
    account::check(&accounts, &rows, false);
    assert_eq!(pool.check_blocks(&rows).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_no_disk_takes_reach_the_node_and_come_before_everything_newer() {
    let mut pool = Pool::new(MINERS, None, small).await;
    let mut crew = Crew::new(MINERS);
    let daemon = Daemon::start_fragile(pool.home.path(), &pool.config).unwrap();
    pool.runs(&crew, daemon).await;
    crew.go_on(500).await;
    for _ in 0..2 {
        pool.daemon().refuse_writes(true).unwrap();
        more_blocks(&pool).await;
        pool.daemon().refuse_writes(false).unwrap();
        crew.go_on(500).await;
    }
    let accounts = crew.stop().await;
    let counts = check(&mut pool, &accounts).await;
    let refused = accounts.iter().flat_map(|account| &account.sent).filter(|sent| {
        let text = sent.answer.as_ref().map(|(answer, ..)| answer.clone());
        sent.block.is_some() && matches!(text, Some(account::Answer::Refused(text)) if text == account::NOT_RECORDED)
    });
    assert!(refused.count() >= BLOCKS, "no block had to wait: {counts:?}");
    assert!(pool.daemon.take().unwrap().stop().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_spool_s_bound_shares_are_refused_until_the_database_is_back() {
    let mut pool =
        Pool::new(MINERS, None, |coin| "segment_mib = 1\nspool_mib_max = 4".clone_into(&mut coin.ledger)).await;
    let mut crew = Crew::new(MINERS);
    pool.begin(&crew).await;
    crew.go_on(500).await;
    pool.db.stop();
    refused(&pool).await;
    more_blocks(&pool).await;
    tokio::task::block_in_place(|| pool.db.restart());
    crew.go_on(500).await;
    let accounts = crew.stop().await;
    check(&mut pool, &accounts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_read_only_disk_says_so_and_loses_nothing() {
    let mut disk = Disk::of_bytes(8 << 20);
    let mut pool = Pool::new(MINERS, Some(&disk.path().join("state")), small).await;
    let mut crew = Crew::new(MINERS);
    pool.begin(&crew).await;
    crew.go_on(500).await;
    pool.db.stop();
    crew.go_on(500).await;
    pool.daemon.take().unwrap().kill().unwrap();
    disk.set_read_only(true);
    let mut daemon = Daemon::start_in(pool.home.path(), &pool.config).unwrap();
    assert_eq!(daemon.wait_for_end().await.unwrap().code(), Some(73));
    let said = daemon.log().join("\n");
    assert!(said.contains("Read-only file system") && said.contains("spool"), "{said}");
    disk.set_read_only(false);
    pool.begin(&crew).await;
    tokio::task::block_in_place(|| pool.db.restart());
    crew.go_on(500).await;
    let accounts = crew.stop().await;
    let rows = pool.rows().await;
    account::check(&accounts, &rows, true);
    assert_eq!(pool.check_blocks(&rows).await, 0);
}
