//! How soon each source of new tips brings new work, all side by side on one real node.
//!
//! `cargo bench --bench tips -- [--blocks N]`; without blocks only the second table, for which no node is needed.
//!
//! Every source has watchers of its own that use nothing else; all follow one litecoind on regtest. For each
//! block the clock starts when the node is told to make it, so the node's own work is in every number, and
//! stops when there is a template on it; in the rows "to a miner", which are whole daemons with one source each, when a
//! miner has read the work on it from its socket. The share of stale work is that delay over the time between two
//! blocks. ZMQ is missing: no daemon that can be installed here publishes it. The second table is what large templates
//! cost in this process, from the node's answer to the miners' line, of which no socket is part.
#![allow(clippy::print_stdout, reason = "a bench prints its findings")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "shared with the tests, which may end at the first surprise"
)]
#![allow(dead_code, reason = "of the whole daemon's stage, this bench uses its own part")]

mod at_miner;
mod large;
#[path = "../../tests/pool/stage.rs"]
mod stage;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use at_miner::{AtMiner, UPDATE_PASSWORD};
use mpos_stratum::chain::form::ChainForm;
use mpos_stratum::clock::{Clock, SystemClock};
use mpos_stratum::coin::profile::BlockHash;
use mpos_stratum::config::{Node, Templates};
use mpos_stratum::node::chain::Chain;
use mpos_stratum::node::nodes::Nodes;
use mpos_stratum::node::poller::Poller;
use mpos_stratum::pow::Algorithm;
use mpos_stratum::service::local::Notify;
use mpos_stratum::service::local::socket::{self, Listener};
use support::litecoind::Litecoin;
use support::mariadb::MariaDb;
use support::ports::free_port;
use tokio::task::JoinHandle;

/// Blocks without `--blocks`.
const BLOCKS: usize = 40;
/// Longest rest between two blocks: chance decides, so that polls are not in step with blocks.
const REST_MAX_MS: u64 = 1200;
/// Seconds between two blocks of Litecoin and of Bitcoin.
const SPACINGS_SECS: [f64; 2] = [150.0, 600.0];
/// So rare that it brings nothing here.
const NEVER: Duration = Duration::from_secs(3600);

/// A source and its delays.
struct Source {
    name: &'static str,
    watched: Watched,
    delays_ms: Vec<f64>,
}

/// Where a source's tips are seen.
enum Watched {
    /// Among the templates of watchers of its own.
    Templates(Poller),
    /// At the socket of a miner.
    Miner(AtMiner),
}

impl Source {
    fn at_miner(name: &'static str, miner: AtMiner) -> Self {
        Self { name, watched: Watched::Miner(miner), delays_ms: Vec::new() }
    }

    /// When the next tip is there.
    fn next(&self) -> JoinHandle<Instant> {
        match &self.watched {
            Watched::Templates(poller) => {
                let mut work = poller.work();
                let seq = work.borrow_and_update().tip_seq;
                tokio::spawn(async move {
                    work.wait_for(|work| work.tip_seq > seq).await.unwrap();
                    Instant::now()
                })
            }
            Watched::Miner(miner) => {
                let mut tips = miner.tips.clone();
                tips.mark_unchanged();
                tokio::spawn(async move {
                    tips.changed().await.unwrap();
                    Instant::now()
                })
            }
        }
    }
}

fn follow(name: &'static str, node: Node, poll: Duration, longpoll: bool) -> Source {
    let templates = Templates { poll, refresh: NEVER, longpoll, empty_after: None, stale_after: NEVER };
    let rules = vec!["segwit".into(), "mweb".into()];
    let form = Arc::new(ChainForm { template_rules: rules, ..ChainForm::default() });
    let chain = Chain {
        form,
        algorithm: Algorithm::Scrypt { log_n: 10, r: 1 },
        block_hash: BlockHash::Sha256d,
        several_algorithms: false,
    };
    let poller = Poller::start(&Nodes::new(&[node]), &templates, &Arc::new(chain), Arc::new(SystemClock::new()));
    Source { name, watched: Watched::Templates(poller), delays_ms: Vec::new() }
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip_while(|word| word != "--blocks").skip(1);
    let blocks = words.next().and_then(|number| number.parse().ok()).unwrap_or(BLOCKS);
    if blocks > 0 {
        side_by_side(blocks).await;
    }
    large::print();
}

