//! What MPOS reads, while the rows come in: the look-ups of a block's share, the mark of PPS, the sums
//! of the payouts. Written after MPOS's statements; the acceptance checks of its contract by number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpos_stratum::clock::ManualClock;
use mpos_stratum::ledger::record::{CandidateFacts, ShareRecord};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::events::{Kind, share};
use crate::rig::{Rig, Setup, mpos_at, prepare};
use crate::support::fault_proxy::FaultProxy;
use crate::support::mariadb::{MariaDb, ShareRow};

const TIME: u64 = 1_700_000_000;

/// A block as MPOS knows it from the wallet.
#[derive(Debug, Clone)]
pub struct Block {
    pub hash: String,
    header_time: u64,
    /// Who must be found.
    pub finder: String,
}

/// MPOS's five attempts, the first hit counts; `last` is the newest share of any earlier block.
pub async fn find_share(conn: &mut Conn, block: &Block, last: u64) -> Option<(u64, String)> {
    let Block { hash, header_time: time, .. } = block;
    let end = time + 60;
    let attempts = [
        format!("SELECT id, username FROM shares WHERE solution = '{hash}' LIMIT 1"),
        format!("SELECT id, username FROM shares WHERE solution = '{}' LIMIT 1", "5c".repeat(32)),
        "SELECT id, username FROM shares WHERE solution LIKE '00000020abcd%' LIMIT 1".to_owned(),
        format!(
            "SELECT id, username FROM shares WHERE upstream_result = 'Y' AND id > {last} \
             AND UNIX_TIMESTAMP(time) >= {time} AND UNIX_TIMESTAMP(time) <= {end} ORDER BY id ASC LIMIT 1"
        ),
        format!(
            "SELECT id, username FROM shares WHERE our_result = 'Y' AND id > {last} \
             AND UNIX_TIMESTAMP(time) >= {time} ORDER BY id ASC LIMIT 1"
        ),
    ];
    for sql in attempts {
        if let Some(found) = conn.query_first(sql).await.unwrap() {
            return Some(found);
        }
    }
    None
}

/// A candidate whose header is `lag` seconds older than its acceptance at `now`.
pub fn block(made: u64, now: u64, lag: u64) -> (ShareRecord, Block) {
    let mut record = share(made, Kind::Candidate);
    let facts = CandidateFacts { header_time: (now - lag) as u32, ..record.candidate.unwrap() };
    record.candidate = Some(facts);
    let hash = facts.hash.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    let block = Block { hash, header_time: now - lag, finder: record.worker.to_string() };
    (record, block)
}

struct Outage {
    db: Arc<MariaDb>,
    line: FaultProxy,
    clock: Arc<ManualClock>,
    rig: Rig,
    now: u64,
}

impl Outage {
    /// A database out of reach, in front of which shares gather at the pace of the test's own clock.
    async fn start(database: &str) -> Self {
        let db = MariaDb::shared();
        prepare(&db, database).await;
        let line = FaultProxy::start(db.port()).await;
        line.refuse(true);
        let clock = Arc::new(ManualClock::at(TIME));
        let mut setup = Setup { clock: Arc::clone(&clock) as Arc<_>, ..Setup::default() };
        setup.ledger.batch_rows_max = 20;
        let rig = Rig::start_with(&mpos_at(line.port(), database), setup);
        Self { db, line, clock, rig, now: TIME }
    }

    /// Shares of so many seconds, several a second.
    fn pass(&mut self, secs: u64) {
        for _ in 0..secs {
            for _ in 0..5 {
                self.rig.append(&[Kind::Accepted, Kind::Refused, Kind::Accepted]);
            }
            self.clock.advance(Duration::from_secs(1));
            self.now += 1;
        }
    }

    fn find(&mut self, made: u64, lag: u64) -> Block {
        let (record, block) = block(made, self.now, lag);
        self.rig.book.append_shares(&self.rig.ledger, &[record]);
        block
    }

