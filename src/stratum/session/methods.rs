//! The methods of Stratum v1 but `mining.submit`.

use std::borrow::Cow;

use serde_json::Value;

use super::Session;
use super::answers::Waiting;
use super::effects::{Effect, Moment};
use super::start::Source;
use crate::bytes::hex;
use crate::config::secret::Secret;
use crate::difficulty::{Difficulty, Target};
use crate::stratum::password::{self, Wishes};
use crate::stratum::reply;
use crate::stratum::request::{Id, Request};
use crate::work::board::JobBoard;
use crate::work::reject::Reject;
use crate::worker::directory::Denial;

/// Longest worker name or password that is looked at, bytes; longer ones are refused unseen.
pub(super) const NAME_BYTES_MAX: usize = 256;

impl Session {
    /// Answers a request, or starts what finds its answer.
    pub(super) fn on_request(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) -> bool {
        match &*request.method {
            "mining.submit" => self.submit(now, request, board),
            "mining.subscribe" => self.subscribe(now, request, board),
            "mining.authorize" => self.authorize(now, request),
            "mining.configure" => self.configure(now, request, board),
            "mining.suggest_difficulty" => {
                self.answer(request, reply::yes);
                self.suggest(now, request.param(0).number(), board);
            }
            "mining.suggest_target" => {
                self.answer(request, reply::yes);
                let wish = request.param(0).text().and_then(|text| self.difficulty_of_target(text));
                self.suggest(now, wish, board);
            }
            "mining.capabilities" => self.answer(request, reply::yes),
            "mining.extranonce.subscribe" => {
                self.follows_extranonce = true;
                self.answer(request, reply::yes);
            }
            "mining.get_transactions" | "mining.get_txnhashes" | "mining.get_txnlist" => {
                self.answer(request, |id| reply::result(id, "[]"))
            }
            "mining.multi_version" => self.answer(request, |id| reply::result(id, "false")),
            "mining.update_block" if self.terms.memory.update_block.is_open() => self.update_block(now, request),
            "mining.ping" => self.answer(request, |id| reply::result(id, "\"pong\"")),
            "" => self.take_answer(request),
            // As an early ckpool had it: the number is part of the method.
            method if method.starts_with("mining.suggest_difficulty(") => {
                self.answer(request, reply::yes);
                let number = method.split(['(', ')']).nth(1).and_then(|number| number.trim().parse().ok());
                self.suggest(now, number, board);
            }
            _ => {
                self.answer(request, |id| reply::error(id, reply::METHOD_NOT_FOUND, "Method not found"));
                return !self.conduct.asked_strange_things(now.monotonic);
            }
        }
        true
    }

    /// Queues an answer, in order; a notification gets none.
    fn answer(&mut self, request: &Request<'_>, write: impl FnOnce(&Id) -> Vec<u8>) {
        if let Some(id) = &request.id {
            self.answers.push(Waiting::Nothing(write(id)));
        }
    }

    /// `mining.authorize`: the directory decides; work goes on meanwhile.
    fn authorize(&mut self, now: Moment, request: &Request<'_>) {
        let (name, password) = (request.param(0).text(), request.param(1).text().unwrap_or_default());
        let fits = |text: &str| text.len() <= NAME_BYTES_MAX;
        match name {
            Some(_) if !self.conduct.may_log_in(now.monotonic) => {
                self.answer(request, |id| reply::unauthorized(id, "Too many failed logins: try again in a minute"));
            }
            Some(name) if fits(name) && fits(password) => {
                let name = &*worker_name(name);
                let (proper, wishes) = password::split(password);
                let whole = (wishes != Wishes::default()).then(|| password.to_owned());
                let (id, password) = (request.id.clone(), proper.into_owned());
                let used = Secret::new(password.clone());
                let waiting = Waiting::Authorisation { id, name: name.into(), password: used, wishes, whole };
                let ticket = self.answers.push(waiting);
                let name = name.to_owned();
                self.effects.push(Effect::Authorise { ticket, name, password, again: false });
            }
            Some(_) => self.answer(request, |id| reply::unauthorized(id, "Worker name or password is too long")),
            None => self.answer(request, |id| {
                reply::error(id, reply::OTHER, "Invalid parameters: expected worker name and password")
            }),
        }
    }

    /// `mining.update_block`: a node's script, not a miner. Guesses are slowed like those of logins.
    fn update_block(&mut self, now: Moment, request: &Request<'_>) {
        let password = request.param(0).text().filter(|text| text.len() <= NAME_BYTES_MAX);
        let may = self.conduct.may_log_in(now.monotonic);
        let door = &self.terms.memory.update_block;
        if may && password.is_some_and(|password| door.tell(self.peer.address, password)) {
            return self.answer(request, reply::yes);
        }
        self.conduct.login_failed(&self.terms.port.rules, now.monotonic, 0);
        self.answer(request, |id| reply::unauthorized(id, "Not allowed from here, or with this password"));
    }

