//! What connections have in common, and what happens around them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use mpos_stratum::config::WORKERS_MAX;
use mpos_stratum::pow::Cost;
use mpos_stratum::pow::ids::TransactionHash;
use mpos_stratum::stratum::desk::JudgedShare;
use mpos_stratum::stratum::session::Session;
use mpos_stratum::stratum::session::answers::Ticket;
use mpos_stratum::stratum::session::effects::{Effect, Moment, Peer, Terms};
use mpos_stratum::work::board::JobBoard;
use mpos_stratum::work::extranonce::Extranonces;
use mpos_stratum::work::job::{Job, JobRecipe};
use mpos_stratum::worker::directory::{Answer, Denial};

use super::super::miner::hash;
use super::super::tape::Tape;
use super::books::Books;
use super::link::{Link, Told};
use super::terms::{self, UNIX_SECS, template};

/// Connections at once.
const LINKS_MAX: usize = 3;
/// Jobs a connection remembers, and those of the requests that wait.
const JOBS_PER_LINK_MAX: usize = 16 + 64;
/// Jobs kept with a session that may be taken up again.
const JOBS_PARKED_MAX: usize = 4;
/// Every second hash, one of 256, and none is a block.
const BITS: [u32; 3] = [0x207f_ffff, 0x2000_ffff, 0x1d00_ffff];

/// A life.
pub struct Life<'a> {
    pub tape: Tape<'a>,
    pub terms: Arc<Terms>,
    pub monotonic: Duration,
    pub unix_secs: u64,
    pub board: JobBoard,
    jobs: Vec<Arc<Job>>,
    recipe: Arc<JobRecipe>,
    extranonces: Arc<Extranonces>,
    pub links: Vec<Link>,
    pub books: Books,
    /// What sessions that ended were told, by their ids.
    pub parted: HashMap<String, Told>,
    ended: usize,
    /// The desk answers at once, as the real one does.
    pub desk_is_prompt: bool,
    /// It can write down what it gets.
    pub desk_works: bool,
}

impl<'a> Life<'a> {
    pub fn new(mut tape: Tape<'a>) -> Self {
        let terms = Arc::new(terms::terms(&mut tape));
        let recipe = JobRecipe {
            payout_script: vec![0x51],
            fixed: Vec::new(),
            recipients: Vec::new(),
            form: Arc::default(),
            text: "/fuzz/".to_owned(),
            entropy: [7; 6],
            transaction_hash: TransactionHash::Sha256d,
        };
        let mut life = Self {
            tape,
            terms,
            monotonic: Duration::from_secs(1000),
            unix_secs: UNIX_SECS,
            board: JobBoard::default(),
            jobs: Vec::new(),
            recipe: Arc::new(recipe),
            extranonces: Arc::new(Extranonces::starting_at(0xaabb_ccdd)),
            links: Vec::new(),
            books: Books::default(),
            parted: HashMap::new(),
            ended: 0,
            desk_is_prompt: true,
            desk_works: true,
        };
        life.new_work(true);
        life.connect();
        life
    }

    pub fn now(&self) -> Moment {
        Moment { monotonic: self.monotonic, unix_secs: self.unix_secs }
    }

    /// One more connection, if there is room.
    pub fn connect(&mut self) {
        if self.links.len() < LINKS_MAX {
            let peer = Peer { address: Ipv4Addr::new(192, 0, 2, 1).into() };
            let session = Session::new(Arc::clone(&self.terms), peer, self.extranonces.lease(), self.monotonic);
            self.links.push(Link::new(session, self.monotonic));
        }
    }

    /// A new template; of which the connections hear when they look.
    pub fn new_work(&mut self, tip: bool) {
        let tip_seq = self.board.tip_seq + u64::from(tip);
        let bits = BITS[self.tape.roll(BITS.len())];
        let serial = u32::try_from(self.jobs.len()).unwrap().wrapping_sub(3);
        let template = Arc::new(template(tip_seq, bits, self.unix_secs));
        let job = Job::new(serial, tip_seq, template, Arc::clone(&self.recipe), self.monotonic, 8).unwrap();
        let job = Arc::new(job);
        self.jobs.push(Arc::clone(&job));
        self.board = JobBoard { tip_seq, job: Some(job) };
    }

