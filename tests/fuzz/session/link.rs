//! One connection: the session, and at its other end a miner that checks everything it is told.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mpos_stratum::stratum::request::Request;
use mpos_stratum::stratum::session::Session;
use mpos_stratum::stratum::session::answers::{OUTSTANDING_MAX, Ticket};
use mpos_stratum::stratum::session::effects::{CloseReason, Terms};
use serde_json::Value;

use super::super::miner::hash::Algorithm;
use super::super::miner::hex;
use super::super::miner::job::{InForce, Job, Share};
use super::books::{Books, Header, OnDesk};

/// Unsent bytes beyond which a connection reads nothing more.
const OUT_BYTES_MAX: usize = 64 * 1024;
/// With the answers to what was read before, and work, it is never more than this.
const OUT_BYTES_BOUND: usize = 128 * 1024;

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Subscription,
    Authorisation,
    Configuration,
    Submit(Option<Submit>),
    Other,
}

/// A submit whose work is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submit {
    pub header: Header,
    pub is_block: bool,
    /// Nothing is wrong with it.
    pub is_good: bool,
}

/// A request without its answer.
#[derive(Debug)]
struct Unanswered {
    /// The id as it was sent.
    id: String,
    asked: Asked,
}

/// What a session was told, by which shares are credited.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// All difficulties.
    pub levels: Vec<f64>,
    /// Those of the jobs.
    pub jobs: HashMap<String, Vec<f64>>,
}

impl Told {
    /// What another was told as well.
    pub fn extend(&mut self, other: Self) {
        self.levels.extend(other.levels);
        for (job, levels) in other.jobs {
            self.jobs.entry(job).or_default().extend(levels);
        }
    }
}

/// A connection.
pub struct Link {
    pub session: Session,
    pub in_force: InForce,
    /// The latest jobs, newest last.
    pub jobs: VecDeque<Job>,
    unanswered: VecDeque<Unanswered>,
    /// The beginning of a line.
    partial: Vec<u8>,
    /// The miner takes nothing, since then.
    pub deaf_since: Option<Duration>,
    /// Credited names by submitted ones, of those that the directory granted.
    pub granted: HashMap<String, String>,
    pub authorising: Vec<(Ticket, String, bool)>,
    pub hashing: Vec<(Ticket, Header)>,
    pub recording: VecDeque<(Ticket, OnDesk)>,
    pub closed: Option<CloseReason>,
    /// The subscription was answered.
    pub subscribed: bool,
    /// It was one without an id, which is not answered.
    pub mute: bool,
    /// It asked to be told of another extranonce.
    pub follows: bool,
    pub session_id: Option<String>,
    pub heard_at: Duration,
    pub told: Told,
    /// What the sessions were told that it may have taken up; their jobs have ids of their own.
    pub inherited: Told,
    /// What it submitted, to be repeated.
    pub shares: Vec<(String, Share)>,
    pub next_id: u64,
}

impl Link {
    pub fn new(session: Session, now: Duration) -> Self {
        let in_force = InForce {
            extranonce1: Vec::new(),
            extranonce2_bytes: 0,
            difficulty: None,
            version_mask: 0,
            algorithm: Algorithm::Sha256d,
        };
        Self {
            session,
            in_force,
            jobs: VecDeque::new(),
            unanswered: VecDeque::new(),
            partial: Vec::new(),
            deaf_since: None,
            granted: HashMap::new(),
            authorising: Vec::new(),
            hashing: Vec::new(),
            recording: VecDeque::new(),
            closed: None,
            subscribed: false,
            mute: false,
            follows: false,
            session_id: None,
            heard_at: now,
            told: Told::default(),
            inherited: Told::default(),
            shares: Vec::new(),
            next_id: 1,
        }
    }

    /// Whether the connection would hand another line to the session.
    pub fn may_say(&mut self) -> bool {
        self.closed.is_none() && self.session.may_read() && self.session.out().len() < OUT_BYTES_MAX
    }

