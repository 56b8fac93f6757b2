//! Blocks mined through the daemon: what the node has, what the table says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{self, Coin, PASSWORD, SCRYPT_EASY, SHA256D_EASY, bad, block, facts, good};
use crate::support::bcoin::{Bcoin, SEGWIT_HEIGHT};
use crate::support::daemon::Daemon;
use crate::support::litecoind::{Litecoin, MWEB_HEIGHT};
use crate::support::mariadb::{MariaDb, ShareRow};
use crate::support::miner::{Algorithm, Choice, Job, Miner, Share, Wanted, hex};

/// Harder than regtest's network: one hash in eight is a share, one in two a block.
const HARDER_THAN_NETWORK: f64 = 1.0 / 8192.0;
/// Hash of the commitment output of BIP141, as its script begins.
const WITNESS_COMMITMENT: &str = "6a24aa21a9ed";

/// Our record of a candidate: share id, height, verdict, where its row was.
type Record = (u64, u64, String, String);

async fn record_of(db: &MariaDb, database: &str, hash: &str) -> Vec<Record> {
    let sql = format!("SELECT share_id, height, verdict, share_row FROM mpos_stratum_block WHERE hash = '{hash}'");
    db.query(database, &sql).await
}

/// The one row with this solution, once the node's verdict is in it.
async fn accepted_row(db: &MariaDb, database: &str, hash: &str) -> ShareRow {
    let is_accepted = |row: &ShareRow| row.solution == hash && row.upstream_result.as_deref() == Some("Y");
    let rows = stage::rows_when(db, database, "the accepted block", |rows| rows.iter().any(is_accepted)).await;
    let mut with_hash: Vec<ShareRow> = rows.into_iter().filter(|row| row.solution == hash).collect();
    assert_eq!(with_hash.len(), 1, "{with_hash:#?}");
    with_hash.remove(0)
}

/// Mines a block on the newest job, which the pool accepts, and waits for the work behind it.
async fn mine_block(miner: &mut Miner, worker: &str, job: &Job) -> (Share, Job) {
    let share = miner.mine(job, Wanted::Block).unwrap();
    let reply = miner.submit(worker, &share).await.unwrap();
    assert!(reply.is_true(), "{}", reply.line);
    let next = miner.wait_for_new_tip(job).await.unwrap();
    assert!(next.clean);
    (share, next)
}

/// Submits a share with one field overwritten and returns code and text of the refusal.
async fn submit_with(miner: &mut Miner, share: &Share, worker: &str, field: usize, value: Value) -> (i64, String) {
    let mut params = share.submit_params(worker);
    params[field] = value;
    let reply = miner.request("mining.submit", params).await.unwrap();
    (reply.code().unwrap(), reply.text().to_owned())
}

