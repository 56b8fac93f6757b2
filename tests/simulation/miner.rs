//! One connection: the session, and at its other end a miner that believes only what it is told.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::coin::profile::BlockHash;
use mpos_stratum::config::{Grid, Port, Rules, Transport, Vardiff};
use mpos_stratum::difficulty::Difficulty;
use mpos_stratum::pow;
use mpos_stratum::stratum::session::Session;
use mpos_stratum::stratum::session::answers::Ticket;
use mpos_stratum::stratum::session::effects::{CoinMemory, Moment, Peer, Terms};
use mpos_stratum::work::extranonce::Lease;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::support::miner::hash::Algorithm;
use crate::support::miner::hex;
use crate::support::miner::job::{Choice, InForce, Job, Share};

/// Every fourth hash meets it, in units of 2^32 hashes.
pub const SOME: f64 = 1.0 / (1u64 << 30) as f64;
/// Jobs a miner keeps, more than the session does.
const JOBS_KEPT: usize = 24;

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Subscription,
    /// Of the nth worker this miner asked for.
    Authorisation(usize),
    /// The nth submit of the simulation.
    Submit(usize),
    Other,
}

/// An answer to a submit.
pub struct Answered {
    pub submit: usize,
    /// The error's code and text, if it was refused.
    pub refusal: Option<(i64, String)>,
}

pub struct Miner {
    pub session: Session,
    in_force: InForce,
    pub jobs: VecDeque<Job>,
    next_id: u64,
    asked: HashMap<u64, Asked>,
    /// Workers asked for.
    pub names: Vec<String>,
    /// Those the pool said yes to.
    pub granted: Vec<String>,
    /// Authorisations that the directory has not answered yet.
    pub authorisations: VecDeque<(Ticket, String, String)>,
    /// Shares it handed in, to be repeated.
    pub shares: Vec<(String, Share)>,
    /// The session has not been told of the newest work yet.
    pub is_behind: bool,
    pub is_closed: bool,
}

fn terms(dice: &mut Dice, waits: bool) -> Terms {
    let difficulty = |value| Difficulty::new(value).unwrap();
    let vardiff = dice.one_in(2).then(|| Vardiff {
        min: difficulty(SOME / 4.0),
        max: difficulty(SOME * 4.0),
        target: Duration::from_secs(2),
        retarget: Duration::from_secs(10),
        variance: 0.3,
        max_jump: None,
        double_steps: false,
        grid: Grid::Off,
    });
    let port = Port {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        difficulty: difficulty(SOME * *dice.pick(&[0.5, 1.0, 2.0])),
        vardiff,
        extranonce2_bytes: 4,
        connections_max: 10,
        line_bytes_max: 8192,
        subscribe_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(3600),
        write_timeout: Duration::from_secs(30),
        keepalive: Duration::from_secs(50),
        transport: Transport::default(),
        // The books know one difficulty per job, and nothing of tolerance.
        rules: Rules { share_tolerance_ppm: 0, race_window: Duration::ZERO, ..Rules::default() },
    };
    Terms {
        port: Arc::new(port),
        algorithm: pow::Algorithm::Sha256d,
        block_hash: BlockHash::Sha256d,
        stratum_bits: 32,
        version_mask: 0x1fff_e000,
        answers_wait_for_sync: waits,
        emit_invalid_block_hashes: false,
        time_rolling: true,
        recheck: Duration::from_secs(600),
        memory: CoinMemory::default(),
    }
}

impl Miner {
    /// A new connection to a pool whose answers wait for the disk or not.
    pub fn connect(dice: &mut Dice, extranonce1: Lease, waits: bool, now: Duration) -> Self {
        let peer = Peer { address: Ipv4Addr::new(192, 0, 2, 1).into() };
        let in_force = InForce {
            extranonce1: Vec::new(),
            extranonce2_bytes: 0,
            difficulty: None,
            version_mask: 0,
            algorithm: Algorithm::Sha256d,
        };
        Self {
            session: Session::new(Arc::new(terms(dice, waits)), peer, extranonce1, now),
            in_force,
            jobs: VecDeque::new(),
            next_id: 1,
            asked: HashMap::new(),
            names: Vec::new(),
            granted: Vec::new(),
            authorisations: VecDeque::new(),
            shares: Vec::new(),
            is_behind: false,
            is_closed: false,
        }
    }

