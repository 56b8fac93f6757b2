//! Proof that what the tests judge the daemon with is right itself: the miner's arithmetic against
//! real blocks, the fake node against a plain HTTP client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    reason = "in a test, a failed unwrap is a failed test"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;

use serde_json::{Value, json};
use support::daemon::opened_port;
use support::fake_node::{FakeNode, Fault, SubmitAnswer};
use support::miner::hash::{display, sha256d};
use support::miner::job::swap_words;
use support::miner::{Algorithm, Choice, InForce, Job, Miner, Problem, Wanted, hex, target};

fn target_text(target: Option<target::Target>) -> String {
    hex::encode(&target.unwrap())
}

fn reversed(text: &str) -> [u8; 32] {
    let mut bytes = hex::decode_32(text).unwrap();
    bytes.reverse();
    bytes
}

#[test]
fn hexadecimal_text_there_and_back() {
    assert_eq!(hex::encode(&[0, 0x7f, 0xff]), "007fff");
    assert_eq!(hex::decode("007FfF"), Some(vec![0, 0x7f, 0xff]));
    for bad in ["0", "0g", "+1", "äöü", "0 "] {
        assert_eq!(hex::decode(bad), None, "{bad}");
    }
}

#[test]
fn share_targets_of_known_difficulties() {
    for (difficulty, bits, text) in [
        (1.0, 32, format!("00000000ffff{}", "0".repeat(52))),
        (1.0, 16, format!("0000ffff{}", "0".repeat(56))),
        (16.0, 16, format!("00000ffff{}", "0".repeat(55))),
        (0.5, 32, format!("00000001fffe{}", "0".repeat(52))),
        // 0xffff · 2^208 / 7, floored, by a calculator.
        (7.0, 32, "0000000024922492492492492492492492492492492492492492492492492492".to_owned()),
        (2f64.powi(200), 32, format!("{}ffff00", "0".repeat(58))),
        (2f64.powi(210), 32, format!("{}3fff", "0".repeat(60))),
        (1e-9, 16, "f".repeat(64)),
    ] {
        assert_eq!(target_text(target::of_difficulty(difficulty, bits)), text, "{difficulty}");
    }
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(target::of_difficulty(bad, 32), None, "{bad}");
    }
}

#[test]
fn network_targets_of_real_headers() {
    for (bits, text) in [
        (0x1d00_ffff, format!("00000000ffff{}", "0".repeat(52))),
        (0x1b04_864c, format!("000000000004864c{}", "0".repeat(48))),
        (0x207f_ffff, format!("7fffff{}", "0".repeat(58))),
        (0x0312_3456, format!("{}123456", "0".repeat(58))),
        (0x0212_3456, format!("{}1234", "0".repeat(60))),
    ] {
        assert_eq!(target_text(target::of_bits(bits)), text, "{bits:08x}");
    }
    for bad in [0, 0x1d80_ffff, 0x2312_3456, 0x0100_0000] {
        assert_eq!(target::of_bits(bad), None, "{bad:08x}");
    }
}

#[test]
fn a_hash_at_the_target_counts_and_one_above_does_not() {
    let target = target::of_bits(0x1d00_ffff).unwrap();
    let mut hash = target;
    hash.reverse();
    assert!(target::is_met(&target, &hash));
    hash[0] = 1;
    assert!(!target::is_met(&target, &hash));
}