/// All sources at one node.
async fn side_by_side(blocks: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify.sock");
    let nomp = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = nomp.address().unwrap().port();
    let stratum = [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let line =
        |json: &str, port: u16| format!("bash -c 'echo \"{}\" > /dev/tcp/127.0.0.1/{port}'", json.replace('"', "\\\""));
    let update = format!(r#"{{"id":1,"method":"mining.update_block","params":["{UPDATE_PASSWORD}"]}}"#);
    let command = format!(
        "-blocknotify={} notify litecoin %s --socket {} & {} & {}",
        env!("CARGO_BIN_EXE_mpos-stratum"),
        path.display(),
        line(r#"{"command":"blocknotify","params":["litecoin","%s"]}"#, port),
        line(&update, stratum[1].port())
    );
    let litecoin = Litecoin::start_with(&[command]).await;
    litecoin.generate(101).await;
    let node = litecoin.rpc_config();
    let mut as_peer = node.clone();
    as_peer.ways.peer = Some(litecoin.peer_way());
    let mut sources = vec![
        follow("polling, 1000 ms", node.clone(), Duration::from_secs(1), false),
        follow("polling, 100 ms", node.clone(), Duration::from_millis(100), false),
        follow("longpoll", node.clone(), NEVER, true),
        follow("p2p", as_peer, NEVER, false),
        follow("blocknotify, our command", node.clone(), NEVER, false),
        follow("blocknotify, NOMP's line", node, NEVER, false),
    ];
    let db = MariaDb::shared();
    let longpolled = at_miner::start(&litecoin, &db, "tips_longpoll", stratum[0], true).await;
    let told_by_line = at_miner::start(&litecoin, &db, "tips_update_block", stratum[1], false).await;
    let pollers = sources.len();
    sources.push(Source::at_miner("longpoll, to a miner", longpolled));
    sources.push(Source::at_miner("update_block, to a miner", told_by_line));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let told = |source: &Source| {
        let notify = Notify::default();
        if let Watched::Templates(poller) = &source.watched {
            notify.set(vec![("litecoin".into(), Arc::clone(poller.bell()))]);
        }
        notify
    };
    let (ours, theirs) = (told(&sources[pollers - 2]), told(&sources[pollers - 1]));
    let unix = Listener::unix(&path).await.unwrap();
    tokio::spawn(socket::serve(unix, Arc::clone(&clock), move |line| ready(ours.answer(&line))));
    let answer = move |line: Vec<u8>| {
        let theirs = theirs.clone();
        async move { theirs.answer_nomp(&line).await }
    };
    tokio::spawn(socket::serve(nomp, clock, answer));
    for source in &sources {
        if let Watched::Templates(poller) = &source.watched {
            poller.work().wait_for(|work| work.template.is_some()).await.unwrap();
        }
    }
    litecoin.has_peers_of_ours(1).await;
    for _ in 0..blocks {
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).unwrap();
        tokio::time::sleep(Duration::from_millis(500 + u64::from_le_bytes(chance) % REST_MAX_MS)).await;
        measure(&litecoin, &mut sources).await;
    }
    print(&mut sources);
}

/// One block, seen by all.
async fn measure(litecoin: &Litecoin, sources: &mut [Source]) {
    let waits: Vec<_> = sources.iter().map(Source::next).collect();
    let start = Instant::now();
    litecoin.generate(1).await;
    for (source, wait) in sources.iter_mut().zip(waits) {
        let seen = tokio::time::timeout(Duration::from_secs(20), wait).await;
        let seen = seen.unwrap_or_else(|_| panic!("{} brings nothing", source.name)).unwrap();
        source.delays_ms.push(seen.duration_since(start).as_secs_f64() * 1000.0);
    }
}

fn print(sources: &mut [Source]) {
    println!(
        "{:<26} {:>9} {:>9} {:>9} {:>14} {:>14}",
        "source", "median ms", "p90 ms", "max ms", "stale at 150 s", "stale at 600 s"
    );
    for Source { name, delays_ms, .. } in sources {
        delays_ms.sort_by(f64::total_cmp);
        let mean = delays_ms.iter().sum::<f64>() / delays_ms.len() as f64;
        let at = |percent: usize| delays_ms[(delays_ms.len() - 1) * percent / 100];
        let [litecoin, bitcoin] = SPACINGS_SECS.map(|secs| mean / 10.0 / secs);
        println!("{name:<26} {:>9.1} {:>9.1} {:>9.1} {litecoin:>12.4} % {bitcoin:>12.4} %", at(50), at(90), at(100));
    }
}
