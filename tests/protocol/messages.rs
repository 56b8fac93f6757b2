//! Lines, ids and forms of parameters.

use serde_json::{Value, json};

use crate::stage::{FakeStage, PASSWORD};
use crate::support::miner::{Algorithm, Choice, EventKind, Miner, Wanted};

async fn connect(stage: &FakeStage) -> Miner {
    Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap()
}

#[tokio::test]
async fn w01_a_subscription_byte_by_byte_gets_its_answer_first_then_difficulty_then_work() {
    let stage = FakeStage::start("protocol_w01").await;
    let mut miner = connect(&stage).await;
    for byte in b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"slow/1\"]}\n" {
        miner.send_raw(&[*byte]).await.unwrap();
    }
    miner.read_message().await.unwrap();
    assert!(miner.events.is_empty());
    let reply = miner.reply_at_hand().unwrap();
    assert_eq!(reply.id, json!(1));
    let pairs = reply.result[0].as_array().unwrap();
    let session = pairs[0][1].as_str().unwrap();
    assert!(pairs.len() == 2 && pairs[1][1] == session && session.len() == 32, "{}", reply.line);
    miner.read_message().await.unwrap();
    assert!(matches!(miner.events[0].kind, EventKind::Difficulty(_)));
}

#[tokio::test]
async fn w02_the_first_five_requests_in_any_order_in_one_packet() {
    let stage = FakeStage::start("protocol_w02").await;
    let requests = [
        json!({"method": "mining.configure", "params": [["version-rolling"], {"version-rolling.mask": "ffffffff"}]}),
        json!({"method": "mining.subscribe", "params": ["any/1"]}),
        json!({"method": "mining.authorize", "params": ["alice.rig1", PASSWORD]}),
        json!({"method": "mining.suggest_difficulty", "params": [64]}),
        json!({"method": "mining.extranonce.subscribe", "params": []}),
    ];
    for order in orders(5) {
        let mut miner = connect(&stage).await;
        let mut packet = String::new();
        for index in &order {
            let mut request = requests[*index].clone();
            request["id"] = json!(index);
            packet += &format!("{request}\n");
        }
        miner.send_raw(packet.as_bytes()).await.unwrap();
        for index in &order {
            let reply = miner.next_reply().await.unwrap();
            assert!(reply.id == json!(index) && reply.error.is_none(), "{order:?}: {}", reply.line);
        }
        assert_eq!(miner.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
    }
}

/// All orders of the first `count` numbers.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let with = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |at| with(order, at))).collect()
}