    /// `mining.configure` (BIP310): every extension asked about is answered.
    fn configure(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        let params: Value = request.raw_params.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let asked = params.get(0).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut result = serde_json::Map::new();
        let mut difficulty = self.difficulty;
        for extension in asked.iter().filter_map(Value::as_str) {
            let option = |name: &str| params.get(1).and_then(|options| options.get(format!("{extension}.{name}")));
            let answer = match extension {
                "version-rolling" => {
                    let wanted = option("mask").and_then(Value::as_str).unwrap_or("ffffffff");
                    // A mask may come with fewer digits than eight.
                    let wanted = u32::from_str_radix(wanted.trim_start_matches("0x"), 16).unwrap_or(0);
                    self.version_mask = self.terms.version_mask & wanted;
                    let mask = hex::encode(&self.version_mask.to_be_bytes());
                    result.insert("version-rolling.mask".to_owned(), Value::from(mask));
                    self.version_mask != 0
                }
                "minimum-difficulty" => match self.accept_floor(option("value").and_then(number), board) {
                    Some(floor) => {
                        difficulty = difficulty.max(floor);
                        true
                    }
                    None => false,
                },
                "subscribe-extranonce" => {
                    self.follows_extranonce = true;
                    true
                }
                "info" => true,
                _ => false,
            };
            result.insert(extension.to_owned(), Value::from(answer));
        }
        let result = Value::Object(result).to_string();
        self.answer(request, |id| reply::result(id, &result));
        // Whoever asks for something else keeps the evidence about its rate.
        if difficulty != self.difficulty {
            self.change_difficulty(now, difficulty, board);
        }
    }

    /// A miner's least difficulty: kept where difficulty is adjusted, as far as port and network go, else possible only
    /// if the port's own is enough. `None`: refused.
    fn accept_floor(&mut self, value: Option<f64>, board: &JobBoard) -> Option<Difficulty> {
        let wanted = value.and_then(Difficulty::new).filter(|_| self.terms.port.rules.start_from.suggested)?;
        if self.terms.port.vardiff.is_none() {
            return (self.difficulty >= wanted).then_some(wanted);
        }
        let floor = self.within_port(wanted, false, board);
        self.raise_floor(floor);
        Some(floor)
    }

    /// Sets a difficulty that was asked for or decided. A miner that has work gets new work, since a
    /// difficulty is in force from the next job on.
    pub(super) fn change_difficulty(&mut self, now: Moment, wanted: Difficulty, board: &JobBoard) {
        if wanted != self.difficulty {
            // Simple miners take the next line for the answer to what they asked.
            self.flush_ready(now.monotonic);
            self.apply_difficulty(now, wanted, board);
        }
        // The evidence about its rate begins anew, if the miner's rate is to count at all.
        self.estimator = None;
        self.start_estimator(now);
    }

    /// A wish for a start difficulty.
    fn suggest(&mut self, now: Moment, wish: Option<f64>, board: &JobBoard) {
        self.propose(now, (Source::Suggested, false), wish.and_then(Difficulty::new), board);
    }

    fn difficulty_of_target(&self, text: &str) -> Option<f64> {
        let mut bytes = hex::decode_array::<32>(text.as_bytes())?;
        bytes.reverse();
        let target = Target(crate::bytes::u256::U256::from_le_bytes(&bytes));
        Some(target.difficulty(self.terms.stratum_bits))
    }

    /// Answers a submit that is refused.
    pub(super) fn refuse(&mut self, now: Moment, request: &Request<'_>, reject: Reject) {
        self.note_submit(now, Err(reject));
        self.terms.memory.counters.refused(reject);
        self.answer(request, |id| reply::reject(id, reject));
    }
}

/// A number, also where it was sent as a string.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A worker's name as it is meant: some firmware writes it as in a URL, some adds blanks.
pub(super) fn worker_name(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(' ');
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = if *first == b'%' { behind.get(..2).and_then(hex::decode_array::<1>) } else { None };
        match escaped {
            Some([byte]) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), |name| Cow::Owned(name.trim_matches(' ').to_owned()))
}

/// What a miner is told about a refused authorisation.
pub(super) fn denial_text(denial: &Denial) -> &'static str {
    match denial {
        Denial::BadName(_) => "Worker name must be account.worker",
        Denial::UnknownWorker => "Unknown worker: add it to your account on the pool's web site",
        Denial::UnknownAccount => "Unknown account",
        Denial::WrongPassword => "Wrong worker password",
        Denial::Locked => "Account is locked",
    }
}
