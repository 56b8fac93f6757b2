//! Connections over real sockets, with a desk that remembers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::desk::JudgedShare;
use super::super::session::effects::CoinMemory;
use super::*;
use crate::clock::SystemClock;
use crate::coin::profile::BlockHash;
use crate::config::{ColumnUse, Port, Rules, Workers};
use crate::difficulty::Difficulty;
use crate::pow::Algorithm;
use crate::pow::hashers::Hashers;
use crate::stratum::context::CoinContext;
use crate::stratum::desk::{ShareDesk, Written};
use crate::stratum::gate::Gate;
use crate::stratum::gate::House;
use crate::stratum::guard::Guard;
use crate::stratum::lanes::Lanes;
use crate::stratum::lanes::attendance;
use crate::stratum::session::effects::Terms;
use crate::stratum::standing::Standing;
use crate::stratum::wire::handshakes::Handshakes;
use crate::work::extranonce::Extranonces;
use crate::work::job::tests::job;
use crate::worker::directory::Directory;
use crate::worker::memory::Memory;
use crate::worker::source::{Found, SourceError, StoredAccount, StoredWorker, WorkerSource};

/// What nobody should ever have to wait for.
const FOREVER: Duration = Duration::from_secs(60);

/// Takes everything and never gets it onto the disk.
#[derive(Default)]
struct SlowDisk {
    synced: watch::Sender<u64>,
    verdicts: Mutex<Vec<bool>>,
    /// Files that blocks of the next shares are put into.
    keeping: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl ShareDesk for SlowDisk {
    fn record(&self, shares: Vec<JudgedShare>) -> Written {
        let mut verdicts = self.verdicts.lock().unwrap();
        verdicts.extend(shares.iter().map(|share| share.verdict.is_ok()));
        let keeping = std::mem::take(&mut *self.keeping.lock().unwrap());
        Written { shares: shares.iter().map(|_| Ok(7)).collect(), keeping }
    }

    fn synced(&self) -> watch::Receiver<u64> {
        self.synced.subscribe()
    }
}

/// Knows everybody, and tells who was asked for.
struct Everybody {
    asks: mpsc::Sender<String>,
    /// It does not answer any more.
    is_deaf: Arc<AtomicBool>,
}

impl WorkerSource for Everybody {
    async fn find(&mut self, name: &str) -> Result<Found, SourceError> {
        let _ = self.asks.send(name.to_owned()).await;
        if self.is_deaf.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Found::Worker(StoredWorker { name: name.to_owned(), password: None, locked: 0, folds_case: true }))
    }

    async fn create(&mut self, _: &StoredAccount, _: &str, _: &str) -> Result<StoredWorker, SourceError> {
        Err(SourceError("nobody is created here".to_owned()))
    }
}

/// A runtime of its own for strangers: whoever's share counts moves to that of the test.
struct Strangers(Option<Runtime>);

impl Drop for Strangers {
    fn drop(&mut self) {
        self.0.take().unwrap().shutdown_background();
    }
}

struct Pool {
    client: BufReader<TcpStream>,
    connection: JoinHandle<()>,
    board: watch::Sender<Arc<JobBoard>>,
    _stop: watch::Sender<Stop>,
    asked: mpsc::Receiver<String>,
    is_deaf: Arc<AtomicBool>,
    desk: Arc<SlowDisk>,
    hashers: Hashers,
    context: PortContext,
    _strangers: Strangers,
}