#[tokio::test]
async fn w03_b29_a_second_subscription_and_login_are_answered_with_the_same_extranonce() {
    let stage = FakeStage::start("protocol_w03").await;
    let (mut miner, first) = stage.miner("alice.rig1").await;
    let extranonce1 = miner.in_force.extranonce1.clone();
    let skip = miner.events.len();
    assert!(miner.subscribe_with(json!([])).await.unwrap().error.is_none());
    assert_eq!(miner.in_force.extranonce1, extranonce1);
    miner.wait_for_event("difficulty", skip, |kind| matches!(kind, EventKind::Difficulty(_))).await.unwrap();
    let again = miner.wait_for_job_where("work of its own", |job| job.id != first.id).await.unwrap();
    assert!(again.clean && again.coinbase_start != first.coinbase_start);
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    let share = miner.mine(&again, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    stage.rows(1).await;
}

#[tokio::test]
async fn w04_b20_b27_ids_of_every_kind_come_back_as_they_were() {
    let stage = FakeStage::start("protocol_w04").await;
    let mut miner = connect(&stage).await;
    for id in ["1", "-7", "\"text\"", "9223372036854775808", "1.5", "true", "[1]", "{}", "\"\""] {
        miner.send_raw(format!("{{\"id\":{id},\"method\":\"mining.ping\",\"params\":[]}}\n").as_bytes()).await.unwrap();
        let reply = miner.next_reply().await.unwrap();
        assert!(reply.line.contains(&format!("\"id\":{id},")), "{}", reply.line);
        assert!(reply.line.contains("\"error\":null"), "{}", reply.line);
    }
    for silent in ["\"id\":null,", ""] {
        miner.send_raw(format!("{{{silent}\"method\":\"mining.ping\"}}\n").as_bytes()).await.unwrap();
    }
    assert_eq!(miner.request("mining.ping", json!([])).await.unwrap().result, json!("pong"));
    // A share without an id counts all the same.
    miner.subscribe().await.unwrap();
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    let line = json!({"id": null, "method": "mining.submit", "params": share.submit_params("alice.rig1")});
    miner.send_raw(format!("{line}\n").as_bytes()).await.unwrap();
    stage.rows(1).await;
}

#[tokio::test]
async fn w05_b21_suggestions_in_every_form() {
    let stage = FakeStage::start_with("protocol_w05", |coin| {
        coin.ports[0] += "\n[coin.port.vardiff]\nmin = 1e-12\nmax = 1e6";
    })
    .await;
    let mut miner = connect(&stage).await;
    let forms = ["[5]", "5", "[\"5.0\"]", "\"5\"", "[]", "[null]", "[-1]", "[1e300]", "null", "{}", "[[5]]"];
    for params in forms {
        let line = format!("{{\"id\":7,\"method\":\"mining.suggest_difficulty\",\"params\":{params}}}\n");
        miner.send_raw(line.as_bytes()).await.unwrap();
        let reply = miner.next_reply().await.unwrap();
        assert!(reply.is_true(), "{params}: {}", reply.line);
    }
    for (method, params) in [
        ("mining.suggest_difficulty(5)", json!([])),
        ("mining.suggest_target", json!(["00".repeat(32)])),
        ("mining.suggest_target", json!([7])),
        ("mining.capabilities", json!([{"suggested_target": "00"}])),
    ] {
        assert!(miner.request(method, params).await.unwrap().is_true(), "{method}");
    }
}

#[tokio::test]
async fn w06_every_extension_that_is_asked_about_is_answered() {
    let stage = FakeStage::start("protocol_w06").await;
    let mut miner = connect(&stage).await;
    for bits in [json!("2"), json!(2), Value::Null] {
        let mut options = json!({"version-rolling.mask": "1fffe000", "info.hw-version": "x"});
        if !bits.is_null() {
            options["version-rolling.min-bit-count"] = bits;
        }
        let asked = json!(["version-rolling", "minimum-difficulty", "subscribe-extranonce", "info", "unheard-of"]);
        let reply = miner.request("mining.configure", json!([asked, options])).await.unwrap();
        for extension in asked.as_array().unwrap() {
            assert!(reply.result.get(extension.as_str().unwrap()).is_some(), "{extension}: {}", reply.line);
        }
        assert_eq!(reply.result["unheard-of"], json!(false));
        assert_eq!(reply.result["version-rolling.mask"].as_str().unwrap().len(), 8);
    }
}

#[tokio::test]
async fn w07_b03_b19_b22_other_spellings_of_a_share_are_the_same_share() {
    let stage = FakeStage::start("protocol_w07").await;
    let mut miner = connect(&stage).await;
    miner.configure(0x1fff_e000).await.unwrap();
    miner.subscribe().await.unwrap();
    assert!(miner.authorize("alice.rig1", PASSWORD).await.unwrap().is_true());
    let job = miner.wait_for_job().await.unwrap();
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let good = share.submit_params("alice.rig1");
    let with = |index: usize, value: String| {
        let mut params = good.clone();
        params[index] = json!(value);
        params
    };
    let upper = |index: usize| good[index].as_str().unwrap().to_uppercase();
    let plain = |index: usize| good[index].as_str().unwrap().to_owned();
    let forged = [
        (good.clone(), 22),
        (with(1, upper(1)), 22),
        (with(3, upper(3)), 22),
        (with(4, upper(4)), 22),
        (with(2, plain(2) + "00"), 20),
        (with(2, plain(2)[2..].to_owned()), 20),
        (with(2, plain(2)[1..].to_owned()), 20),
        (with(2, format!("{}zz", &plain(2)[2..])), 20),
        (with(4, plain(4) + "zz"), 20),
        (with(4, format!("0x{}", plain(4))), 20),
        (with(3, format!(" {}", plain(3))), 20),
    ];
    for (params, code) in forged {
        let reply = miner.request("mining.submit", params.clone()).await.unwrap();
        assert_eq!(reply.code(), Some(code), "{params}: {}", reply.line);
    }
    // With other version bits, and nothing else changed, it is other work; the job's own version spelt out is not.
    let rolled = (1u32..1 << 16).map(|roll| {
        let choice = Choice { version_bits: Some(roll << 13), ..share.choice.clone() };
        job.share(choice)
    });
    let mut rolled = rolled.filter(|rolled| rolled.meets_share_target && rolled.header[..4] != share.header[..4]);
    for _ in 0..2 {
        let rolled = rolled.next().unwrap();
        assert!(miner.submit("alice.rig1", &rolled).await.unwrap().is_true());
        assert_eq!(miner.submit("alice.rig1", &rolled).await.unwrap().code(), Some(22));
    }
    let mut spelt = good.as_array().unwrap().clone();
    spelt.push(json!(format!("{:08x}", job.version)));
    assert_eq!(miner.request("mining.submit", Value::Array(spelt)).await.unwrap().code(), Some(22));
}

#[tokio::test]
async fn w12_no_silence_is_longer_than_the_keep_alive() {
    let stage = FakeStage::start_with("protocol_w12", |coin| coin.ports[0] += "\nkeepalive_secs = 1").await;
    let (mut miner, first) = stage.miner("alice.rig1").await;
    let second = miner.wait_for_job_where("a second job", |job| job.id != first.id).await.unwrap();
    let third = miner.wait_for_job_where("a third job", |job| job.id != second.id && job.id != first.id).await.unwrap();
    assert!(!second.clean && !third.clean && second.previous == first.previous);
    assert_ne!(second.coinbase_start, third.coinbase_start, "work is never repeated");
    let share = miner.mine(&first, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true(), "older work of the tip stays good");
}

#[tokio::test]
async fn w26_times_at_the_ends_of_their_window() {
    let stage = FakeStage::start("protocol_w26").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    for (time, code) in [(job.time + 7100, None), (job.time + 7300, Some(20)), (1, Some(20)), (u32::MAX, Some(20))] {
        let mut choice = miner.fresh_choice(&job);
        choice.time = time;
        let share = miner.mine_from(&job, choice, Wanted::Share).unwrap();
        let reply = miner.submit("alice.rig1", &share).await.unwrap();
        assert_eq!(reply.code(), code, "{time}: {}", reply.line);
    }
}