    /// A request as a line, its answer expected.
    pub fn request(&mut self, asked: Asked, method: &str, params: &Value) -> Vec<u8> {
        let id = self.next_id;
        self.next_id += 1;
        self.asked.insert(id, asked);
        json!({ "id": id, "method": method, "params": params }).to_string().into_bytes()
    }

    /// The submits it has no answer to.
    pub fn waiting(&self) -> impl Iterator<Item = usize> {
        self.asked.values().filter_map(|asked| if let Asked::Submit(number) = asked { Some(*number) } else { None })
    }

    /// Work for a job, with a hash that is a share or any other.
    pub fn work(&self, dice: &mut Dice, job: &Job) -> Share {
        let version_bits = dice.one_in(4).then(|| dice.word() & self.in_force.version_mask);
        let choice = Choice {
            extranonce2: dice.word().to_be_bytes().into(),
            time: job.time,
            nonce: dice.word(),
            version_bits,
            vote: None,
        };
        let wants_share = !dice.one_in(6);
        job.search(choice.clone(), |share| !wants_share || share.meets_share_target, 200)
            .unwrap_or_else(|| job.share(choice))
    }

    /// Reads what the pool wrote; the answers to submits among it.
    pub fn read(&mut self) -> Vec<Answered> {
        let mut bytes = Vec::new();
        while !self.session.out().is_empty() {
            let part = self.session.out().front().to_vec();
            self.session.out().advance(part.len());
            bytes.extend(part);
        }
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        lines.filter_map(|line| self.hear(&serde_json::from_slice(line).unwrap())).collect()
    }

    fn hear(&mut self, line: &Value) -> Option<Answered> {
        match line["method"].as_str() {
            Some("mining.set_difficulty") => self.in_force.difficulty = line["params"][0].as_f64(),
            Some("mining.notify") => {
                self.jobs.push_back(Job::read(&line["params"], &self.in_force).unwrap());
                if self.jobs.len() > JOBS_KEPT {
                    self.jobs.pop_front();
                }
            }
            Some(other) => panic!("the pool said {other}"),
            None => return self.answered(line),
        }
        None
    }

    fn answered(&mut self, line: &Value) -> Option<Answered> {
        let id = line["id"].as_u64().unwrap_or_else(|| panic!("an answer to no request: {line}"));
        let asked = self.asked.remove(&id).unwrap_or_else(|| panic!("an answer to nothing: {line}"));
        let error = line["error"].as_array();
        match asked {
            Asked::Subscription => {
                if let Some(error) = error {
                    // No work to be had: it goes elsewhere.
                    assert!(error[1].as_str().unwrap().starts_with("Not ready"), "{line}");
                    self.is_closed = true;
                    return None;
                }
                self.in_force.extranonce1 = hex::decode(line["result"][1].as_str().unwrap()).unwrap();
                self.in_force.extranonce2_bytes = usize::try_from(line["result"][2].as_u64().unwrap()).unwrap();
            }
            Asked::Authorisation(nth) if error.is_none() => self.granted.push(self.names[nth].clone()),
            Asked::Other => {
                if let Some(mask) = line["result"]["version-rolling.mask"].as_str() {
                    self.in_force.version_mask = u32::from_str_radix(mask, 16).unwrap();
                }
            }
            Asked::Authorisation(_) => {}
            Asked::Submit(submit) => {
                assert_eq!(error.is_none(), line["result"] == json!(true), "{line}");
                let refusal = error.map(|error| (error[0].as_i64().unwrap(), error[1].as_str().unwrap().to_owned()));
                return Some(Answered { submit, refusal });
            }
        }
        None
    }

    /// How the session sees a moment.
    pub fn moment(monotonic: Duration, unix_secs: u64) -> Moment {
        Moment { monotonic, unix_secs }
    }
}