async fn pool(algorithm: Algorithm) -> Pool {
    let (board, board_seen) = watch::channel(Arc::new(JobBoard { tip_seq: 1, job: Some(job(1, 1, 0x1d00_ffff)) }));
    let (stop, stop_seen) = watch::channel(Stop::No);
    let (asks, asked) = mpsc::channel(16);
    let desk = Arc::new(SlowDisk::default());
    let seconds = Duration::from_secs;
    let mut transport = crate::config::Transport::default();
    // This machine's own addresses, too, are held to them.
    transport.limits.exempt.clear();
    let port = Port {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        difficulty: Difficulty::new(1e-12).unwrap(),
        vardiff: None,
        extranonce2_bytes: 4,
        connections_max: 10,
        line_bytes_max: 8192,
        subscribe_timeout: seconds(60),
        idle_timeout: seconds(600),
        write_timeout: seconds(60),
        keepalive: seconds(60),
        transport,
        rules: Rules::default(),
    };
    let bounds = crate::config::Handshakes { most: 1, timeout: seconds(5) };
    let (guard, roster) = (Guard::new(10), Arc::default());
    let house = House { guard, roster, certificates: Default::default(), handshakes: Handshakes::new(bounds) };
    let gate = Gate::new(&port, &house).unwrap();
    let terms = Terms {
        port: Arc::new(port),
        algorithm,
        block_hash: BlockHash::Sha256d,
        stratum_bits: 32,
        version_mask: 0,
        answers_wait_for_sync: true,
        emit_invalid_block_hashes: false,
        time_rolling: true,
        recheck: Duration::from_secs(600),
        memory: CoinMemory::default(),
    };
    let workers = Workers {
        check_password: false,
        auto_create: false,
        refuse_locked: true,
        cache: seconds(60),
        negative_cache: seconds(60),
        remember: seconds(60),
        recheck: Duration::from_secs(600),
        pool_worker_difficulty: ColumnUse::Off,
    };
    let (hashers, is_deaf) = (Hashers::start(1, 16).unwrap(), Arc::<AtomicBool>::default());
    let strangers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let strangers = Strangers(Some(strangers));
    let terms = Arc::new(terms);
    let of_coin = Arc::new(CoinContext {
        coin: "test".into(),
        news: board_seen.clone(),
        board: board_seen,
        extranonces: Arc::new(Extranonces::starting_at(0)),
        directory: Directory::start(Everybody { asks, is_deaf: Arc::clone(&is_deaf) }, workers, Memory::of_this_run()),
        hashers: hashers.clone(),
        desk: desk.clone(),
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        stop: stop_seen,
        departures: Arc::default(),
        lanes: Lanes { miners: Handle::current(), strangers: strangers.0.as_ref().unwrap().handle().clone() },
        leaving: None,
    });
    let standing = Standing::new(Arc::clone(&terms), Arc::clone(&gate));
    let context = PortContext { of_coin, standing, terms, gate };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, remote) = listener.accept().await.unwrap();
    let entry = arrival::let_in(&context, remote.ip()).unwrap();
    let (attendance, absence) = attendance();
    let presence = Presence::new(&context.counters, &attendance);
    let stream = stream.into_std().unwrap();
    let own = context.clone();
    context.lanes.strangers.clone().spawn(async move {
        serve(TcpStream::from_std(stream).unwrap(), remote, entry, own, presence).await;
    });
    drop(attendance);
    let connection = tokio::spawn(absence.complete());
    let (client, _strangers) = (BufReader::new(client), strangers);
    Pool { client, connection, board, _stop: stop, asked, is_deaf, desk, hashers, context, _strangers }
}

impl Pool {
    async fn say(&mut self, line: &str) {
        self.client.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Reads until a line holds `text`.
    async fn hear(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            assert!(timeout(FOREVER, self.client.read_line(&mut line)).await.unwrap().unwrap() > 0, "no {text}");
        }
    }

    /// The hasher is busy for a while.
    async fn occupy_hasher(&self) {
        let (answer, _answers) = mpsc::channel(8);
        for ticket in 0..8 {
            let algorithm = Algorithm::Scrypt { log_n: 14, r: 8 };
            let header = Box::new([0; 80]);
            let answer = answer.clone();
            self.hashers.submit(crate::pow::hashers::Request { algorithm, header, ticket, pin: 0, answer }).await;
        }
    }

    async fn start_mining(&mut self) {
        self.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#).await;
        self.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#).await;
        self.hear("mining.notify").await;
    }
}

const SUBMIT: &str =
    r#"{"id":3,"method":"mining.submit","params":["a.b","0000000100","00000000","6553f100","00000001"]}"#;

