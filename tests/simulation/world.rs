//! A pool, its miners and what befalls them, step by step.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mpos_stratum::clock::Clock;
use mpos_stratum::config::Durability;
use mpos_stratum::difficulty::Target;
use mpos_stratum::ledger::memory_sink::Failure;
use mpos_stratum::ledger::sink::SinkError;
use mpos_stratum::ledger::status::DrainState;
use mpos_stratum::stratum::session::effects::{Effect, Moment};
use mpos_stratum::work::board::JobBoard;
use mpos_stratum::work::extranonce::Extranonces;
use mpos_stratum::work::job::{Job, JobRecipe};
use mpos_stratum::work::template::{Particulars, Template};
use mpos_stratum::worker::directory::{Answer, Denial};
use serde_json::json;

use crate::books::{Books, Fate};
use crate::dice::Dice;
use crate::miner::{Answered, Asked, Miner, SOME};
use crate::pool::{Home, Pool, T0};
use crate::store::{self, WORKERS};
use crate::support::miner::hash::display;

/// Every sixteenth hash meets it.
const BITS: u32 = 0x200f_ffff;
/// Connections at once.
const MINERS_MAX: usize = 4;
/// Steps of a simulation, at most.
const STEPS_MAX: u64 = 500;
/// How long the last life may take to bring everything in order.
const PATIENCE: Duration = Duration::from_secs(20);
/// What segments may exceed their bounds by: the open one, the one ahead, and the one that made the
/// bound known.
const SEGMENTS_BEYOND: u64 = 3;