/// Bitcoin's block 100,000 as a pool would have sent it, the last two bytes of the coinbase's
/// script being the extranonces.
fn block_100_000() -> Job {
    let transactions = [
        "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
        "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
        "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    ]
    .map(reversed);
    let upper = sha256d(&[transactions[1], transactions[2]].concat());
    let previous = reversed("000000000002d01c1fccc21636b607dfd930d31d01c3a62104612a1719011250");
    let start = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff08044c86041b02";
    let end = "ffffffff0100f2052a010000004341041b0e8c2567c12536aa13357b79a073dc4444acb83c4ec7a0e2f99dd7457516c5817242da7\
               96924ca4e99947d087fedf9ce467cb9f7c6287078f801df276fdf84ac00000000";
    let params = json!([
        "4f",
        hex::encode(&swap_words(previous)),
        start,
        end,
        [hex::encode(&transactions[0]), hex::encode(&upper)],
        "00000001",
        "1b04864c",
        "4d1b2237",
        true
    ]);
    let in_force = InForce {
        extranonce1: vec![0x06],
        extranonce2_bytes: 1,
        difficulty: Some(1.0),
        version_mask: 0,
        algorithm: Algorithm::Sha256d,
    };
    Job::read(&params, &in_force).unwrap()
}

#[test]
fn a_real_block_is_rebuilt_from_the_wire() {
    let job = block_100_000();
    assert_eq!(
        hex::encode(&swap_words(job.previous)),
        "1901125004612a1701c3a621d930d31d36b607df1fccc2160002d01c00000000",
        "the wire carries each word of the previous hash turned around"
    );
    let choice =
        Choice { extranonce2: vec![0x02], time: 1_293_623_863, nonce: 274_148_111, version_bits: None, vote: None };
    let share = job.share(choice.clone());
    assert_eq!(display(&share.coinbase_txid), "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87");
    assert_eq!(share.block_hash(), "000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506");
    assert_eq!(share.work_hash(), share.block_hash());
    assert!(share.meets_network_target && share.meets_share_target);
    assert_eq!(share.submit_params("a.b"), json!(["a.b", "4f", "02", "4d1b2237", "10572b0f"]));

    let found = job.search(Choice { nonce: choice.nonce - 100, ..choice }, |share| share.meets_network_target, 101);
    assert_eq!(found, Some(share));
}

#[test]
fn rolled_versions_keep_what_the_mask_protects() {
    let mut job = block_100_000();
    job.version = 0x3000_0004;
    job.version_mask = 0x1fff_e000;
    assert_eq!(job.rolled_version(None), 0x3000_0004);
    assert_eq!(job.rolled_version(Some(0xffff_ffff)), 0x3fff_e004);
    assert_eq!(job.rolled_version(Some(0)), 0x2000_0004);
    let choice = Choice { extranonce2: vec![2], time: job.time, nonce: 0, version_bits: Some(0x0000_2000), vote: None };
    let share = job.share(choice);
    assert_eq!(share.submit_params("a.b")[5], "00002000");
    assert_eq!(share.header[..4], 0x2000_2004u32.to_le_bytes());
}

#[test]
fn scrypt_of_the_litecoin_genesis_header() {
    let mut header = 1u32.to_le_bytes().to_vec();
    header.extend([0; 32]);
    header.extend(reversed("97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9"));
    for number in [1_317_972_665u32, 0x1e0f_fff0, 2_084_524_493] {
        header.extend(number.to_le_bytes());
    }
    assert_eq!(display(&sha256d(&header)), "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2");
    assert_eq!(
        display(&Algorithm::Scrypt.proof_of_work(&header)),
        "0000050c34a64b415b6b15b37f2216634b5b1669cb9a2e38d76f7213b0671e00"
    );
}

/// One call over a connection of its own, by hand.
fn call(url: &str, method: &str, params: &Value) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))?;
    let body = json!({"id": 7, "method": method, "params": params}).to_string();
    // "fake:fake-node-secret" in base64.
    let head = format!(
        "POST / HTTP/1.1\r\nAuthorization: Basic ZmFrZTpmYWtlLW5vZGUtc2VjcmV0\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(text) = line.strip_prefix("Content-Length: ") {
            length = text.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[test]
fn the_fake_node_gives_templates_and_answers_long_polls() {
    let node = FakeNode::start(Algorithm::Scrypt).unwrap();
    node.set_transactions(3);
    let bad = call(&node.url(), "getblocktemplate", &json!([{"rules": ["segwit"]}])).unwrap();
    assert_eq!(bad["error"]["code"], -8);

    let first = call(&node.url(), "getblocktemplate", &json!([{"rules": ["segwit", "mweb"]}])).unwrap();
    assert_eq!(first["result"]["previousblockhash"], node.tip());
    assert_eq!(first["result"]["bits"], "1a00ffff");
    assert_eq!(first["result"]["transactions"].as_array().unwrap().len(), 3);
    let data = hex::decode(first["result"]["transactions"][2]["data"].as_str().unwrap()).unwrap();
    assert_eq!(first["result"]["transactions"][2]["txid"], display(&sha256d(&data)));

    let request = json!([{"rules": ["segwit", "mweb"], "longpollid": first["result"]["longpollid"]}]);
    let url = node.url();
    let waiting = thread::spawn(move || call(&url, "getblocktemplate", &request).unwrap());
    node.new_tip();
    let second = waiting.join().unwrap();
    assert_eq!(second["result"]["previousblockhash"], node.tip());
    assert_ne!(second["result"]["previousblockhash"], first["result"]["previousblockhash"]);
    let stale = call(
        &node.url(),
        "getblockheader",
        &first["result"]["previousblockhash"].as_str().map(|h| json!([h])).unwrap(),
    );
    assert_eq!(stale.unwrap()["result"]["confirmations"], 2);
    node.reorganise(1);
    let orphan = call(&node.url(), "getblockheader", &json!([second["result"]["previousblockhash"]])).unwrap();
    assert_eq!(orphan["result"]["confirmations"], -1);
}

#[tokio::test]
async fn the_fake_node_keeps_submitted_blocks_and_fails_on_command() {
    let node = FakeNode::start(Algorithm::Sha256d).unwrap();
    let block = hex::encode(&[1; 100]);
    node.set_submit_answer(SubmitAnswer::Refuse("high-hash"));
    assert_eq!(call(&node.url(), "submitblock", &json!([block])).unwrap()["result"], "high-hash");
    node.set_submit_answer(SubmitAnswer::AcceptAndHangUp);
    assert!(call(&node.url(), "submitblock", &json!([block])).is_err());
    assert_eq!(node.tip(), display(&sha256d(&[1; 80])));
    node.wait_for_calls("submitblock", 2).await.unwrap();
    let submissions = node.wait_for_submissions(2).await.unwrap();
    assert_eq!(submissions[0].block, [1; 100]);
    assert_eq!(submissions[0].hash(), node.tip());

    node.set_fault(Fault::Refuse);
    assert!(call(&node.url(), "getbestblockhash", &json!([])).is_err());
    node.set_fault(Fault::Garbage);
    assert!(call(&node.url(), "getbestblockhash", &json!([])).is_err());
    node.set_fault(Fault::RpcError(-28, "Loading block index..."));
    assert_eq!(call(&node.url(), "getbestblockhash", &json!([])).unwrap()["error"]["code"], -28);
    node.set_fault(Fault::Hang);
    let url = node.url();
    let hanging = thread::spawn(move || call(&url, "getbestblockhash", &json!([])).is_err());
    node.set_fault(Fault::None);
    // Cut off, or answered if it came only after the fault had ended; never left hanging.
    hanging.join().unwrap();
    assert_eq!(call(&node.url(), "getbestblockhash", &json!([])).unwrap()["result"], node.tip());
}

#[test]
fn an_open_port_is_found_in_the_log() {
    let line = "2026-11-21T02:00:00Z  INFO mpos_stratum: stratum port open coin=litecoin listen=127.0.0.1:4711";
    assert_eq!(opened_port(line, "litecoin"), "127.0.0.1:4711".parse().ok());
    assert_eq!(opened_port(line, "lite"), None);
    let quoted = "INFO stratum port open coin=\"litecoin\" listen=[::1]:3333 tls=false";
    assert_eq!(opened_port(quoted, "litecoin"), "[::1]:3333".parse().ok());
    assert_eq!(opened_port("stratum port closed coin=litecoin", "litecoin"), None);
}

/// A pool that has said all it ever says before it is asked.
async fn canned_pool(lines: &'static str) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, lines.as_bytes()).await.unwrap();
        // Open until the miner goes.
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest).await.unwrap();
    });
    address
}

