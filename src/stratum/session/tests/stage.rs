//! A miner without a socket, and the port it is on.

use super::*;
use crate::chain::header::HeaderBytes;
use crate::work::extranonce::Extranonces;

pub(super) struct Miner {
    pub(super) session: Session,
    pub(super) board: JobBoard,
    pub(super) now: Duration,
    pub(super) seq: u64,
    pub(super) rows: Vec<JudgedShare>,
    pub(super) authorisations: Vec<(Ticket, String, String)>,
    pub(super) hashes: Vec<(Ticket, HeaderBytes)>,
    pub(super) closed: Option<CloseReason>,
}

pub(super) fn port() -> Port {
    Port {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        difficulty: Difficulty::new(1e-12).unwrap(),
        vardiff: None,
        extranonce2_bytes: 4,
        connections_max: 10,
        line_bytes_max: 8192,
        subscribe_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(600),
        write_timeout: Duration::from_secs(30),
        keepalive: Duration::from_secs(50),
        rules: Rules::default(),
        transport: crate::config::Transport::default(),
    }
}

/// Adjustment with next to no lower bound.
pub(super) fn vardiff(max: f64) -> Vardiff {
    Vardiff {
        min: Difficulty::new(1e-12).unwrap(),
        max: Difficulty::new(max).unwrap(),
        target: Duration::from_secs(15),
        retarget: Duration::from_secs(90),
        variance: 0.3,
        max_jump: None,
        double_steps: false,
        grid: Grid::Off,
    }
}

impl Miner {
    pub(super) fn on(port: Port, bits: u32, algorithm: Algorithm) -> Self {
        let terms = Terms {
            port: Arc::new(port),
            algorithm,
            block_hash: BlockHash::Sha256d,
            stratum_bits: 32,
            version_mask: 0x1fff_e000,
            answers_wait_for_sync: false,
            emit_invalid_block_hashes: false,
            time_rolling: true,
            recheck: Duration::from_secs(600),
            memory: CoinMemory::default(),
        };
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into() };
        Self {
            session: Session::new(Arc::new(terms), peer, extranonces().lease(), Duration::ZERO),
            board: JobBoard { tip_seq: 1, job: Some(job(1, 1, bits)) },
            now: Duration::ZERO,
            seq: 0,
            rows: Vec::new(),
            authorisations: Vec::new(),
            hashes: Vec::new(),
            closed: None,
        }
    }

    /// A subscribed miner with the worker `a.b`, its start-up lines already read.
    pub(super) fn ready(bits: u32) -> Self {
        let mut miner = Self::on(port(), bits, Algorithm::Sha256d);
        miner.say(r#"{"id":1,"method":"mining.subscribe","params":[]}"#);
        miner.say(r#"{"id":2,"method":"mining.authorize","params":["a.b","x"]}"#);
        miner.grant(0, "A.b");
        miner
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { monotonic: self.now, unix_secs: 1_700_000_000 }
    }

    /// Sends a line and returns what came back at once.
    pub(super) fn say(&mut self, line: &str) -> Vec<Value> {
        self.session.on_line(self.moment(), line.as_bytes(), &self.board);
        self.settle()
    }

    pub(super) fn settle(&mut self) -> Vec<Value> {
        let mut effects = self.session.take_effects();
        while !effects.is_empty() {
            for effect in effects {
                match effect {
                    Effect::Authorise { ticket, name, password, again: _ } => {
                        self.authorisations.push((ticket, name, password))
                    }
                    Effect::Hash { ticket, header } => self.hashes.push((ticket, header)),
                    Effect::Record { ticket, share } => {
                        self.seq += 1;
                        self.rows.push(*share);
                        if let Some(ticket) = ticket {
                            self.session.on_recorded(self.moment(), ticket, Some(self.seq));
                        }
                    }
                    Effect::Close(reason) => self.closed = Some(reason),
                }
            }
            effects = self.session.take_effects();
        }
        // The disk of these tests is quick.
        self.session.on_synced(self.seq, self.now);
        let mut bytes = Vec::new();
        while !self.session.out().is_empty() {
            let part = self.session.out().front().to_vec();
            self.session.out().advance(part.len());
            bytes.extend(part);
        }
        bytes.split_inclusive(|c| *c == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    pub(super) fn answer(&mut self, index: usize, answer: Answer) -> Vec<Value> {
        let ticket = self.authorisations[index].0;
        self.session.on_authorised(self.moment(), ticket, answer, &self.board);
        self.settle()
    }

    pub(super) fn grant(&mut self, index: usize, name: &str) -> Vec<Value> {
        self.answer(index, Answer::Granted(name.into()))
    }

    pub(super) fn submit(&mut self, id: u32, name: &str, job: &str, nonce: &str) -> Vec<Value> {
        self.say(&format!(
            r#"{{"id":{id},"method":"mining.submit","params":["{name}","{job}","00000000","{TIME}","{nonce}"]}}"#
        ))
    }

    /// Submits on a hard chain where a share's fate is certain, and returns the error code.
    pub(super) fn code(&mut self, params: &str) -> i64 {
        let answers = self.say(&format!(r#"{{"id":9,"method":"mining.submit","params":{params}}}"#));
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0]["error"][0].as_i64().unwrap_or(0)
    }

    pub(super) fn tick_at(&mut self, secs: u64) -> Vec<Value> {
        self.now = Duration::from_secs(secs);
        self.session.on_tick(self.moment(), &self.board);
        self.settle()
    }

    pub(super) fn board(&mut self, job: Arc<crate::work::job::Job>) -> Vec<Value> {
        self.board = JobBoard { tip_seq: job.tip_seq, job: Some(job) };
        self.session.on_board(self.moment(), &self.board);
        self.settle()
    }
}

/// The first extranonce is the one that the tests know.
pub(super) fn extranonces() -> Arc<Extranonces> {
    Arc::new(Extranonces::starting_at(0xaabb_ccdd))
}