    /// Does what a session asks for, and lets its miner read.
    pub fn settle(&mut self, nth: usize) {
        loop {
            let effects = self.links[nth].session.take_effects();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.carry_out(nth, effect);
            }
        }
        let link = &mut self.links[nth];
        if link.deaf_since.is_none() {
            link.read(usize::MAX, self.monotonic, &mut self.books, &self.terms);
        }
        link.check_bounds();
    }

    fn carry_out(&mut self, nth: usize, effect: Effect) {
        let link = &mut self.links[nth];
        match effect {
            Effect::Authorise { ticket, name, password, again } => {
                assert!(name.len() <= 256 && password.len() <= 256);
                assert!(!again || link.closed.is_none(), "a look-up for a connection that is closed");
                assert!(!again || link.granted.contains_key(&name), "{name} was never granted");
                link.authorising.push((ticket, name, again));
                assert!(link.authorising.len() <= 64 + WORKERS_MAX);
            }
            Effect::Hash { ticket, header } => {
                assert_eq!(self.terms.algorithm.cost(), Cost::Offloaded);
                link.hashing.push((ticket, super::books::header_of(&header)));
            }
            Effect::Record { ticket, share } => self.record(nth, ticket, *share),
            Effect::Close(reason) => {
                assert!(link.closed.is_none(), "closed twice: {:?} and {reason:?}", link.closed);
                link.closed = Some(reason);
            }
        }
    }

    /// A share comes to the desk.
    fn record(&mut self, nth: usize, ticket: Option<Ticket>, share: JudgedShare) {
        let rules = &self.terms.port.rules;
        let link = &mut self.links[nth];
        let accepted = share.verdict.is_ok();
        assert_eq!(accepted, ticket.is_some(), "{share:?}");
        if accepted {
            let worker = share.worker.as_deref().expect("credited to nobody");
            assert!(link.granted.values().any(|granted| granted == worker), "{worker} is not authorised here");
            let job = format!("{:08x}{:02x}", share.job.0, share.job.1);
            let (assigned, race) = (share.assigned.get(), !rules.race_window.is_zero());
            let unread = link.session.out().front().to_vec();
            let told = link.was_told(&job, assigned, race, &unread) || super::books::is_worth_of_block(&share);
            assert!(told, "a difficulty not told: {share:?} {:?}", link.told);
            let waiting = |(_, on_desk): &(Ticket, super::books::OnDesk)| {
                on_desk.header == share.work.as_ref().map(|work| super::books::header_of(&work.header))
            };
            assert!(!link.recording.iter().any(waiting), "on the desk twice: {share:?}");
        }
        let on_desk = self.books.take(&share, rules.share_tolerance_ppm);
        drop(share);
        if let Some(ticket) = ticket {
            self.links[nth].recording.push_back((ticket, on_desk));
            if self.desk_is_prompt {
                self.write(nth);
            }
        }
    }

    /// The desk is done with the share that waits longest.
    pub fn write(&mut self, nth: usize) {
        let now = self.now();
        let link = &mut self.links[nth];
        let Some((ticket, on_desk)) = link.recording.pop_front() else { return };
        let seq = self.desk_works.then(|| self.books.write(&on_desk));
        link.session.on_recorded(now, ticket, seq);
    }

    /// A hasher is done.
    pub fn hash(&mut self, nth: usize, which: usize) {
        let now = self.now();
        let link = &mut self.links[nth];
        if which < link.hashing.len() {
            let (ticket, header) = link.hashing.remove(which);
            link.session.on_hash(now, ticket, hash::sha256d(&header));
            self.settle(nth);
        }
    }

    /// The directory answers: as many as `kind` are different.
    pub fn authorise(&mut self, nth: usize, which: usize, kind: usize) {
        let now = self.now();
        let link = &mut self.links[nth];
        if which >= link.authorising.len() {
            return;
        }
        let (ticket, name, again) = link.authorising.remove(which);
        let credited = name.to_lowercase();
        let answer = match kind {
            0 => Answer::Denied(Denial::WrongPassword),
            1 => Answer::Denied(Denial::UnknownWorker),
            2 => Answer::Denied(Denial::Locked),
            3 => Answer::Unavailable,
            _ => Answer::Granted(credited.as_str().into()),
        };
        let is_withdrawn = again && matches!(answer, Answer::Denied(_));
        if matches!(answer, Answer::Granted(_)) {
            link.granted.insert(name.clone(), credited);
        }
        link.session.on_authorised(now, ticket, answer, &self.board);
        self.settle(nth);
        if is_withdrawn {
            self.links[nth].granted.remove(&name);
        }
    }

    /// The session's alarm rings.
    pub fn tick(&mut self, nth: usize) {
        let (now, board) = (self.now(), self.board.clone());
        let link = &mut self.links[nth];
        let had_unread = !link.session.out().is_empty();
        link.session.on_tick(now, &board);
        // A subscription that has waited too long is refused, and may then be late itself.
        if link.session.deadline() <= self.monotonic {
            link.session.on_tick(now, &board);
        }
        let deadline = link.session.deadline();
        assert!(deadline > self.monotonic, "the alarm would ring without end: {deadline:?} {:?}", link.session);
        self.settle(nth);
        let link = &self.links[nth];
        let is_listening = link.deaf_since.is_none() && !had_unread && link.subscribed && link.closed.is_none();
        if is_listening && !link.mute && !link.waits_for(&super::link::Asked::Subscription) {
            let silence = self.monotonic.saturating_sub(link.heard_at);
            assert!(silence <= self.terms.port.keepalive, "{silence:?} of silence");
        }
    }

    /// A connection ends, once everything that was read is judged, or abruptly.
    pub fn end(&mut self, nth: usize, abruptly: bool) {
        for _ in 0..200 {
            if abruptly || !self.links[nth].session.has_unjudged() {
                break;
            }
            self.hash(nth, 0);
            self.authorise(nth, 0, 3);
        }
        let now = self.now();
        let mut link = self.links.remove(nth);
        link.session.on_end(now);
        assert!(link.session.take_effects().is_empty(), "an effect after the end");
        self.ended += 1;
        if let Some(id) = link.session_id {
            link.inherited.extend(link.told);
            self.parted.insert(id, link.inherited);
        }
    }

    /// How much of the coin's work is held in memory.
    pub fn check_jobs(&self) {
        // This list and the board hold some themselves.
        let held: usize = self.jobs.iter().map(|job| Arc::strong_count(job) - 1).sum();
        let bound = self.links.len() * JOBS_PER_LINK_MAX + self.ended * JOBS_PARKED_MAX + 1;
        assert!(held <= bound, "{held} jobs are held");
        let addresses: Vec<&[u8]> =
            self.links.iter().map(|link| &*link.in_force.extranonce1).filter(|bytes| !bytes.is_empty()).collect();
        assert!((1..addresses.len()).all(|nth| !addresses[..nth].contains(&addresses[nth])), "an extranonce of two");
    }

    /// Everything works and answers again; then every request has its answer.
    pub fn finish(mut self) {
        (self.desk_is_prompt, self.desk_works) = (true, true);
        if self.board.job.is_none() {
            self.new_work(false);
        }
        for nth in 0..self.links.len() {
            self.links[nth].deaf_since = None;
            let (now, board) = (self.now(), self.board.clone());
            self.links[nth].session.on_board(now, &board);
            self.settle(nth);
            for _ in 0..500 {
                self.write(nth);
                self.hash(nth, 0);
                self.authorise(nth, 0, 4);
                self.settle(nth);
                let link = &self.links[nth];
                if link.recording.is_empty() && link.hashing.is_empty() && link.authorising.is_empty() {
                    break;
                }
            }
            self.books.synced = self.books.seq;
            self.links[nth].session.on_synced(self.books.synced, self.monotonic);
            self.tick(nth);
            assert!(self.links[nth].is_settled(), "a request without answer");
        }
        self.check_jobs();
        while !self.links.is_empty() {
            self.end(0, false);
        }
    }
}