#[tokio::test]
async fn litecoin_every_answer_is_the_row_mpos_reads() {
    let (litecoin, db) = (Litecoin::start_at(110).await, MariaDb::shared());
    stage::create_database(&db, "scrypt").await;
    let mut coin = Coin::litecoin(&litecoin, &db, "scrypt").await;
    // MPOS counts in units sixteen times smaller than the miners: rows hold sixteen times as much.
    coin.keys = "mpos_bits = 12".to_owned();
    coin.ports.push(stage::port(HARDER_THAN_NETWORK));
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let (easy, hard) = (SCRYPT_EASY * 16.0, HARDER_THAN_NETWORK * 16.0);
    let began = stage::unix_secs();

    let port = daemon.port_with("litecoin", SCRYPT_EASY).await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let answer = miner.submit("alice.rig1", &share).await.unwrap();
    assert_eq!((answer.code(), answer.text()), (Some(22), "Duplicate share"));
    let share = miner.mine(&job, Wanted::Share).unwrap();
    for (field, value, code, text) in [
        (1, json!("0123456789"), 21, "Job not found"),
        (2, json!("00"), 20, "Incorrect size of extranonce2"),
        (3, json!("5"), 20, "Incorrect size of ntime"),
        (4, json!("12345678z"), 20, "Incorrect size of nonce"),
        (0, json!("mallory.rig"), 24, "Unauthorized worker"),
    ] {
        let refused = submit_with(&mut miner, &share, "alice.rig1", field, value).await;
        assert_eq!(refused, (code, text.to_owned()));
    }
    let early = Choice { time: 1_000_000_000, ..miner.fresh_choice(&job) };
    let early = miner.mine_from(&job, early, Wanted::Share).unwrap();
    let answer = miner.submit("alice.rig1", &early).await.unwrap();
    assert_eq!((answer.code(), answer.text()), (Some(20), "ntime out of range"));

    let before = stage::unix_secs();
    let found = miner.mine(&job, Wanted::Block).unwrap();
    let answer = miner.submit("alice.rig1", &found).await.unwrap();
    let after = stage::unix_secs();
    assert!(answer.is_true(), "{}", answer.line);
    // Once more: no second submission, no second row.
    assert_eq!(miner.submit("alice.rig1", &found).await.unwrap().code(), Some(22));
    miner.wait_for_new_tip(&job).await.unwrap();
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(found.block_hash()));

    let port = daemon.port_with("litecoin", HARDER_THAN_NETWORK).await.unwrap();
    let (mut other, job) = Miner::log_in(port, Algorithm::Scrypt, "BOB.garage", PASSWORD).await.unwrap();
    let weak = other.mine(&job, Wanted::BelowShare).unwrap();
    let answer = other.submit("BOB.garage", &weak).await.unwrap();
    assert_eq!((answer.code(), answer.text()), (Some(23), "Low difficulty share"));
    // The chain is easier than the port: a block is work enough.
    let easier = other.mine(&job, Wanted::BlockBelowShare).unwrap();
    assert!(other.submit("BOB.garage", &easier).await.unwrap().is_true());
    other.wait_for_new_tip(&job).await.unwrap();

    let (found, easier) = (found.block_hash(), easier.block_hash());
    accepted_row(&db, "scrypt", &easier).await;
    let row = accepted_row(&db, "scrypt", &found).await;
    assert!((before..=after).contains(&row.time), "{before} {} {after}", row.time);
    let rows = stage::rows_of(&db, "scrypt", 10).await;
    let expected = [
        good("alice.rig1", easy),
        bad("alice.rig1", "duplicate share", easy),
        bad("alice.rig1", "job not found", easy),
        bad("alice.rig1", "incorrect size of extranonce2", easy),
        bad("alice.rig1", "incorrect size of ntime", easy),
        bad("alice.rig1", "incorrect size of nonce", easy),
        bad("alice.rig1", "ntime out of range", easy),
        block("alice.rig1", &found, easy),
        bad("Bob.Garage", "low difficulty share", hard),
    ];
    let (last, others) = rows.split_last().unwrap();
    assert_eq!(others.iter().map(facts).collect::<Vec<_>>(), expected);
    // W10: the block that missed its share target is credited with what the network asked, of which it is proof.
    let network = 65_535.0 / (8_388_607.0 * 256.0) * 16.0;
    assert_eq!(facts(last), block("Bob.Garage", &easier, last.difficulty));
    assert!((last.difficulty / network - 1.0).abs() < 1e-9, "{} instead of {network}", last.difficulty);
    for row in &rows {
        let is_block = [&found, &easier].contains(&&row.solution);
        assert_eq!(row.upstream_result.as_deref(), Some(if is_block { "Y" } else { "N" }), "{row:?}");
        assert_eq!(row.rem_host, "127.0.0.1");
    }
    let times: Vec<u64> = rows.iter().map(|row| row.time).collect();
    assert!(times.is_sorted() && times[0] >= began && times[9] <= stage::unix_secs(), "{times:?}");
    for (hash, at, height) in [(&found, 7, 111), (&easier, 9, 112)] {
        let expected = (rows[at].id, height, "accepted".to_owned(), "present".to_owned());
        assert_eq!(record_of(&db, "scrypt", hash).await, [expected]);
    }
    assert!(daemon.stop().await.unwrap().success());
}

