//! Every algorithm of the table from the configuration to the rows. Those whose coins have longer headers are in
//! `headers.rs`.

use mpos_stratum::pow::by_time::Growth;
use mpos_stratum::pow::names::{self, Named};
use mpos_stratum::pow::{self, Class, MemoryHard, ids::TransactionHash};

use crate::stage::{self, Coin, PASSWORD, port};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner, Wanted};

/// Algorithms whose coins have headers of other lengths.
const LONGER_HEADERS: [&str; 2] = ["lbry", "hefty1"];

/// Shares that each algorithm's miner finds.
const SHARES: usize = 2;

/// Hashes for a share of the test: enough that weaker ones are tried before it, where that is cheap.
fn hashes_per_share(named: &Named) -> f64 {
    match (named.name, named.algorithm.class()) {
        (_, Class::Expensive) => 1.0,
        // Megabytes or a hundred thousand rounds each.
        ("scrypt-n" | "scrypt-jane" | "yescrypt" | "yescryptr16" | "yescryptr32", _) => 2.0,
        _ => 16.0,
    }
}

/// YaCoin's scrypt-jane needs more memory today than a hash may have; a smaller factor does not.
fn of_today(named: &'static Named) -> &'static Named {
    if named.name != "scrypt-jane" {
        return named;
    }
    let growth = Growth { fixed_from: Some((0, 9)), ..Growth::YACOIN };
    Box::leak(Box::new(Named { algorithm: pow::Algorithm::MemoryHard(MemoryHard::ScryptJane(growth)), ..*named }))
}

fn coin(named: &'static Named, number: usize, node: &FakeNode, db: &MariaDb, database: &str) -> Coin {
    let (bits, mpos_bits) = (named.stratum_bits, mpos_bits(named, number));
    let transaction_hash = match named.transaction_hash {
        TransactionHash::Sha256d => "sha256d",
        TransactionHash::Sha256 => "sha256",
        TransactionHash::Heavy => "heavy",
    };
    let accepted = format!(
        "accept_unproven = {}\naccept_expensive = {}",
        named.is_unproven(),
        named.algorithm.class() == Class::Expensive
    );
    let extra = if named.name == "scrypt-jane" { "scrypt_jane_fixed = [0, 9]\n" } else { "" };
    Coin {
        name: named.name,
        // One table for all; the instance keeps their work apart.
        keys: format!(
            "{extra}chain = \"many\"\ninstance = {number}\nalgorithm = \"{}\"\nstratum_bits = {bits}\n\
             mpos_bits = {mpos_bits}\nblock_hash = \"pow\"\nemit_invalid_block_hashes = true\n\
             transaction_hash = \"{transaction_hash}\"\n{accepted}",
            named.name
        ),
        ports: vec![port(hashes_per_share(named) / 2f64.powi(i32::from(bits)))],
        ..Coin::fake(node, db, database)
    }
}

/// What MPOS counts by: for one in three something else than miners do, in either direction.
fn mpos_bits(named: &Named, number: usize) -> u8 {
    match number % 3 {
        0 => named.stratum_bits - 8,
        1 => named.stratum_bits,
        _ => named.stratum_bits + 2,
    }
}

/// A hash that only this algorithm with these parameters gives stands in every row, so that hardly any share is needed to
/// tell it from another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_algorithm_is_mined_through_the_daemon() {
    const DATABASE: &str = "algorithms";
    let db = MariaDb::shared();
    stage::create_database(&db, DATABASE).await;
    let all: Vec<&'static Named> =
        names::all().filter(|named| !LONGER_HEADERS.contains(&named.name)).map(of_today).collect();
    let start = |named: &&'static Named| {
        let node = FakeNode::start(Algorithm::Sha256d).unwrap();
        node.prove_briefly(Algorithm::Other(named));
        node
    };
    let nodes: Vec<FakeNode> = all.iter().map(start).collect();
    let numbered = all.iter().zip(&nodes).enumerate();
    let coins: Vec<Coin> = numbered.map(|(number, (named, node))| coin(named, number, node, &db, DATABASE)).collect();
    let daemon = Daemon::start(&stage::configuration(&coins.iter().collect::<Vec<_>>())).unwrap();
    let mut expected = Vec::new();
    for (number, named) in all.iter().enumerate() {
        let port = daemon.port(named.name).await.unwrap();
        let (mut miner, job) = Miner::log_in(port, Algorithm::Other(named), "alice.rig1", PASSWORD).await.unwrap();
        for _ in 0..SHARES {
            let share = miner.mine(&job, Wanted::Share).unwrap();
            let reply = miner.submit("alice.rig1", &share).await.unwrap();
            assert!(reply.is_true(), "{}: {}", named.name, reply.line);
            let factor = 2f64.powi(i32::from(named.stratum_bits) - i32::from(mpos_bits(named, number)));
            expected.push(stage::block("alice.rig1", &share.work_hash(), job.difficulty * factor));
        }
    }
    let rows = stage::rows_of(&db, DATABASE, expected.len()).await;
    assert_eq!(rows.iter().map(stage::facts).collect::<Vec<_>>(), expected);
}