    /// Lets the rows out, and looks for the blocks all the while as MPOS's cron does: lowest first, each
    /// in what is visible at one moment. How many moments were looked at before all were found.
    async fn look(&mut self, database: &str, blocks: &[Block]) -> usize {
        self.line.heal();
        self.line.delay(Duration::from_millis(1));
        let mut conn = self.db.conn(Some(database)).await;
        let (mut found, mut last, mut moments) = (0, 0, 0);
        while found < blocks.len() {
            conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT").await.unwrap();
            let mut open = 0;
            for block in &blocks[found..] {
                let Some((id, username)) = find_share(&mut conn, block, last).await else {
                    open += 1;
                    continue;
                };
                assert_eq!(username, block.finder, "share {id} for {block:?}");
                assert_eq!(open, 0, "a later block was found before an earlier one");
                assert!(id > last, "ids in the order of heights");
                (last, found) = (id, found + 1);
            }
            conn.query_drop("COMMIT").await.unwrap();
            moments += 1;
        }
        self.line.delay(Duration::ZERO);
        self.rig.check(&self.db, database).await;
        moments
    }
}

/// Acceptance check 3, with the database away: the block is found after it returns, before any other
/// share could be taken for it, wherever the header's time lies.
#[tokio::test]
async fn acceptance_3_no_other_share_is_ever_taken_for_a_block_in_a_backlog() {
    let mut outage = Outage::start("backlog").await;
    outage.pass(40);
    let first = outage.find(9001, 12);
    outage.rig.book.append_verdict(&outage.rig.ledger, true);
    outage.pass(30);
    let second = outage.find(9002, 0);
    outage.rig.book.append_verdict(&outage.rig.ledger, false);
    outage.pass(25);
    // A header whose time was rolled into the future.
    let (record, third) = {
        let (mut record, mut block) = block(9003, outage.now, 0);
        block.header_time += 5;
        record.candidate.as_mut().unwrap().header_time += 5;
        (record, block)
    };
    outage.rig.book.append_shares(&outage.rig.ledger, &[record]);
    outage.pass(20);
    let moments = outage.look("backlog", &[first, second, third]).await;
    assert!(moments > 10, "{moments}");
}

#[tokio::test]
async fn acceptance_4_two_blocks_within_one_second_are_in_the_order_of_heights() {
    let mut outage = Outage::start("same_second").await;
    outage.pass(20);
    let first = outage.find(9001, 4);
    outage.rig.append(&[Kind::Accepted; 3]);
    // Built on the first one, so its header is as old as that.
    let second = outage.find(9002, 0);
    outage.rig.book.append_verdict(&outage.rig.ledger, true);
    outage.rig.book.append_verdict(&outage.rig.ledger, true);
    outage.pass(10);
    let moments = outage.look("same_second", &[first, second]).await;
    assert!(moments > 3, "{moments}");
}

/// MPOS's sums per account over a range of ids: name and valid work.
async fn sums(conn: &mut Conn, from: u64, to: u64) -> Vec<(String, f64)> {
    let sql = "SELECT SUBSTRING_INDEX(s.username, '.', 1) AS name, \
               IFNULL(SUM(IF(our_result = 'Y', IF(s.difficulty = 0, POW(2, 4), s.difficulty), 0)), 0) AS valid \
               FROM shares s LEFT JOIN accounts a ON a.username = SUBSTRING_INDEX(s.username, '.', 1) \
               WHERE s.id > ? AND s.id <= ? AND a.is_locked <> 2 GROUP BY name ORDER BY name";
    conn.exec(sql, (from, to)).await.unwrap()
}

/// The same from what was acknowledged.
fn acknowledged(rows: &[ShareRow]) -> Vec<(String, f64)> {
    let mut sums = std::collections::BTreeMap::new();
    for row in rows {
        let account = row.username.split('.').next().unwrap().to_owned();
        *sums.entry(account).or_insert(0.0) += if row.our_result == "Y" { row.difficulty } else { 0.0 };
    }
    sums.into_iter().collect()
}

#[track_caller]
fn same_sums(is: &[(String, f64)], should: &[(String, f64)]) {
    assert_eq!(is.len(), should.len(), "{is:?} {should:?}");
    for (is, should) in is.iter().zip(should) {
        assert_eq!(is.0, should.0);
        assert!((is.1 - should.1).abs() <= 1e-9 * should.1.abs(), "{is:?} {should:?}");
    }
}

