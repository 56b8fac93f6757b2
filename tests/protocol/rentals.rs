//! What rental services and proxies need: room in the extranonce, a difficulty that is never too low,
//! and a password that can say one.

use serde_json::json;

use crate::stage::{self, FakeStage, PASSWORD, SHA256D_SOME, good};
use crate::support::miner::{Algorithm, Miner, Wanted};

const LEAST: &str = "\nagent_difficulties = [{ agent = \"NiceHash\", difficulty = 1e-7, least = true }]";
const ADJUSTED: &str = "\n[coin.port.vardiff]\nmin = 1e-12\nmax = 1e6";

#[tokio::test]
async fn extranonces_of_every_size_that_services_ask_for() {
    // Ports are told apart by their difficulty. The last one says nothing: eight bytes are usual for sha256d.
    let ports = [(1e-9, Some(2)), (2e-9, Some(4)), (3e-9, Some(7)), (4e-9, Some(8)), (5e-9, None)];
    let stage = FakeStage::start_with("protocol_sizes", |coin| {
        let size = |size: Option<usize>| size.map(|size| format!("\nextranonce2_bytes = {size}")).unwrap_or_default();
        coin.ports = ports.map(|(difficulty, bytes)| stage::port(difficulty) + &size(bytes)).to_vec();
    })
    .await;
    for (difficulty, size) in ports {
        let (size, port) = (size.unwrap_or(8), stage.daemon.port_with("bitcoin", difficulty).await.unwrap());
        let (mut miner, job) = Miner::log_in(port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
        assert_eq!((job.extranonce1.len(), job.extranonce2_bytes), (4, size));
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    }
    stage.rows(5).await;
}

#[tokio::test]
async fn a_service_never_gets_less_than_its_least() {
    let stage = FakeStage::start_with("protocol_least", |coin| coin.ports[0] += &(LEAST.to_owned() + ADJUSTED)).await;
    let mut service = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    service.subscribe_with(json!(["NiceHash/1.0.0"])).await.unwrap();
    assert_eq!(service.wait_for_job().await.unwrap().difficulty, 1e-7, "before its first work");
    assert!(service.suggest_difficulty(SHA256D_SOME).await.unwrap().is_true());
    assert!(service.authorize("alice.rig1", &format!("{PASSWORD},d={SHA256D_SOME}")).await.unwrap().is_true());
    let share = service.wait_for_job().await.unwrap();
    assert_eq!(share.difficulty, 1e-7);
    let (_, job) = stage.miner("alice.rig1").await;
    assert_eq!(job.difficulty, SHA256D_SOME, "others have the port's");
}

#[tokio::test]
async fn the_password_says_a_difficulty_where_nothing_else_can() {
    let stage = FakeStage::start_with("protocol_password", |coin| coin.ports[0] += ADJUSTED).await;
    for (nth, (password, difficulty)) in [
        (format!("{PASSWORD},d={}", 4.0 * SHA256D_SOME), 4.0 * SHA256D_SOME),
        (format!("fd={};{PASSWORD}", 2.0 * SHA256D_SOME), 2.0 * SHA256D_SOME),
        (PASSWORD.to_owned(), SHA256D_SOME),
    ]
    .into_iter()
    .enumerate()
    {
        let mut miner = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
        miner.subscribe_with(json!([format!("rental/{nth}")])).await.unwrap();
        assert!(miner.authorize("alice.rig1", &password).await.unwrap().is_true());
        let job = miner.wait_for_job_where("work", |job| job.difficulty == difficulty).await.unwrap();
        let share = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
        assert_eq!(stage.facts(nth + 1).await[nth], good("alice.rig1", difficulty));
    }
}