#[tokio::test]
async fn a_difficulty_counts_from_the_next_job_on() {
    let address = canned_pool(concat!(
        r#"{"id":1,"result":[[["mining.set_difficulty","s1"],["mining.notify","s1"]],"0a0b",3],"error":null}"#,
        "\n",
        r#"{"id":null,"method":"mining.set_difficulty","params":[0.000000001]}"#,
        "\n",
        r#"{"id":null,"method":"mining.notify","params":["a","0000000000000000000000000000000000000000000000000000000000000000","","",[],"20000000","207fffff","5bcdef00",true]}"#,
        "\n",
        r#"{"id":null,"method":"mining.set_difficulty","params":[8]}"#,
        "\n",
        r#"{"id":2,"result":true,"error":null}"#,
        "\n",
        r#"{"id":null,"method":"mining.notify","params":["b","1111111100000000000000000000000000000000000000000000000000000000","","",[],"20000000","207fffff","5bcdef00",false]}"#,
        "\n",
        r#"{"id":3,"result":null,"error":[23,"Low difficulty share",null]}"#,
        "\n",
    ))
    .await;
    let (mut miner, first) = Miner::log_in(address, Algorithm::Scrypt, "a.b", "x").await.unwrap();
    assert_eq!(miner.subscription.as_deref(), Some("s1"));
    assert_eq!((first.difficulty, &first.extranonce1[..], first.extranonce2_bytes), (1e-9, &[10, 11][..], 3));
    let second = miner.wait_for_new_tip(&first).await.unwrap();
    assert_eq!((second.difficulty, second.clean), (8.0, false));
    assert_eq!(miner.jobs().count(), 2);

    for wanted in [Wanted::Share, Wanted::Block] {
        let share = miner.mine(&first, wanted).unwrap();
        assert!(share.meets_share_target);
        assert_eq!(share.meets_network_target, wanted == Wanted::Block);
        assert_eq!(share.choice.extranonce2.len(), 3);
    }
    let share = miner.mine(&second, Wanted::BelowShare).unwrap();
    assert!(!share.meets_share_target && !share.meets_network_target);
    let low = miner.mine(&second, Wanted::BlockBelowShare).unwrap();
    assert!(!low.meets_share_target && low.meets_network_target);
    assert_ne!(low.choice.extranonce2, share.choice.extranonce2);
    let reply = miner.submit("a.b", &share).await.unwrap();
    assert_eq!((reply.code(), reply.text(), reply.is_true()), (Some(23), "Low difficulty share", false));
}

#[tokio::test]
async fn what_real_miners_stumble_over_is_refused() {
    for line in [
        "{\"id\":1,\"result\":true}\n",
        "{\"id\":1,\"result\":null,\"error\":{\"code\":20}}\n",
        "{\"id\":1,\"result\":null,\"error\":[20,\"text\"]}\n",
        "{\"id\":2,\"result\":true,\"error\":null}\n",
        "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[0]}\n",
        "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[\"16\"]}\n",
        "{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"a\"]}\n",
        "no JSON\n",
    ] {
        let address = canned_pool(line).await;
        let mut miner = Miner::connect(address, Algorithm::Sha256d).await.unwrap();
        let problem = miner.request("mining.subscribe", json!([])).await;
        assert!(matches!(problem, Err(Problem::Protocol(_))), "{line}: {problem:?}");
    }
}