#[tokio::test]
async fn a_miner_that_hangs_up_while_the_disk_is_slow_leaves_nothing_behind() {
    let mut pool = pool(Algorithm::Sha256d).await;
    pool.start_mining().await;
    pool.hear(r#""id":2"#).await;
    pool.say(SUBMIT).await;
    drop(pool.client);
    timeout(FOREVER, pool.connection).await.unwrap().unwrap();
    assert_eq!(*pool.desk.verdicts.lock().unwrap(), [true]);
}

#[tokio::test]
async fn a_submit_at_a_hasher_is_carried_through_whatever_ends_the_connection() {
    let mut pool = pool(Algorithm::Scrypt { log_n: 10, r: 1 }).await;
    pool.start_mining().await;
    pool.occupy_hasher().await;
    // Both lines are read together: once the second name is asked for, the submit was read.
    pool.say(&format!("{SUBMIT}\n{}", r#"{"id":4,"method":"mining.authorize","params":["c.d","x"]}"#)).await;
    while timeout(FOREVER, pool.asked.recv()).await.unwrap().unwrap() != "c.d" {}
    drop(pool.board);
    timeout(FOREVER, pool.connection).await.unwrap().unwrap();
    assert_eq!(pool.desk.verdicts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_that_waits_for_the_disk_is_given_after_the_move() {
    let mut pool = pool(Algorithm::Sha256d).await;
    pool.start_mining().await;
    pool.hear(r#""id":2"#).await;
    // The second line is read behind the first, half of the third is still to come.
    let lines = format!("{SUBMIT}\n{}\n{}", r#"{"id":4,"method":"mining.ping","params":[]}"#, r#"{"id":5,"#);
    pool.client.get_mut().write_all(lines.as_bytes()).await.unwrap();
    while pool.desk.verdicts.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    pool.desk.synced.send_replace(7);
    pool.hear(r#""id":3"#).await;
    pool.hear(r#""id":4"#).await;
    pool.say(r#""method":"mining.ping","params":[]}"#).await;
    pool.hear(r#""id":5"#).await;
    drop(pool.board);
    timeout(FOREVER, pool.connection).await.unwrap().unwrap();
}

/// The daemon may be killed as soon as the miner knows that he has found a block.
#[tokio::test]
async fn the_finder_of_a_block_is_answered_when_it_is_in_a_file() {
    let mut pool = pool(Algorithm::Sha256d).await;
    let (kept, keeping) = oneshot::channel();
    pool.desk.keeping.lock().unwrap().push(keeping);
    pool.desk.synced.send_replace(7);
    pool.start_mining().await;
    pool.hear(r#""id":2"#).await;
    pool.say(SUBMIT).await;
    assert!(timeout(Duration::from_millis(100), pool.hear(r#""id":3"#)).await.is_err(), "it is in no file yet");
    kept.send(()).unwrap();
    pool.hear(r#""id":3"#).await;
}

#[tokio::test]
async fn the_finder_of_a_block_is_answered_though_the_disk_never_takes_it() {
    let mut pool = pool(Algorithm::Sha256d).await;
    let (kept, keeping) = oneshot::channel();
    let (failed, failing) = oneshot::channel();
    drop(failed);
    *pool.desk.keeping.lock().unwrap() = vec![failing, keeping];
    pool.desk.synced.send_replace(7);
    pool.start_mining().await;
    pool.say(SUBMIT).await;
    pool.hear(r#""id":3"#).await;
    assert!(kept.is_closed(), "nobody waits for it any more");
}

/// A hundred submits of scrypt in one go, which differ in their nonce.
fn many_submits() -> String {
    let line = |nonce| {
        format!(
            r#"{{"id":{nonce},"method":"mining.submit","params":["a.b","0000000100","00000000","6553f100","{nonce:08x}"]}}"#
        )
    };
    (1000..1100).map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn submits_of_a_broken_connection_are_all_judged_however_many_may_be_under_way() {
    let mut pool = pool(Algorithm::Scrypt { log_n: 10, r: 1 }).await;
    pool.start_mining().await;
    pool.hear(r#""id":2"#).await;
    pool.desk.synced.send_replace(7);
    pool.say(&many_submits()).await;
    pool.client.get_ref().set_zero_linger().unwrap();
    drop(pool.client);
    timeout(FOREVER, pool.connection).await.unwrap().unwrap();
    assert_eq!(pool.desk.verdicts.lock().unwrap().len(), 100);
}

#[tokio::test]
async fn names_that_nobody_waited_for_are_held_against_the_address() {
    let mut pool = pool(Algorithm::Sha256d).await;
    let context = pool.context.clone();
    let delay = || {
        let (mut admission, now) = (context.gate.guard.enter().unwrap(), context.clock.monotonic());
        admission.admit(std::net::Ipv4Addr::LOCALHOST.into(), now).unwrap();
        admission.authorization_delay(now)
    };
    pool.is_deaf.store(true, Ordering::Relaxed);
    let guess = |nth| format!(r#"{{"id":{nth},"method":"mining.authorize","params":["a.{nth}","x"]}}"#);
    // Read together: once one is asked for, all have been read.
    pool.say(&(0..10).map(guess).collect::<Vec<_>>().join("\n")).await;
    timeout(FOREVER, pool.asked.recv()).await.unwrap().unwrap();
    assert_eq!(delay(), Duration::ZERO);
    drop(pool.client);
    timeout(FOREVER, pool.connection).await.unwrap().unwrap();
    assert!(delay() > Duration::ZERO);
}
