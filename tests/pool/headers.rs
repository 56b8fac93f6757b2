//! Coins whose headers are longer than Bitcoin's: from the node's template to the block that it gets.

use mpos_stratum::pow::names;
use serde_json::json;

use crate::dossiers::EASY_BITS;
use crate::stage::{self, Coin, PASSWORD, facts, good, port};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::hash::display;
use crate::support::miner::layout::{Extra, Layout};
use crate::support::miner::{Algorithm, Choice, Job, Miner, Share, Wanted};

/// A network target that no share of the test meets.
const HARD_BITS: u32 = 0x1d00_ffff;
/// Hashes that a share takes.
const HASHES: f64 = 16.0;

struct Stage {
    node: FakeNode,
    db: std::sync::Arc<MariaDb>,
    database: &'static str,
    algorithm: Algorithm,
    difficulty: f64,
    miner: Miner,
    job: Job,
    _daemon: Daemon,
}

impl Stage {
    /// A daemon at a node of the coin whose templates have transactions, and a miner who has logged in.
    async fn start(preset: &'static str, algorithm: &str, database: &'static str) -> Self {
        let named = names::find(algorithm).unwrap();
        let algorithm = Algorithm::Other(named);
        let (db, node) = (MariaDb::shared(), FakeNode::start(algorithm).unwrap());
        if Layout::of(algorithm) == Layout::Heavycoin {
            node.name_by_proof_of_work();
        }
        node.set_bits(HARD_BITS);
        node.set_transactions(4);
        stage::create_database(&db, database).await;
        let difficulty = HASHES / 2f64.powi(i32::from(named.stratum_bits));
        let coin = Coin {
            name: preset,
            preset,
            address: "script:51".to_owned(),
            keys: format!("mpos_bits = {}", named.stratum_bits),
            ports: vec![port(difficulty)],
            ..Coin::fake(&node, &db, database)
        };
        let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
        let at = daemon.port(preset).await.unwrap();
        let (miner, job) = Miner::log_in(at, algorithm, "alice.rig1", PASSWORD).await.unwrap();
        Self { node, db, database, algorithm, difficulty, miner, job, _daemon: daemon }
    }

    async fn accepted(&mut self, share: &Share) {
        let reply = self.miner.submit("alice.rig1", share).await.unwrap();
        assert!(reply.is_true(), "{}", reply.line);
    }

    /// Shares that are no blocks, each a row.
    async fn shares_count(&mut self, vote: Option<u16>) {
        for number in 1..=2 {
            let choice = self.miner.fresh_choice(&self.job);
            let choice = Choice { vote, ..choice };
            let share = self.miner.mine_from(&self.job, choice, Wanted::Share).unwrap();
            assert_eq!(share.header.len(), Layout::of(self.algorithm).bytes());
            self.accepted(&share).await;
            let again = self.miner.submit("alice.rig1", &share).await.unwrap();
            assert_eq!(again.code(), Some(22), "{}", again.line);
            let rows = stage::rows_when(&self.db, self.database, "the row", |rows| rows.len() == 2 * number).await;
            assert_eq!(facts(&rows[2 * number - 2]), good("alice.rig1", self.difficulty));
        }
    }

    /// A block: the node has it byte for byte as the miner would have built it, and its row names it.
    async fn a_block_arrives(&mut self, vote: Option<u16>, named_by: fn(&Share) -> String) {
        self.node.set_bits(EASY_BITS);
        self.node.new_tip();
        let job = self.miner.wait_for_job_where("an easy job", |job| job.bits == EASY_BITS).await.unwrap();
        let choice = Choice { vote, ..self.miner.fresh_choice(&job) };
        let share = self.miner.mine_from(&job, choice, Wanted::Block).unwrap();
        self.accepted(&share).await;
        let submitted = self.node.wait_for_submissions(1).await.unwrap();
        let block = &submitted[0].block;
        let body = block.strip_prefix(share.header.as_slice()).expect("the block begins with the header");
        // Five transactions, ours first.
        let coinbase = job.coinbase(&share.choice.extranonce2);
        assert_eq!(body[0], 5);
        let (start, end) = (&coinbase[..4], &coinbase[4..coinbase.len() - 4]);
        assert!(body[1..].starts_with(start) && body.windows(end.len()).any(|part| part == end), "the coinbase");
        assert_eq!(share.header[36..68], job.merkle_root(share.coinbase_txid));
        // The node took it, under the name in the row.
        let name = named_by(&share);
        assert_eq!(self.node.tip(), name);
        let confirmed = |row: &ShareRow| row.solution == name && row.upstream_result.as_deref() == Some("Y");
        stage::rows_when(&self.db, self.database, "the block", |rows| rows.iter().any(confirmed)).await;
        let next = self.miner.wait_for_new_tip(&job).await.unwrap();
        assert_eq!(display(&next.previous), name);
    }
}

#[tokio::test]
async fn lbry_s_miners_get_the_claims_and_its_node_blocks_of_112_bytes_of_header() {
    let mut stage = Stage::start("lbry", "lbry", "headers_lbry").await;
    let Extra::Claims(claims) = stage.job.extra else { panic!("{:?}", stage.job.extra) };
    // As the node has it in its template.
    assert_eq!(claims, std::array::from_fn(|at| 0xc0 + at as u8));
    stage.shares_count(None).await;
    stage.a_block_arrives(None, Share::block_hash).await;
}

#[tokio::test]
async fn heavycoin_s_miners_vote_and_its_node_gets_blocks_of_84_bytes_of_header() {
    let mut stage = Stage::start("heavycoin", "hefty1", "headers_heavycoin").await;
    assert_eq!(stage.job.extra, Extra::Vote { reward: 50, vote_max: 1024 });
    // A vote that the node would not take, and one that is none.
    let choice = Choice { vote: Some(1025), ..stage.miner.fresh_choice(&stage.job) };
    let share = stage.miner.mine_from(&stage.job, choice, Wanted::Share).unwrap();
    assert_eq!(stage.miner.submit("alice.rig1", &share).await.unwrap().code(), Some(20));
    let mut params = share.submit_params("alice.rig1");
    params[5] = json!("10000000");
    assert_eq!(stage.miner.request("mining.submit", params).await.unwrap().code(), Some(20));
    stage.shares_count(Some(1024)).await;
    // The same with another vote is other work: most likely too weak, but no repeat.
    let share = stage.miner.mine(&stage.job, Wanted::Share).unwrap();
    stage.accepted(&share).await;
    let choice = Choice { vote: Some(1), ..share.choice.clone() };
    let reply = stage.miner.submit("alice.rig1", &stage.job.share(choice)).await.unwrap();
    assert!(reply.is_true() || reply.code() == Some(23), "{}", reply.line);
    stage.a_block_arrives(Some(512), Share::work_hash).await;
}

#[tokio::test]
async fn a_heavycoin_miner_without_a_vote_votes_for_nothing() {
    let mut stage = Stage::start("heavycoin", "hefty1", "headers_novote").await;
    stage.shares_count(None).await;
}
