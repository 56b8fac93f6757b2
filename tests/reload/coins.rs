//! Coins come and go.

use crate::site::{Site, free_address, log_in, port_at, share};
use crate::stage::{self, Coin, SHA256D_EASY, rows_of};
use crate::support::fake_node::FakeNode;
use crate::support::miner::{Algorithm, EventKind};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w21_a_coin_comes_and_is_drained_when_it_goes() {
    let mut site = Site::open("reload_coins_a", SHA256D_EASY, "").await;
    let (mut miner, _) = site.miner().await;
    share(&mut miner).await;
    let node = FakeNode::start(Algorithm::Sha256d).unwrap();
    stage::create_database(&site.db, "reload_coins_b").await;
    let port = free_address();
    let other = Coin {
        name: "other",
        keys: "instance = 7".to_owned(),
        ports: vec![port_at(port, SHA256D_EASY)],
        ..Coin::fake(&node, &site.db, "reload_coins_b")
    };
    site.coins.push(other);
    let told = site.reload().await;
    assert!(told.contains("coin other: added"), "{told}");
    site.daemon.port("other").await.unwrap();
    let (mut second, _) = log_in(port).await;
    for _ in 0..5 {
        share(&mut second).await;
    }
    share(&mut miner).await;
    let status = site.status_when("two coins", |status| status["coins"].as_array().unwrap().len() == 2).await;
    assert_eq!(status["spools"].as_array().unwrap().len(), 2);
    // It goes: its miners are told, its shares are all in the database, its spool is closed.
    let other = site.coins.pop().unwrap();
    let told = site.reload().await;
    assert!(told.contains("coin other: removed"), "{told}");
    second.wait_for_close().await.unwrap();
    let words = second.events.iter().any(|event| {
        matches!(&event.kind, EventKind::Other(name, params)
            if name == "client.show_message" && params.to_string().contains("not mined here any more"))
    });
    assert!(words, "{:?}", second.events);
    rows_of(&site.db, "reload_coins_b", 5).await;
    let one = |status: &serde_json::Value| {
        (status["coins"].as_array().unwrap().len(), status["spools"].as_array().unwrap().len()) == (1, 1)
    };
    let status = site.status_when("one coin", one).await;
    assert_eq!(status["alarms"].as_array().unwrap().len(), 0, "{status}");
    share(&mut miner).await;
    // And comes back, with the same spool.
    site.coins.push(other);
    site.reload().await;
    let both = |status: &serde_json::Value| status["coins"].as_array().unwrap().len() == 2;
    site.status_when("it is back", both).await;
    site.daemon.nth_port("other", 1).await.unwrap();
    let (mut third, _) = log_in(port).await;
    share(&mut third).await;
    rows_of(&site.db, "reload_coins_b", 6).await;
    share(&mut miner).await;
    rows_of(&site.db, "reload_coins_a", 4).await;
    assert!(site.daemon.stop().await.unwrap().success());
}
