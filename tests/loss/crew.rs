//! Miners that hand in shares as fast as they are answered, through whatever happens to the pool.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::account::{Account, Answer, Sent};
use crate::stage::{PASSWORD, unix_secs};
use crate::support::mariadb::MariaDb;
use crate::support::miner::{Algorithm, Job, Miner, PATIENCE, Problem};

/// Workers of each miner, used in turn: more than can be under way, so that no missing or doubled
/// share goes unnoticed.
const NAMES: usize = 16;
/// Most shares of a connection without an answer.
const WINDOW: usize = 12;
/// Pause before a worker is brought again that nobody could look up, or a port that is closed.
const AGAIN: Duration = Duration::from_millis(20);

/// The miners at work.
pub struct Crew {
    goal: watch::Sender<Goal>,
    accepted: watch::Receiver<usize>,
    hands: Vec<JoinHandle<Vec<Account>>>,
}

/// What the miners are to do.
#[derive(Debug, Clone, Copy)]
struct Goal {
    /// Where the pool is; a new one for each of its lives.
    port: Option<SocketAddr>,
    stop: bool,
}

fn name(miner: usize, share: usize) -> String {
    format!("hand{miner}.{}", share % NAMES)
}

/// The workers of so many miners.
pub async fn add_workers(db: &MariaDb, database: &str, miners: usize) {
    for miner in 0..miners {
        let account = db.add_account(database, &format!("hand{miner}"), 0).await;
        let rows: Vec<String> =
            (0..NAMES).map(|share| format!("({account}, '{}', '{PASSWORD}')", name(miner, share))).collect();
        let sql = format!("INSERT INTO pool_worker (account_id, username, password) VALUES {}", rows.join(","));
        db.run_sql(database, &sql).await;
    }
}

impl Crew {
    /// So many miners, who wait for a port.
    pub fn new(miners: usize) -> Self {
        let (goal, goals) = watch::channel(Goal { port: None, stop: false });
        let (progress, accepted) = watch::channel(0);
        let (progress, count) = (Arc::new(progress), Arc::new(AtomicUsize::new(0)));
        let hand = |number| {
            let hand =
                Hand { number, goals: goals.clone(), progress: Arc::clone(&progress), accepted: Arc::clone(&count) };
            tokio::spawn(hand.work())
        };
        Self { goal, accepted, hands: (0..miners).map(hand).collect() }
    }

    /// Where the pool is now.
    pub fn pool_is_at(&self, port: SocketAddr) {
        self.goal.send_modify(|goal| goal.port = Some(port));
    }

    /// Waits until so many more shares are accepted.
    pub async fn go_on(&mut self, shares: usize) {
        let goal = *self.accepted.borrow() + shares;
        let wait = self.accepted.wait_for(|accepted| *accepted >= goal);
        tokio::time::timeout(PATIENCE, wait).await.expect("shares are not accepted").expect("every miner gave up");
    }

    /// How many shares were accepted.
    pub fn accepted(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Ends the work once everything under way is answered.
    pub async fn stop(self) -> Vec<Account> {
        self.goal.send_modify(|goal| goal.stop = true);
        let mut accounts = Vec::new();
        for hand in self.hands {
            let own =
                tokio::time::timeout(PATIENCE, hand).await.expect("a miner does not end").expect("a miner failed");
            accounts.extend(own);
        }
        accounts
    }
}

struct Hand {
    number: usize,
    goals: watch::Receiver<Goal>,
    progress: Arc<watch::Sender<usize>>,
    accepted: Arc<AtomicUsize>,
}

impl Hand {
    /// One connection after the other.
    async fn work(mut self) -> Vec<Account> {
        let mut accounts = Vec::new();
        for connection in 0_u16.. {
            let [high, low] = connection.to_be_bytes();
            let from = Ipv4Addr::new(127, 1 + u8::try_from(self.number).unwrap(), high, low);
            let mut account = Account { from, sent: Vec::new() };
            let goal = *self.goals.borrow_and_update();
            let ended = match goal.port {
                _ if goal.stop => return accounts,
                Some(port) => self.mine(port, &mut account).await,
                None => Err(Problem::Closed),
            };
            if !account.sent.is_empty() {
                accounts.push(account);
            }
            match ended {
                Ok(()) => return accounts,
                Err(Problem::Closed | Problem::Io(_)) => {}
                Err(problem) => panic!("miner {}: {problem}", self.number),
            }
            // Until the pool has another port, or this one is open again.
            if let Ok(Err(_)) = tokio::time::timeout(AGAIN, self.goals.changed()).await {
                // The test is over.
                return accounts;
            }
        }
        unreachable!("nobody connects so often")
    }

    /// Mines until the work is to end.
    async fn mine(&mut self, port: SocketAddr, account: &mut Account) -> Result<(), Problem> {
        let mut miner = Miner::connect_from(account.from, port, Algorithm::Sha256d).await?;
        miner.subscribe().await?;
        for share in 0..NAMES {
            while !miner.authorize(&name(self.number, share), PASSWORD).await?.is_true() {
                if self.goals.borrow().stop {
                    return Ok(());
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
        miner.wait_for_job().await?;
        let mut under_way = VecDeque::new();
        loop {
            let stop = self.goals.borrow().stop;
            if stop && under_way.is_empty() {
                return Ok(());
            }
            if !stop && under_way.len() < WINDOW / 2 {
                let lines = self.more(&mut miner, account, &mut under_way, WINDOW - WINDOW / 2);
                miner.send_raw(lines.as_bytes()).await?;
            }
            let reply = miner.next_reply().await?;
            let share: usize = under_way.pop_front().unwrap();
            assert_eq!(reply.id, json!(1_000_000 + share), "{}", reply.line);
            let answer = if reply.is_true() { Answer::Accepted } else { Answer::Refused(reply.text().to_owned()) };
            account.sent[share].answer = Some((answer, Instant::now(), unix_secs()));
            if reply.is_true() {
                let accepted = self.accepted.fetch_add(1, Ordering::Relaxed) + 1;
                if accepted.is_multiple_of(16) {
                    self.progress.send_if_modified(|known| std::mem::replace(known, accepted.max(*known)) < accepted);
                }
            }
        }
    }

    /// The lines of so many more shares.
    fn more(&self, miner: &mut Miner, account: &mut Account, under_way: &mut VecDeque<usize>, count: usize) -> String {
        let job: Job = miner.job().unwrap().clone();
        let mut lines = String::new();
        for _ in 0..count {
            let number = account.sent.len();
            let worker = name(self.number, number);
            // All but every 65,536th hash is a share; a block is one too.
            let share = job.search(miner.fresh_choice(&job), |share| share.meets_share_target, 16).unwrap();
            let params = share.submit_params(&worker);
            lines += &format!("{}\n", json!({"id": 1_000_000 + number, "method": "mining.submit", "params": params}));
            let block = share.meets_network_target.then(|| share.block_hash());
            account.sent.push(Sent { worker, block, at: Instant::now(), at_secs: unix_secs(), answer: None });
            under_way.push_back(number);
        }
        lines
    }
}