#[tokio::test]
async fn w16_bcoin_from_its_first_block() {
    let (bcoin, db) = (Bcoin::start().await, MariaDb::shared());
    stage::create_database(&db, "young").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::bcoin(&bcoin, &db, "young")])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    // Up to 16 the height in the coinbase is one opcode, from 17 on a number (BIP34).
    let mut hashes = Vec::new();
    for height in 1..=18 {
        let (share, next) = mine_block(&mut miner, "alice.rig1", &job).await;
        assert_eq!(bcoin.rpc("getbestblockhash", json!([])).await, json!(share.block_hash()), "height {height}");
        hashes.push(share.block_hash());
        job = next;
    }
    accepted_row(&db, "young", &hashes[17]).await;
    let rows = stage::rows_of(&db, "young", 18).await;
    let solutions: Vec<&str> = rows.iter().map(|row| row.solution.as_str()).collect();
    assert_eq!(solutions, hashes);
    let all_accepted = |rows: &[ShareRow]| rows.iter().all(|row| row.upstream_result.as_deref() == Some("Y"));
    stage::rows_when(&db, "young", "every verdict", all_accepted).await;
    let heights: Vec<u64> = db.query("young", "SELECT height FROM mpos_stratum_block ORDER BY share_id").await;
    assert_eq!(heights, (1..=18).collect::<Vec<u64>>());
    assert_eq!(rows.iter().map(|row| row.difficulty).collect::<Vec<_>>(), [SHA256D_EASY; 18]);
}

#[tokio::test]
async fn bcoin_before_and_after_segwit() {
    let (bcoin, db) = (Bcoin::start().await, MariaDb::shared());
    bcoin.generate(SEGWIT_HEIGHT - 2).await;
    stage::create_database(&db, "segwit").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::bcoin(&bcoin, &db, "segwit")])).unwrap();
    let port = daemon.port("bitcoin").await.unwrap();
    let (mut miner, mut job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    let mut last = String::new();
    for height in SEGWIT_HEIGHT - 1..SEGWIT_HEIGHT + 4 {
        let commits = hex::encode(&job.coinbase_end).contains(WITNESS_COMMITMENT);
        let (share, next) = mine_block(&mut miner, "alice.rig1", &job).await;
        last = share.block_hash();
        assert_eq!(bcoin.rpc("getbestblockhash", json!([])).await, json!(last), "height {height}");
        let raw = bcoin.rpc("getblock", json!([last, false])).await;
        // The marker and flag of a transaction with witness come behind the coinbase's version.
        let has_witness = raw.as_str().unwrap()[162..].starts_with("01000000000101");
        assert_eq!(
            (commits, has_witness),
            (height >= SEGWIT_HEIGHT, height >= SEGWIT_HEIGHT),
            "height {height}: {raw}"
        );
        job = next;
    }
    accepted_row(&db, "segwit", &last).await;
    assert_eq!(stage::rows_of(&db, "segwit", 5).await[4].solution, last);
}

#[tokio::test]
async fn w18_litecoin_with_transactions_and_an_extension_block() {
    let (litecoin, db) = (Litecoin::start_at(MWEB_HEIGHT + 1).await, MariaDb::shared());
    stage::create_database(&db, "mweb").await;
    let coin = Coin::litecoin(&litecoin, &db, "mweb").await;
    for kind in ["legacy", "bech32", "bech32", "mweb", "legacy"] {
        let address = litecoin.rpc("getnewaddress", json!(["", kind])).await;
        litecoin.rpc("sendtoaddress", json!([address, 1])).await;
    }
    let daemon = Daemon::start(&stage::configuration(&[&coin])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut miner, job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    assert!(job.branch.len() >= 3, "{:?}", job.branch);
    let (share, next) = mine_block(&mut miner, "alice.rig1", &job).await;

    let hash = share.block_hash();
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(hash));
    let stored = litecoin.rpc("getblock", json!([hash, 2])).await;
    // Payments inside the extension block are not among its transactions, so some are fewer than all.
    assert!(stored["tx"].as_array().unwrap().len() >= 5, "{stored}");
    assert_eq!(litecoin.rpc("getrawmempool", json!([])).await, json!([]), "nothing was left out");
    // The last one is the bridge to the extension block.
    let raw = litecoin.rpc("getblock", json!([hash, 0])).await;
    let bridge = stored["tx"].as_array().unwrap().last().unwrap()["hex"].as_str().unwrap();
    assert!(bridge.starts_with("020000000008") && raw.as_str().unwrap().contains(bridge), "{bridge}");
    accepted_row(&db, "mweb", &hash).await;

    // The next one holds no transactions but the bridge.
    let (share, _) = mine_block(&mut miner, "alice.rig1", &next).await;
    assert_eq!(litecoin.rpc("getbestblockhash", json!([])).await, json!(share.block_hash()));
    accepted_row(&db, "mweb", &share.block_hash()).await;
    let heights: Vec<(u64, String)> =
        db.query("mweb", "SELECT height, verdict FROM mpos_stratum_block ORDER BY share_id").await;
    let accepted = "accepted".to_owned();
    assert_eq!(heights, [(MWEB_HEIGHT + 2, accepted.clone()), (MWEB_HEIGHT + 3, accepted)]);
}

