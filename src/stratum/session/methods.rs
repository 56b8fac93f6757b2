//! The methods of Stratum v1 but `mining.submit`.

use serde_json::Value;

use super::answers::Waiting;
use super::effects::{Effect, Moment};
use super::{AGENT_BYTES_MAX, Session};
use crate::bytes::hex;
use crate::difficulty::{Difficulty, Target};
use crate::stratum::reply;
use crate::stratum::request::{Id, Request};
use crate::work::board::JobBoard;
use crate::work::reject::Reject;
use crate::worker::directory::Denial;

/// Longest worker name or password that is looked at, bytes; longer ones are refused unseen.
pub(super) const NAME_BYTES_MAX: usize = 256;

impl Session {
    /// Answers a request, or starts what finds its answer.
    pub(super) fn on_request(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        match &*request.method {
            "mining.submit" => self.submit(now, request, board),
            "mining.subscribe" => self.subscribe(now, request, board),
            "mining.authorize" => self.authorize(request),
            "mining.configure" => self.configure(request),
            "mining.suggest_difficulty" => {
                self.suggest(request.param(0).number());
                self.answer(request, reply::yes);
            }
            "mining.suggest_target" => {
                self.suggest(request.param(0).text().and_then(|text| self.difficulty_of_target(text)));
                self.answer(request, reply::yes);
            }
            "mining.extranonce.subscribe" => self.answer(request, reply::yes),
            "mining.get_transactions" | "mining.get_txnhashes" => self.answer(request, |id| reply::result(id, "[]")),
            "mining.multi_version" => self.answer(request, |id| reply::result(id, "false")),
            "mining.ping" => self.answer(request, |id| reply::result(id, "\"pong\"")),
            // An answer to something we might have asked; we ask nothing that needs one.
            "" => {}
            _ => self.answer(request, |id| reply::error(id, reply::METHOD_NOT_FOUND, "Method not found")),
        }
    }

    /// Queues an answer, in order; a notification gets none.
    fn answer(&mut self, request: &Request<'_>, write: impl FnOnce(&Id) -> Vec<u8>) {
        if let Some(id) = &request.id {
            self.answers.push(Waiting::Nothing(write(id)));
        }
    }

    /// `mining.subscribe`: the extranonce, then difficulty and work. A repeated one gets the same
    /// extranonce and everything once more: simple miners reset themselves.
    fn subscribe(&mut self, now: Moment, request: &Request<'_>, board: &JobBoard) {
        let agent = request.param(0).text().unwrap_or_default();
        self.agent = agent.chars().take(AGENT_BYTES_MAX).collect::<String>().into();
        self.subscribed = true;
        let extranonce1 = hex::encode(&self.extranonce1);
        let size = self.terms.port.extranonce2_bytes;
        self.answer(request, |id| {
            let pairs = format!(
                "[[[\"mining.set_difficulty\",\"{extranonce1}\"],[\"mining.notify\",\"{extranonce1}\"]],\"{extranonce1}\",{size}]"
            );
            reply::result(id, &pairs)
        });
        // The answer must be the first line a miner sees after its question.
        self.flush_ready(now.monotonic);
        self.told = None;
        self.tell_difficulty();
        if self.jobs.is_empty() {
            self.announce(now, board);
        } else {
            self.repeat_work(now, board, true);
        }
    }

    /// `mining.authorize`: the directory decides; work goes on meanwhile.
    fn authorize(&mut self, request: &Request<'_>) {
        let (name, password) = (request.param(0).text(), request.param(1).text().unwrap_or_default());
        let fits = |text: &str| text.len() <= NAME_BYTES_MAX;
        match name {
            Some(name) if fits(name) && fits(password) => {
                let name = name.trim_matches(' ');
                let waiting = Waiting::Authorisation { id: request.id.clone(), name: name.into() };
                let ticket = self.answers.push(waiting);
                let (name, password) = (name.to_owned(), password.to_owned());
                self.effects.push(Effect::Authorise { ticket, name, password });
            }
            Some(_) => self.answer(request, |id| reply::unauthorized(id, "Worker name or password is too long")),
            None => self.answer(request, |id| {
                reply::error(id, reply::OTHER, "Invalid parameters: expected worker name and password")
            }),
        }
    }

    /// `mining.configure` (BIP310): every extension asked about is answered.
    fn configure(&mut self, request: &Request<'_>) {
        let params: Value = request.raw_params.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let asked = params.get(0).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut result = serde_json::Map::new();
        for extension in asked.iter().filter_map(Value::as_str) {
            let option = |name: &str| params.get(1).and_then(|options| options.get(format!("{extension}.{name}")));
            let answer = match extension {
                "version-rolling" => {
                    let wanted = option("mask").and_then(Value::as_str).unwrap_or("ffffffff");
                    // A mask may come with fewer digits than eight.
                    let wanted = u32::from_str_radix(wanted, 16).unwrap_or(0);
                    self.version_mask = self.terms.version_mask & wanted;
                    let mask = hex::encode(&self.version_mask.to_be_bytes());
                    result.insert("version-rolling.mask".to_owned(), Value::from(mask));
                    self.version_mask != 0
                }
                "minimum-difficulty" => self.accept_floor(option("value").and_then(Value::as_f64)),
                "subscribe-extranonce" | "info" => true,
                _ => false,
            };
            result.insert(extension.to_owned(), Value::from(answer));
        }
        let result = Value::Object(result).to_string();
        self.answer(request, |id| reply::result(id, &result));
    }

    /// A miner's least difficulty: kept where difficulty is adjusted, else possible only if the
    /// port's own is enough.
    fn accept_floor(&mut self, value: Option<f64>) -> bool {
        let Some(wanted) = value.and_then(Difficulty::new) else { return false };
        let Some(vardiff) = &self.terms.port.vardiff else { return self.difficulty >= wanted };
        if wanted > vardiff.max {
            return false;
        }
        self.floor = Some(wanted);
        self.difficulty = self.difficulty.max(wanted);
        true
    }

    /// A wish for a start difficulty: granted within the port's bounds while there is no evidence of
    /// the miner's own rate yet. On a port of fixed difficulty it is heard and nothing more.
    fn suggest(&mut self, wish: Option<f64>) {
        let (Some(wish), Some(vardiff)) = (wish.and_then(Difficulty::new), &self.terms.port.vardiff) else { return };
        if self.estimator.as_ref().is_some_and(|estimator| estimator.has_evidence()) {
            return;
        }
        let floor = self.floor.unwrap_or(vardiff.min).max(vardiff.min);
        self.difficulty = wish.min(vardiff.max).max(floor);
        self.estimator = None;
    }

    fn difficulty_of_target(&self, text: &str) -> Option<f64> {
        let mut bytes = hex::decode_array::<32>(text.as_bytes())?;
        bytes.reverse();
        let target = Target(crate::bytes::u256::U256::from_le_bytes(&bytes));
        Some(target.difficulty(self.terms.stratum_bits))
    }

    /// Answers a submit that is refused.
    pub(super) fn refuse(&mut self, request: &Request<'_>, reject: Reject) {
        self.answer(request, |id| reply::reject(id, reject));
    }
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