    /// Notes what the line about to be said is to be answered with.
    pub fn expect(&mut self, line: &[u8], submit: Option<Submit>) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Ok(request) = Request::parse(line) else {
            return self.unanswered.push_back(Unanswered { id: "null".to_owned(), asked: Asked::Other });
        };
        self.mute |= request.id.is_none() && request.method == "mining.subscribe";
        // Also if it asks without wanting an answer.
        let extensions = request.raw_params.filter(|_| request.method == "mining.configure");
        self.follows |= request.method == "mining.extranonce.subscribe"
            || extensions.and_then(|raw| serde_json::from_str::<Value>(raw).ok()).is_some_and(|params| {
                params[0].as_array().is_some_and(|names| names.iter().any(|name| name == "subscribe-extranonce"))
            });
        let Some(id) = request.id.as_ref().filter(|_| !request.method.is_empty()) else { return };
        let asked = match &*request.method {
            "mining.subscribe" => Asked::Subscription,
            "mining.authorize" => Asked::Authorisation,
            "mining.configure" => Asked::Configuration,
            "mining.submit" => Asked::Submit(submit),
            _ => Asked::Other,
        };
        self.unanswered.push_back(Unanswered { id: id.as_json().to_owned(), asked });
    }

    /// Whether a request of this kind waits for its answer.
    pub fn waits_for(&self, kind: &Asked) -> bool {
        self.unanswered.iter().any(|waiting| waiting.asked == *kind)
    }

    /// Whether every request is answered.
    pub fn is_settled(&self) -> bool {
        self.unanswered.is_empty() && !self.session.has_outstanding()
    }

    /// Takes up to `count` bytes of what the pool wrote.
    pub fn read(&mut self, count: usize, now: Duration, books: &mut Books, terms: &Terms) {
        let mut left = count;
        while left > 0 && !self.session.out().is_empty() {
            let part = self.session.out().front();
            let part = part[..part.len().min(left)].to_vec();
            self.session.out().advance(part.len());
            left -= part.len();
            self.partial.extend(part);
        }
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.hear(std::str::from_utf8(&line).unwrap(), books, terms);
            self.heard_at = now;
        }
    }

    fn hear(&mut self, line: &str, books: &mut Books, terms: &Terms) {
        let value: Value = serde_json::from_str(line).unwrap();
        match value["method"].as_str() {
            Some("mining.set_difficulty") => {
                let level = value["params"][0].as_f64().unwrap();
                self.in_force.difficulty = Some(level);
                self.told.levels.push(level);
            }
            Some("mining.notify") => {
                assert!(self.subscribed || self.mute, "work before the answer to the subscription: {line}");
                let job = Job::read(&value["params"], &self.in_force).unwrap();
                let levels = self.told.jobs.entry(job.id.clone()).or_default();
                assert!(self.jobs.iter().all(|known| known.id != job.id), "an id twice: {line}");
                levels.push(job.difficulty);
                self.jobs.push_back(job);
                if self.jobs.len() > 24 {
                    self.jobs.pop_front();
                }
            }
            Some("mining.set_extranonce") => {
                assert!(self.follows, "an extranonce for somebody who does not follow: {line}");
                self.in_force.extranonce1 = hex::decode(value["params"][0].as_str().unwrap()).unwrap();
                assert_eq!(value["params"][1], terms.port.extranonce2_bytes);
            }
            Some("client.show_message" | "client.get_version" | "mining.ping" | "client.reconnect") => {}
            Some(other) => panic!("the pool said {other}"),
            None => self.answered(line, &value, books, terms),
        }
    }

    fn answered(&mut self, line: &str, value: &Value, books: &mut Books, terms: &Terms) {
        let waiting = self.unanswered.pop_front().unwrap_or_else(|| panic!("an answer to nothing: {line}"));
        let beginning = format!("{{\"id\":{},\"result\":", waiting.id);
        assert!(line.starts_with(&beginning), "not the answer to {waiting:?}: {line}");
        let text = value["error"][1].as_str();
        assert_eq!(text.is_none(), value["error"].is_null(), "{line}");
        match waiting.asked {
            Asked::Subscription => {
                self.subscribed = text.is_none();
                if text.is_none() {
                    self.in_force.extranonce1 = hex::decode(value["result"][1].as_str().unwrap()).unwrap();
                    self.in_force.extranonce2_bytes = terms.port.extranonce2_bytes.into();
                    assert_eq!(value["result"][2], terms.port.extranonce2_bytes);
                    self.session_id = value["result"][0][0][1].as_str().map(str::to_owned);
                }
            }
            Asked::Configuration => {
                if let Some(mask) = value["result"]["version-rolling.mask"].as_str() {
                    self.in_force.version_mask = u32::from_str_radix(mask, 16).unwrap();
                }
            }
            Asked::Submit(submit) => {
                assert_eq!(text.is_none(), value["result"] == Value::Bool(true), "{line}");
                if let Some(submit) = submit {
                    judged(&submit, text, books, terms.answers_wait_for_sync);
                }
            }
            Asked::Authorisation | Asked::Other => {}
        }
    }

    /// Whether a share of a job may be credited so highly: by what was read, or is on its way.
    pub fn was_told(&self, job: &str, assigned: f64, race: bool, unread: &[u8]) -> bool {
        // The miner's reader of JSON may be wrong by the last bit.
        let same = |level: &f64| (level / assigned - 1.0).abs() < 1e-12;
        let bytes = [&self.partial[..], unread].concat();
        let on_its_way = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
            let value: Value = serde_json::from_slice(line).ok()?;
            value["params"][0].as_f64().filter(|_| value["method"] == "mining.set_difficulty")
        });
        let levels: Vec<f64> =
            on_its_way.chain(self.told.levels.iter().copied()).chain(self.inherited.levels.iter().copied()).collect();
        if self.inherited.jobs.get(job).is_some_and(|levels| levels.iter().any(same)) {
            return true;
        }
        match self.told.jobs.get(job) {
            Some(own) if own.iter().any(same) => true,
            Some(own) => race && own.iter().any(|own| assigned < *own) && levels.iter().any(same),
            // Not read, or taken back for newer work: the difficulty is told even so.
            None => levels.iter().any(same),
        }
    }

    /// After every step.
    pub fn check_bounds(&mut self) {
        assert!(self.session.out().len() <= OUT_BYTES_BOUND, "{} bytes unsent", self.session.out().len());
        let asked = self.authorising.iter().filter(|(_, _, again)| !again).count();
        assert!(asked <= OUTSTANDING_MAX && self.hashing.len() <= OUTSTANDING_MAX);
        assert!(self.recording.len() <= OUTSTANDING_MAX);
        if self.session.out().is_empty() {
            assert!(self.unanswered.len() <= OUTSTANDING_MAX, "{} requests wait", self.unanswered.len());
            assert!(self.partial.is_empty());
        }
    }
}

/// What a miner is told of its work.
fn judged(submit: &Submit, refusal: Option<&str>, books: &mut Books, waits_for_sync: bool) {
    let Some(text) = refusal else { return books.acknowledge(submit.header, waits_for_sync) };
    let is_about_the_desk = text.starts_with("Share not recorded");
    assert!(!submit.is_good || is_about_the_desk, "good work is refused: {text}");
    let is_unhashed = matches!(text, "Job not found" | "Duplicate share" | "Not subscribed");
    assert!(!submit.is_block || is_unhashed || books.candidates.contains(&submit.header), "a block is lost: {text}");
}