/// What MPOS's findblock asks for a block it learnt of, in its order: the row whose `solution` is
/// the node's hash; else an accepted one within a minute of the header; else any good one from there.
async fn find_share(db: &MariaDb, hash: &str, header_time: u64, last: u64) -> [Option<(u64, String)>; 3] {
    let mut found = Vec::new();
    for condition in [
        format!("solution = '{hash}'"),
        format!(
            "upstream_result = 'Y' AND id > {last} AND UNIX_TIMESTAMP(time) BETWEEN {header_time} AND {header_time} + 60 \
             ORDER BY id"
        ),
        format!("our_result = 'Y' AND id > {last} AND UNIX_TIMESTAMP(time) >= {header_time} ORDER BY id"),
    ] {
        let sql = format!("SELECT id, username FROM shares WHERE {condition} LIMIT 1");
        found.push(db.query("finder", &sql).await.first().cloned());
    }
    found.try_into().unwrap()
}

#[tokio::test]
async fn findblock_meets_the_finder_at_its_first_attempt() {
    // A short chain: the times in its headers are not ahead of the clock.
    let (litecoin, db) = (Litecoin::start_at(1).await, MariaDb::shared());
    stage::create_database(&db, "finder").await;
    let daemon = Daemon::start(&stage::configuration(&[&Coin::litecoin(&litecoin, &db, "finder").await])).unwrap();
    let port = daemon.port("litecoin").await.unwrap();
    let (mut alice, mut job) = Miner::log_in(port, Algorithm::Scrypt, "alice.rig1", PASSWORD).await.unwrap();
    let (mut bob, _) = Miner::log_in(port, Algorithm::Scrypt, "bob.garage", PASSWORD).await.unwrap();
    let mut last = 0;
    for stored in ["alice.rig1", "Bob.Garage", "alice.rig1", "Bob.Garage"] {
        let (finder, other) = if stored == "alice.rig1" { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
        let (worker, neighbour) =
            if stored == "alice.rig1" { ("alice.rig1", "bob.garage") } else { ("bob.garage", "alice.rig1") };
        // The neighbour's good shares of the same seconds must not be taken for the finder's.
        let its_job = other.wait_for_job_where("the present job", |its| its.previous == job.previous).await.unwrap();
        let share = other.mine(&its_job, Wanted::Share).unwrap();
        assert!(other.submit(neighbour, &share).await.unwrap().is_true());
        let mine = finder.wait_for_job_where("the present job", |its| its.previous == job.previous).await.unwrap();
        // Blocks follow each other faster here than a chain's rules for times were made for; a header
        // ahead of the clock would not be found by time.
        while stage::unix_secs() < u64::from(mine.time) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (share, next) = mine_block(finder, worker, &mine).await;
        let hash = share.block_hash();
        assert_eq!(litecoin.rpc("getblock", json!([hash])).await["hash"], json!(hash));

        let row = accepted_row(&db, "finder", &hash).await;
        let [by_solution, by_result, by_time] = find_share(&db, &hash, u64::from(share.choice.time), last).await;
        assert_eq!(by_solution, Some((row.id, stored.to_owned())));
        assert_eq!(by_result, by_solution, "the fall-back finds it too");
        assert_ne!(by_time, None);
        assert!(row.id > last, "blocks are in the order of their heights");
        last = row.id;
        job = next;
    }
    let finders: Vec<String> = db.query("finder", "SELECT worker FROM mpos_stratum_block ORDER BY height").await;
    assert_eq!(finders, ["alice.rig1", "Bob.Garage", "alice.rig1", "Bob.Garage"]);
}
