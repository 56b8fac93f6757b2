//! What real clients say when they connect, as they say it: each must get work and have a share accepted.

use serde_json::{Value, json};

use crate::stage::{FakeStage, PASSWORD, SHA256D_SOME};
use crate::support::miner::{Algorithm, Miner, Wanted};

/// A client: its opening lines, and whether it sends them without waiting for answers.
struct Client {
    name: &'static str,
    opening: Vec<Value>,
    pipelined: bool,
}

fn call(id: u64, method: &str, params: Value) -> Value {
    json!({"id": id, "method": method, "params": params})
}

fn subscribe(id: u64, params: Value) -> Value {
    call(id, "mining.subscribe", params)
}

fn login(id: u64) -> Value {
    call(id, "mining.authorize", json!(["alice.rig1", PASSWORD]))
}

fn rolling(id: u64, options: Value) -> Value {
    call(id, "mining.configure", json!([["version-rolling"], options]))
}

fn clients() -> Vec<Client> {
    let client = |name, pipelined, opening| Client { name, opening, pipelined };
    let ours = "mining.extranonce.subscribe";
    vec![
        client("minerd", false, vec![subscribe(1, json!(["cpuminer/2.5.1"])), subscribe(1, json!([])), login(2)]),
        client(
            "cpuminer-multi",
            false,
            vec![subscribe(1, json!(["cpuminer-multi/1.3.7"])), login(2), call(3, ours, json!([]))],
        ),
        client(
            "cpuminer-opt",
            false,
            vec![
                subscribe(1, json!(["cpuminer-opt/24.5"])),
                login(2),
                call(1, "mining.suggest_difficulty", json!(["0.100000"])),
                call(3, ours, json!([])),
            ],
        ),
        client(
            "cgminer",
            false,
            vec![
                rolling(0, json!({"version-rolling.mask": "ffffffff"})),
                subscribe(1, json!(["cgminer/4.12.0", "00112233445566778899aabbccddeeff"])),
                login(2),
                call(3, "mining.suggest_difficulty", json!([1024])),
            ],
        ),
        client(
            "bfgminer",
            false,
            vec![
                subscribe(1, json!(["bfgminer/5.5.0"])),
                login(2),
                call(3, ours, json!([])),
                call(4, "mining.suggest_target", json!(["00".repeat(32)])),
                call(5, "mining.get_transactions", json!(["1"])),
            ],
        ),
        client(
            "NiceHash",
            false,
            vec![
                subscribe(1, json!(["NiceHash/1.0.0", null, "pool.example", 3333])),
                call(2, ours, json!([])),
                login(3),
            ],
        ),
        client(
            "rental proxy",
            false,
            vec![subscribe(1, json!([])), {
                call(2, "mining.authorize", json!(["alice.rig1", format!("{PASSWORD},d={}", 2.0 * SHA256D_SOME)]))
            }],
        ),
        client(
            "Bitaxe",
            true,
            vec![
                rolling(1, json!({"version-rolling.mask": "ffffffff"})),
                subscribe(2, json!(["bitaxe/BM1366/v2.4.0"])),
                login(3),
                call(4, "mining.suggest_difficulty", json!([1000])),
            ],
        ),
        client(
            "NerdQAxe",
            true,
            vec![
                subscribe(1, json!(["nerdqaxe/1"])),
                rolling(2, json!({"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": "2"})),
                login(3),
                call(4, "mining.suggest_difficulty", json!([4000])),
                call(5, ours, json!([])),
            ],
        ),
        client(
            "Antminer",
            false,
            vec![
                call(1, "mining.multi_version", json!([4])),
                rolling(2, json!({"version-rolling.mask": "00c00000", "version-rolling.min-bit-count": 2})),
                subscribe(3, json!(["bmminer/2.0.0"])),
                login(4),
            ],
        ),
        client(
            "Whatsminer",
            true,
            vec![
                rolling(1, json!({"version-rolling.mask": "1fffe000"})),
                subscribe(2, json!(["whatsminer/v1.1"])),
                login(3),
            ],
        ),
    ]
}

#[tokio::test]
async fn w24_b33_every_client_of_the_matrix_gets_its_share_accepted() {
    let stage = FakeStage::start("protocol_w24").await;
    let clients = clients();
    for client in &clients {
        let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
        if client.pipelined {
            let packet: String = client.opening.iter().map(|line| format!("{line}\n")).collect();
            miner.send_raw(packet.as_bytes()).await.unwrap();
        }
        for line in &client.opening {
            if !client.pipelined {
                miner.send_raw(format!("{line}\n").as_bytes()).await.unwrap();
            }
            let reply = miner.next_reply().await.unwrap();
            assert!(reply.error.is_none() && reply.id == line["id"], "{}: {}", client.name, reply.line);
        }
        // The last subscription counts: the work that follows a renewed one is read with what it said.
        miner.subscribe_with(json!([client.name])).await.unwrap();
        let job = miner.wait_for_job_where("work", |job| !job.extranonce1.is_empty()).await.unwrap();
        // Who rents a rig can say its difficulty in the password only.
        let times = if client.name == "rental proxy" { 2.0 } else { 1.0 };
        assert_eq!(job.difficulty, times * SHA256D_SOME, "{}", client.name);
        let share = miner.mine(&job, Wanted::Share).unwrap();
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert!(reply.is_true(), "{}: {}", client.name, reply.line);
    }
    stage.rows(clients.len()).await;
}

#[tokio::test]
async fn w24_a_client_without_a_password_and_one_with_numbers_for_fields() {
    let stage = FakeStage::start_with("protocol_w24b", |coin| coin.workers = "check_password = false".to_owned()).await;
    let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    assert!(miner.request("mining.authorize", json!(["alice.rig1"])).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    let mut params = share.submit_params("alice.rig1");
    params[3] = json!(share.choice.time);
    params[4] = json!(share.choice.nonce);
    assert!(miner.request("mining.submit", params).await.unwrap().is_true());
}