async fn with_accounts(database: &str) -> Arc<MariaDb> {
    let db = MariaDb::shared();
    prepare(&db, database).await;
    for account in ["Alice", "Bob", "Carol", "Dave"] {
        db.add_account(database, account, 0).await;
    }
    db
}

/// Acceptance check 7: whatever becomes visible lies above the mark, so PPS pays all of it, once.
#[tokio::test(flavor = "multi_thread")]
async fn acceptance_7_pps_pays_all_accepted_work_once() {
    let db = with_accounts("pps").await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start(&mpos_at(line.port(), "pps"));
    let over = Arc::new(AtomicBool::new(false));
    let paying = tokio::spawn({
        let (db, over) = (Arc::clone(&db), Arc::clone(&over));
        async move {
            let mut conn = db.conn(Some("pps")).await;
            let (mut mark, mut runs, mut paid) = (0u64, 0, std::collections::BTreeMap::new());
            loop {
                let last = over.load(Ordering::SeqCst);
                let newest: Option<Option<u64>> = conn.query_first("SELECT MAX(id) FROM shares").await.unwrap();
                let newest = newest.flatten().unwrap_or(0);
                for (account, work) in sums(&mut conn, mark, newest).await {
                    *paid.entry(account).or_insert(0.0) += work;
                }
                runs += usize::from(newest > mark);
                mark = newest;
                if last {
                    return (paid.into_iter().collect::<Vec<(String, f64)>>(), runs);
                }
            }
        }
    });
    // 2,000 shares a second for some seconds, and a line that breaks now and then.
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for tick in 0..400u64 {
        ticks.tick().await;
        rig.append(&[[Kind::Accepted; 18].as_slice(), &[Kind::Refused, Kind::Refused]].concat());
        if tick % 60 == 59 {
            line.sever();
        }
    }
    rig.settle().await;
    over.store(true, Ordering::SeqCst);
    let (paid, runs) = paying.await.unwrap();
    assert!(runs > 20, "{runs}");
    same_sums(&paid, &acknowledged(&rig.book.expected()));
    rig.check(&db, "pps").await;
}

/// The rounds of two blocks and the PPLNS window are those of the acknowledged shares.
#[tokio::test]
async fn rounds_and_windows_are_those_of_the_acknowledged_shares() {
    let db = with_accounts("rounds").await;
    let line = FaultProxy::start(db.port()).await;
    let mut rig = Rig::start(&mpos_at(line.port(), "rounds"));
    for _ in 0..3 {
        for part in 0..20 {
            rig.append(&[Kind::Accepted, Kind::Accepted, Kind::Refused, Kind::Accepted]);
            if part % 7 == 3 {
                line.sever();
            }
        }
        rig.append(&[Kind::Candidate]);
        rig.settle().await;
    }
    rig.append(&[Kind::Accepted; 9]);
    rig.check(&db, "rounds").await;
    let (rows, expected) = (db.rows("rounds").await, rig.book.expected());
    let mut conn = db.conn(Some("rounds")).await;
    let mut previous = 0;
    for end in (0..rows.len()).filter(|&place| !rows[place].solution.is_empty()) {
        let begin = rows.iter().take_while(|row| row.id <= previous).count();
        same_sums(&sums(&mut conn, previous, rows[end].id).await, &acknowledged(&expected[begin..=end]));
        previous = rows[end].id;
    }
    // PPLNS: backwards from the block until the target is reached.
    let newest = previous;
    let end = rows.iter().take_while(|row| row.id <= newest).count();
    let (mut sum, mut begin) = (0.0, end);
    while sum < 1e8 {
        begin -= 1;
        sum += if expected[begin].our_result == "Y" { expected[begin].difficulty } else { 0.0 };
    }
    let window = "SELECT MAX(id) FROM (SELECT id, SUM(IF(our_result = 'Y', difficulty + 0e0, 0)) \
                  OVER (ORDER BY id DESC) AS sum FROM shares WHERE id <= ?) backwards WHERE sum >= 1e8";
    let first: Option<u64> = conn.exec_first(window, (newest,)).await.unwrap();
    assert_eq!(first, Some(rows[begin].id));
    same_sums(&sums(&mut conn, rows[begin].id - 1, newest).await, &acknowledged(&expected[begin..end]));
}
