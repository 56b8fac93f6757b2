//! What the operator says on the command line that no old file knows.

use std::cell::{Cell, RefCell};

use crate::config::secret::Secret;

/// Longest answer; nothing that is asked for is longer.
const ANSWER_BYTES_MAX: usize = 200;

/// What a coin is called before its name is known.
pub(super) const UNNAMED: &str = "coin";

/// An answer for one coin, or for every coin.
struct Answer {
    coin: Option<String>,
    id: String,
    value: Secret,
    used: Cell<bool>,
}

/// Every answer, and what was wrong with them.
#[derive(Default)]
pub(super) struct Answers {
    given: Vec<Answer>,
    miners: Vec<Miner>,
    bad: RefCell<Vec<String>>,
    /// More will be asked once a question is answered that others depend on.
    expects_more: Cell<bool>,
}

/// A miner whose hash rate is known, as the old pool saw it: it tells what one unit of the old difficulty cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KnownMiner {
    pub(super) hashes_per_sec: f64,
    pub(super) difficulty: f64,
    pub(super) secs_per_share: f64,
}

impl KnownMiner {
    /// log2 of the hashes behind one unit of difficulty.
    pub(super) fn bits(self) -> f64 {
        (self.hashes_per_sec * self.secs_per_share / self.difficulty).log2()
    }

    /// Reads `HASHRATE,DIFFICULTY,SECONDS`, the hash rate with k, M, G, T or P behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [rate, difficulty, secs] = parts.as_slice() else { return None };
        let units = [('k', 1e3), ('M', 1e6), ('G', 1e9), ('T', 1e12), ('P', 1e15)];
        let unit = units.iter().find_map(|(unit, factor)| Some((rate.strip_suffix(*unit)?, *factor)));
        let (digits, factor) = unit.unwrap_or((rate, 1.0));
        let positive = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
        Some(Self {
            hashes_per_sec: positive(digits)? * factor,
            difficulty: positive(difficulty)?,
            secs_per_share: positive(secs)?,
        })
    }
}

/// A `--known-miner`.
struct Miner {
    /// Of this coin only.
    coin: Option<String>,
    known: KnownMiner,
    used: Cell<bool>,
}

impl Answers {
    /// Reads `[COIN.]ID=VALUE` and `[COIN=]HASHRATE,DIFFICULTY,SECONDS`.
    pub(super) fn new(answers: &[String], miners: &[String]) -> Self {
        let mut read = Self::default();
        for answer in answers {
            read.add(answer);
        }
        for miner in miners {
            let (coin, text) = miner.split_once('=').map_or((None, miner.as_str()), |(coin, text)| (Some(coin), text));
            match KnownMiner::parse(text) {
                Some(known) => {
                    read.miners.push(Miner { coin: coin.map(str::to_owned), known, used: Cell::new(false) });
                }
                None => read.refuse(format!(
                    "--known-miner {text:?} is not of the form [COIN=]HASHRATE,DIFFICULTY,SECONDS, such as 1.2M,16,0.9"
                )),
            }
        }
        read
    }

    fn add(&mut self, answer: &str) {
        let Some((name, value)) = answer.split_once('=') else {
            return self.refuse("an --answer is not of the form [COIN.]QUESTION=VALUE");
        };
        if value.is_empty() || value.len() > ANSWER_BYTES_MAX || value.chars().any(char::is_control) {
            return self.refuse(format!("--answer {name:?} needs a value of up to {ANSWER_BYTES_MAX} characters"));
        }
        let (coin, id) = match name.split_once('.') {
            Some(("addresses", _)) | None => (None, name),
            Some((coin, id)) => (Some(coin.to_owned()), id),
        };
        self.given.push(Answer { coin, id: id.to_owned(), value: Secret::new(value), used: Cell::new(false) });
    }

    /// The answer to a question about a coin; one that names the coin goes first. `coin` names every coin: it
    /// is what a coin is called before its name is known.
    pub(super) fn find(&self, coin: &str, id: &str) -> Option<&str> {
        let named = |name: &str| name == coin || name == UNNAMED;
        let of = |answer: &&Answer| answer.id == id && answer.coin.as_deref().is_none_or(named);
        let exact = |answer: &&Answer| of(answer) && answer.coin.is_some();
        let found = self.given.iter().find(exact).or_else(|| self.given.iter().find(of))?;
        found.used.set(true);
        Some(found.value.reveal())
    }

    /// The miner that is known at a coin.
    pub(super) fn miner(&self, coin: &str) -> Option<KnownMiner> {
        let named = |name: &str| name == coin || name == UNNAMED;
        let found = self.miners.iter().find(|miner| miner.coin.as_deref().is_none_or(named))?;
        found.used.set(true);
        Some(found.known)
    }

    /// Notes a mistake of the command line.
    pub(super) fn refuse(&self, what: impl Into<String>) {
        let what = what.into();
        let mut bad = self.bad.borrow_mut();
        if !bad.contains(&what) {
            bad.push(what);
        }
    }

    /// Notes that a question is open without which others cannot be asked: their answers are no mistakes.
    pub(super) fn expect_more(&self) {
        self.expects_more.set(true);
    }

    /// Every mistake, answers that nothing asked for included.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = self.bad.borrow().clone();
        if self.expects_more.get() {
            return mistakes;
        }
        let unused = self.given.iter().filter(|answer| !answer.used.get());
        mistakes.extend(unused.map(|answer| {
            let coin = answer.coin.as_ref().map_or(String::new(), |coin| format!("{coin}."));
            format!("--answer {:?} answers nothing that is asked here", coin + &answer.id)
        }));
        let unused = self.miners.iter().filter(|miner| !miner.used.get()).filter_map(|miner| miner.coin.as_ref());
        mistakes.extend(
            unused.map(|coin| format!("--known-miner {coin:?}: no difficulty of such a coin is measured here")),
        );
        mistakes
    }
}
