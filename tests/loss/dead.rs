//! Two coins with a database each, one of which answers nothing any more.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::account::{self, Account};
use crate::crew::{self, Crew};
use crate::stage::{self, Coin, PASSWORD, SHA256D_EASY};
use crate::support::daemon::Daemon;
use crate::support::fake_node::FakeNode;
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Miner};

/// Miners of each coin.
const MINERS: usize = 4;
/// What a miner is told while nobody can look its worker up.
const TRY_AGAIN: &str = "Worker cannot be checked now, try again";
/// What the log says when a database has not answered for as long as a statement may take.
const GIVEN_UP: &str = "drain unavailable";

/// A database of the coin's own, with the workers of a crew.
async fn database() -> MariaDb {
    let db = MariaDb::start();
    stage::create_database(&db, "pool").await;
    crew::add_workers(&db, "pool", MINERS).await;
    db
}

/// Answer times of the shares sent between two moments: how many, median, 99th of a hundred.
fn times(accounts: &[Account], from: Instant, to: Instant) -> (usize, Duration, Duration) {
    let sent = accounts.iter().flat_map(|account| &account.sent).filter(|sent| (from..to).contains(&sent.at));
    let mut times: Vec<Duration> = sent.filter_map(|sent| Some(sent.answer.as_ref()?.1 - sent.at)).collect();
    times.sort_unstable();
    (times.len(), times[times.len() / 2], times[times.len() * 99 / 100])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_answers_nothing_hurts_no_other() {
    let (frozen, healthy, node) = (database().await, database().await, FakeNode::start(Algorithm::Sha256d).unwrap());
    let ports = || vec![stage::port(SHA256D_EASY)];
    let first = Coin { name: "first", ports: ports(), ..Coin::fake(&node, &frozen, "pool") };
    let keys = "instance = 1".to_owned();
    let second = Coin { name: "second", keys, ports: ports(), ..Coin::fake(&node, &healthy, "pool") };
    let daemon = Daemon::start(&stage::configuration(&[&first, &second])).unwrap();
    let (mut its, mut ours) = (Crew::new(MINERS), Crew::new(MINERS));
    let first_port = daemon.port("first").await.unwrap();
    let second_port = daemon.port("second").await.unwrap();
    its.pool_is_at(first_port);
    ours.pool_is_at(second_port);
    its.go_on(1000).await;
    ours.go_on(1000).await;

    let began = Instant::now();
    its.go_on(2000).await;
    ours.go_on(2000).await;
    let at = Instant::now();
    frozen.freeze();
    // Rows of the healthy one are there while the other is still being waited for.
    its.go_on(200).await;
    ours.go_on(200).await;
    let told = ours.accepted();
    let rows = stage::rows_when(&healthy, "pool", "rows", |rows| rows.len() >= told).await;
    let given_up = daemon.log().into_iter().find(|line| line.contains(GIVEN_UP));
    assert_eq!(given_up, None, "{} rows came only when the other database was given up", rows.len());
    its.go_on(2000).await;
    ours.go_on(2000).await;
    // Who is new at the dead one is asked to wait, at the other let in.
    let mut miner = Miner::connect(first_port, Algorithm::Sha256d).await.unwrap();
    miner.subscribe().await.unwrap();
    let asked = tokio::spawn(async move { miner.authorize("alice.rig1", PASSWORD).await.unwrap() });
    Miner::log_in(second_port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap();
    ours.go_on(2000).await;
    assert_eq!(asked.await.unwrap().text(), TRY_AGAIN);
    let until = Instant::now();

    // Everything of the healthy one is in its place while the other is still dead.
    let accounts = ours.stop().await;
    let sent = accounts.iter().map(|account| account.sent.len()).sum();
    let rows = stage::rows_of(&healthy, "pool", sent).await;
    account::check(&accounts, &rows, true);
    let (before, during) = (times(&accounts, began, at), times(&accounts, at, until));
    let told = format!("answers of the other coin, number, median, 99th: before {before:?}, during {during:?}\n");
    let _ = std::io::stderr().write_all(told.as_bytes());

    daemon.wait_for_log(GIVEN_UP).await.unwrap();
    frozen.thaw();
    let accounts = its.stop().await;
    let sent = accounts.iter().map(|account| account.sent.len()).sum();
    let rows = stage::rows_of(&frozen, "pool", sent).await;
    account::check(&accounts, &rows, true);
}
