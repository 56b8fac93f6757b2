//! A line that is cut in the middle of a batch, at one byte after the other: every packet's header and
//! body, the COMMIT and its answer, in both directions. `line.rs` has the conversation of a new connection;
//! here it is that of one at work, whose statements are prepared.

use std::time::Duration;

use mpos_stratum::ledger::record::ShareRecord;

use crate::events::{Kind, share};
use crate::rig::{Rig, mpos_at, prepare};
use crate::support::fault_proxy::{Fault, FaultProxy, Way};
use crate::support::mariadb::MariaDb;

/// Conversations at once, each with a database, a line and a writer of its own on one server.
const LANES: u64 = 4;

/// Every answer is cut at every byte.
const STEP_TO_CLIENT: u64 = 1;

/// Requests are cut at every third byte: a packet's header has four, so none is passed over, nor is the
/// COMMIT, which has eleven.
const STEP_TO_SERVER: u64 = 3;

/// Shares whose rows and requests have the same number of bytes every time, so that a place in one
/// conversation is the same place in the next.
fn even(made: u64, kind: Kind) -> ShareRecord {
    let refused = if kind == Kind::Refused { "low difficulty share" } else { "" };
    ShareRecord {
        worker: format!("Alice.r{made:06}").into(),
        remote: "192.0.2.7".parse().unwrap(),
        reason: refused.into(),
        row_difficulty: 16.0,
        ..share(made, kind)
    }
}

struct Lane {
    line: FaultProxy,
    rig: Rig,
    made: u64,
}

impl Lane {
    async fn start(db: &MariaDb, database: &str) -> Self {
        prepare(db, database).await;
        // Ids have as many bytes in an answer at the end as at the beginning.
        db.run_sql(database, "ALTER TABLE shares AUTO_INCREMENT = 1000").await;
        let line = FaultProxy::start(db.port()).await;
        let rig = Rig::start(&mpos_at(line.port(), database));
        let mut lane = Self { line, rig, made: 0 };
        // The first one has no verdict; after the second one every statement is prepared.
        for _ in 0..2 {
            lane.batch();
            lane.rig.settle().await;
        }
        lane
    }

    /// A batch with everything in it, one transaction: the verdict on the candidate before, shares, a
    /// candidate.
    fn batch(&mut self) {
        let mut next = |kind| {
            self.made += 1;
            even(self.made, kind)
        };
        let shares = [next(Kind::Accepted), next(Kind::Refused), next(Kind::Candidate)];
        self.rig.book.append_batch(&self.rig.ledger, &shares);
    }

    /// Cuts a batch each behind byte `first`, `first + step` and so on of what goes one way, until a batch
    /// has no such byte. Returns how often it was cut.
    async fn sweep(&mut self, way: Way, first: u64, step: u64) -> u64 {
        for cuts in 0.. {
            let strikes = self.line.strikes();
            self.line.strike_after(way, first + cuts * step, Fault::Cut);
            self.batch();
            tokio::time::timeout(Duration::from_secs(20), self.rig.settle()).await.expect("the batch is stored");
            let is_struck = self.line.strikes() > strikes;
            self.line.heal();
            if !is_struck {
                return cuts;
            }
            // A new connection, and every statement of a batch prepared on it.
            self.batch();
            self.rig.settle().await;
        }
        unreachable!()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_every_third_byte_of_a_request_and_every_byte_of_an_answer() {
    let db = MariaDb::shared();
    let lanes = (0..LANES).map(|lane| {
        let db = db.clone();
        tokio::spawn(async move {
            let database = format!("bytes_{lane}");
            let mut this = Lane::start(&db, &database).await;
            let requests = this.sweep(Way::ToServer, lane * STEP_TO_SERVER, LANES * STEP_TO_SERVER).await;
            let answers = this.sweep(Way::ToClient, lane * STEP_TO_CLIENT, LANES * STEP_TO_CLIENT).await;
            this.rig.check(&db, &database).await;
            (requests, answers)
        })
    });
    let (mut requests, mut answers) = (0, 0);
    for lane in lanes.collect::<Vec<_>>() {
        let (of_requests, of_answers) = lane.await.unwrap();
        requests += of_requests;
        answers += of_answers;
    }
    // As long as what a batch says: less would mean that it was not cut in its midst.
    assert!(requests > 300 && answers > 150, "{requests} requests, {answers} answers");
}