pub struct World {
    dice: Dice,
    home: Home,
    pool: Option<Pool>,
    miners: Vec<Miner>,
    board: JobBoard,
    recipe: Arc<JobRecipe>,
    extranonces: Arc<Extranonces>,
    serial: u32,
    books: Books,
    /// Workers the directory has learnt in this life, and those that were in its file when it began.
    known: HashSet<String>,
    /// Submissions to the node before this life.
    submitted_before: HashMap<String, usize>,
    /// How many submits there were before this life.
    submits_before: usize,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let home = Home::new(&mut dice);
        let recipe = JobRecipe {
            payout_script: vec![0x51],
            fixed: Vec::new(),
            recipients: Vec::new(),
            form: Arc::default(),
            text: "/sim/".to_owned(),
            entropy: [0; 6],
            transaction_hash: mpos_stratum::pow::ids::TransactionHash::Sha256d,
        };
        let mut world = Self {
            dice,
            home,
            pool: None,
            miners: Vec::new(),
            board: JobBoard::default(),
            recipe: Arc::new(recipe),
            extranonces: Arc::new(Extranonces::starting_at(0)),
            serial: 0,
            books: Books::default(),
            known: HashSet::new(),
            submitted_before: HashMap::new(),
            submits_before: 0,
        };
        world.begin_life();
        world
    }

    /// The whole simulation.
    pub fn run(mut self) {
        for _ in 0..self.dice.roll(STEPS_MAX) {
            self.step();
            self.check();
        }
        self.put_in_order();
    }

    fn pool(&self) -> &Pool {
        self.pool.as_ref().unwrap()
    }

    fn now(&self) -> Moment {
        Miner::moment(self.home.clock.monotonic(), self.home.clock.unix_secs())
    }

    fn begin_life(&mut self) {
        let entropy: [u8; 6] = std::array::from_fn(|_| u8::try_from(self.dice.roll(256)).unwrap());
        self.recipe = Arc::new(JobRecipe { entropy, ..(*self.recipe).clone() });
        self.extranonces = Arc::new(Extranonces::starting_at(self.dice.word()));
        self.serial = self.dice.word();
        self.board = JobBoard::default();
        self.submitted_before = self.home.node.submissions();
        self.submits_before = self.books.submits.len();
        // A disk in the way of a start is no matter of this simulation.
        self.home.set_disk_full(false);
        self.pool = Some(Pool::open(&self.home));
        self.new_work(true);
    }

    fn step(&mut self) {
        match self.dice.roll(40) {
            0 => self.new_work(true),
            1 | 2 => self.new_work(false),
            3 if self.dice.one_in(4) => self.board.job = None,
            4 => self.pass_time(),
            5 => self.sink_fails(),
            6 => self.pool.as_mut().unwrap().drain(&self.home),
            7 => self.home.set_disk_full(true),
            8 | 9 => self.home.set_disk_full(false),
            10 => self.home.store.set_away(true),
            11 | 12 => self.home.store.set_away(false),
            13 if self.dice.one_in(5) => self.kill(),
            14 if self.dice.one_in(5) => self.stop(),
            15 if !self.miners.is_empty() => self.lose_one(),
            16 => self.pool().ledger.sync_now(),
            17 => std::thread::sleep(Duration::from_micros(200 * self.dice.roll(10))),
            18..=21 => self.log_in(),
            _ => self.submit(),
        }
        self.go_on();
    }

    /// What goes on by itself: answers of the directory, of the disk, new work, timers.
    fn go_on(&mut self) {
        let synced = self.pool().ledger.synced_seq();
        for nth in 0..self.miners.len() {
            let now = self.now();
            if self.dice.one_in(2) {
                self.answer_authorisation(nth);
            }
            let behind = self.miners[nth].is_behind && self.dice.one_in(2);
            let ticks = self.dice.one_in(3);
            let session = &mut self.miners[nth].session;
            session.on_synced(synced, now.monotonic);
            if behind {
                session.on_board(now, &self.board);
                self.miners[nth].is_behind = false;
            }
            if ticks {
                self.miners[nth].session.on_tick(now, &self.board);
            }
            self.carry_out(nth);
        }
        for gone in (0..self.miners.len()).rev().filter(|nth| self.miners[*nth].is_closed).collect::<Vec<_>>() {
            self.lose(gone);
        }
    }

    fn new_work(&mut self, tip: bool) {
        let tip_seq = self.board.tip_seq + u64::from(tip);
        self.serial = self.serial.wrapping_add(1);
        let mut previous = [0; 32];
        previous[..8].copy_from_slice(&tip_seq.to_le_bytes());
        let now = u32::try_from(self.home.clock.unix_secs()).unwrap();
        let template = Template {
            height: 1000 + u32::try_from(tip_seq).unwrap(),
            version: 0x2000_0000,
            previous,
            bits: BITS,
            target: Target::from_compact(BITS).unwrap(),
            curtime: now,
            mintime: now - 600,
            coinbase_value: 50,
            fees: None,
            coinbase_aux: Vec::new(),
            witness_commitment: None,
            transactions: Vec::new(),
            mweb: None,
            longpoll_id: None,
            work_id: None,
            particulars: Particulars::default(),
        };
        let made_at = self.home.clock.monotonic();
        let job = Job::new(self.serial, tip_seq, Arc::new(template), Arc::clone(&self.recipe), made_at, 4).unwrap();
        self.board = JobBoard { tip_seq, job: Some(Arc::new(job)) };
        self.miners.iter_mut().for_each(|miner| miner.is_behind = true);
    }

    fn pass_time(&mut self) {
        let by = *self.dice.pick(&[1, 10, 200, 1500, 30_000]);
        self.home.clock.advance(Duration::from_millis(by));
        if self.dice.one_in(8) {
            self.home.clock.step_to(T0 + self.dice.roll(900));
        }
    }

    fn sink_fails(&mut self) {
        let lost = SinkError::Unavailable("lost".to_owned());
        for _ in 0..self.dice.roll(4) {
            match self.dice.roll(4) {
                0 => self.home.sink.script_commit(Some(Failure::Before(lost.clone()))),
                1 => self.home.sink.script_commit(Some(Failure::After(lost.clone()))),
                2 => self.home.sink.script_attach(lost.clone()),
                _ => self.home.sink.script_commit(None),
            }
        }
    }

    /// A miner connects, or one that is there asks for one more worker.
    fn log_in(&mut self) {
        if self.miners.len() < MINERS_MAX {
            let waits = self.home.ledger.durability == Durability::Power;
            let extranonce1 = self.extranonces.lease();
            let now = self.now().monotonic;
            let mut miner = Miner::connect(&mut self.dice, extranonce1, waits, now);
            if self.dice.one_in(2) {
                let configure = json!([["version-rolling"], {"version-rolling.mask": "1fffe000"}]);
                let line = miner.request(Asked::Other, "mining.configure", &configure);
                miner.session.on_line(self.now(), &line, &self.board);
            }
            let line = miner.request(Asked::Subscription, "mining.subscribe", &json!([]));
            miner.session.on_line(self.now(), &line, &self.board);
            self.miners.push(miner);
            self.carry_out(self.miners.len() - 1);
        }
        let nth = self.dice.index(self.miners.len());
        let (name, password) = *self.dice.pick(&WORKERS);
        let name = match self.dice.roll(4) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            _ => name.to_owned(),
        };
        let (name, password) = match self.dice.roll(12) {
            0 => (name, "wrong"),
            1 => ("nobody.rig".to_owned(), password),
            _ => (name, password),
        };
        if !self.miners[nth].session.may_read() {
            return;
        }
        let asked = Asked::Authorisation(self.miners[nth].names.len());
        self.miners[nth].names.push(name.clone());
        let line = self.miners[nth].request(asked, "mining.authorize", &json!([name, password]));
        self.say(nth, &line);
    }

    fn say(&mut self, nth: usize, line: &[u8]) {
        let now = self.now();
        self.miners[nth].session.on_line(now, line, &self.board);
        self.carry_out(nth);
    }

    /// A share: good work, any work, or work that was handed in before; for a name that was granted
    /// or another one.
    fn submit(&mut self) {
        let Some(nth) = (!self.miners.is_empty()).then(|| self.dice.index(self.miners.len())) else { return };
        let miner = &self.miners[nth];
        let (Some(newest), true) = (miner.jobs.back(), miner.session.may_read()) else { return };
        let job = if self.dice.one_in(6) { &miner.jobs[self.dice.index(miner.jobs.len())] } else { newest };
        let job = job.clone();
        let name = match miner.granted.last() {
            Some(_) if !self.dice.one_in(12) => self.dice.pick(&miner.granted).clone(),
            _ => miner.names.last().cloned().unwrap_or_else(|| "nobody.rig".to_owned()),
        };
        let (share, difficulty) = match &miner.shares[..] {
            shares if !shares.is_empty() && self.dice.one_in(10) => {
                let (job, share) = self.dice.pick(shares).clone();
                let sent = miner.jobs.iter().find(|known| known.id == job).map_or(SOME, |job| job.difficulty);
                (share, sent)
            }
            _ => (miner.work(&mut self.dice, &job), job.difficulty),
        };
        let number = self.books.note(&name, &share, difficulty);
        let miner = &mut self.miners[nth];
        miner.shares.push((share.job.clone(), share.clone()));
        let line = miner.request(Asked::Submit(number), "mining.submit", &share.submit_params(&name));
        self.say(nth, &line);
    }

    /// Does what a session asks for, and lets its miner read.
    fn carry_out(&mut self, nth: usize) {
        loop {
            let (mut shares, mut tickets) = (Vec::new(), Vec::new());
            for effect in self.miners[nth].session.take_effects() {
                match effect {
                    Effect::Authorise { ticket, name, password, again: _ } => {
                        self.miners[nth].authorisations.push_back((ticket, name, password));
                    }
                    Effect::Record { ticket, share } => {
                        shares.push(*share);
                        tickets.push(ticket);
                    }
                    Effect::Hash { .. } => panic!("sha256d is hashed at once"),
                    Effect::Close(_) => self.miners[nth].is_closed = true,
                }
            }
            if shares.is_empty() {
                break;
            }
            let good: Vec<Option<Vec<u8>>> = shares
                .iter()
                .map(|share| share.work.as_ref().filter(|_| share.verdict.is_ok()).map(|work| work.header.to_vec()))
                .collect();
            let recorded = self.pool().record(&self.home, shares);
            assert_eq!(recorded.len(), tickets.len());
            let now = self.now();
            for ((ticket, recorded), good) in tickets.into_iter().zip(recorded).zip(good) {
                if let (Ok(_), Some(header)) = (recorded, good) {
                    self.books.take(header);
                }
                if let Some(ticket) = ticket {
                    self.miners[nth].session.on_recorded(now, ticket, recorded.ok());
                }
            }
        }
        for Answered { submit, refusal } in self.miners[nth].read() {
            let fate = &mut self.books.submits[submit].fate;
            assert_eq!(*fate, Fate::Sent);
            *fate = refusal.map_or(Fate::Acknowledged, |(code, text)| Fate::Refused(code, text));
        }
    }

    /// The directory answers an authorisation.
    fn answer_authorisation(&mut self, nth: usize) {
        let Some((ticket, name, password)) = self.miners[nth].authorisations.pop_front() else { return };
        let is_rested = self.dice.one_in(2);
        let answer = self.pool().authorize(&name, &password, is_rested);
        let worker = store::stored(&name);
        let is_right = worker.is_some_and(|(_, stored)| stored == password);
        match &answer {
            Answer::Granted(stored) => {
                assert!(is_right, "{name} {password:?} was let in");
                assert_eq!(worker.map(|(name, _)| name), Some(&**stored));
            }
            Answer::Denied(Denial::WrongPassword | Denial::UnknownAccount) => assert!(!is_right, "{name}: {answer:?}"),
            Answer::Denied(_) => panic!("{name}: {answer:?}"),
            Answer::Unavailable => {
                assert!(!is_right || !self.known.contains(&name.to_lowercase()), "{name} is known and was sent away");
            }
        }
        // Whatever the password, the worker was looked up now or before.
        if worker.is_some() && !matches!(answer, Answer::Unavailable) {
            self.known.insert(name.to_lowercase());
        }
        let now = self.now();
        self.miners[nth].session.on_authorised(now, ticket, answer, &self.board);
        self.carry_out(nth);
    }

    fn lose_one(&mut self) {
        let nth = self.dice.index(self.miners.len());
        self.lose(nth);
    }

    /// A connection breaks. Its submits were all judged, or wait for a name that nobody asks for
    /// any more.
    fn lose(&mut self, nth: usize) {
        let miner = self.miners.remove(nth);
        drop(miner);
        // Every answer that has not come by now never comes, unless another connection waits for it.
        let waiting: HashSet<usize> = self.miners.iter().flat_map(Miner::waiting).collect();
        for (number, submit) in self.books.submits.iter_mut().enumerate() {
            if submit.fate == Fate::Sent && !waiting.contains(&number) {
                submit.fate = Fate::Lost;
            }
        }
    }

    fn lose_all(&mut self) {
        while !self.miners.is_empty() {
            self.lose(0);
        }
    }

    fn kill(&mut self) {
        // Often while blocks wait for the node: the next life has to go on with them.
        if self.dice.one_in(2) {
            self.home.node.set_away(true);
            for _ in 0..8 {
                self.submit();
            }
            std::thread::sleep(Duration::from_millis(self.dice.roll(10)));
        }
        self.lose_all();
        self.pool.take().unwrap().kill(&self.home);
        // Blocks of which the kill left neither the submission nor what the next life goes on with.
        let submissions = self.home.node.submissions();
        let files: HashSet<String> = std::fs::read_dir(self.home.blocks())
            .unwrap()
            .flatten()
            .filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".block")?.to_owned()))
            .collect();
        for submit in &mut self.books.submits {
            let hash = display(&submit.share.hash);
            let is_left = files.contains(&hash) && submit.fate == Fate::Acknowledged;
            submit.excused |= !is_left && !submissions.contains_key(&hash);
        }
        self.home.node.set_away(false);
        self.end_life();
        // Its file may be from before.
        self.known.clear();
        self.begin_life();
    }

    fn stop(&mut self) {
        self.lose_all();
        self.pool.take().unwrap().stop(&self.home);
        self.end_life();
        self.begin_life();
    }

    /// Within one life no block is submitted twice. One of an earlier life may come once more, and
    /// what was on its way when that was killed may come late.
    fn end_life(&mut self) {
        let earlier = &self.books.submits[..self.submits_before];
        let earlier: HashSet<String> = earlier.iter().map(|submit| submit.share.block_hash()).collect();
        for (hash, count) in self.home.node.submissions() {
            let before = self.submitted_before.get(&hash).copied().unwrap_or(0);
            let most = before + if earlier.contains(&hash) { 2 } else { 1 };
            assert!(count <= most, "the node got {hash} {} times in one life", count - before);
        }
        let bound = self.home.ledger.spool_bytes_max + self.home.ledger.drained_bytes_max;
        let beyond = SEGMENTS_BEYOND * self.home.ledger.segment_bytes;
        let bytes = self.home.spool_bytes();
        assert!(bytes <= bound + beyond, "{bytes} bytes of segments");
    }

    /// After every step.
    fn check(&mut self) {
        self.books.check_rows(&self.home.sink.rows());
        // In this order: both move on meanwhile.
        let (drained, synced) = (self.pool().ledger.drained(), self.pool().ledger.synced());
        let drained = *drained.borrow();
        assert!(drained <= *synced.borrow(), "drained {drained} before it was on the disk");
        let status = self.pool().ledger.status();
        let bound = self.home.ledger.spool_bytes_max + SEGMENTS_BEYOND * self.home.ledger.segment_bytes;
        assert!(status.undrained_bytes <= bound, "{status:?}");
        assert!(
            !matches!(status.drain, DrainState::Stopped(_) | DrainState::Held(_) | DrainState::Paused(_)),
            "{status:?}"
        );
    }

    /// Everything works again; in the end everything has come where it belongs.
    fn put_in_order(mut self) {
        self.home.store.set_away(false);
        self.home.set_disk_full(false);
        self.lose_all();
        let pool = self.pool.as_mut().unwrap();
        pool.drain(&self.home);
        pool.ledger.sync_now();
        let wanted = self.books.wanted();
        let end = Instant::now() + PATIENCE;
        loop {
            let status = self.pool().ledger.status();
            let submissions = self.home.node.submissions();
            let missing: Vec<_> = wanted.iter().filter(|hash| !submissions.contains_key(*hash)).collect();
            if status.drained == status.written && missing.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "not drained or not submitted: {missing:?} {status:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.check();
        self.pool.take().unwrap().stop(&self.home);
        self.end_life();
        self.books.check_rows(&self.home.sink.rows());
        self.books.check_end(&self.home.node.submissions());
    }
}
