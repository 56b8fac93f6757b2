//! The traps between old difficulties and ours. One unit of difficulty stood for different amounts of work
//! in different servers and versions, so a number is carried over only where both sides are known to mean
//! the same; else it is asked, or measured by a miner whose hash rate is known.

use super::draft::{Asked, Kind, Table, number};
use super::history::Context;
use super::identity::ALGORITHM;

/// Name of the question what one unit of the old difficulty cost.
pub(super) const OLD_BITS: &str = "old_difficulty_bits";

/// What one unit of the old difficulty may have stood for, as log2 of hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OldBits {
    Known(u8),
    /// One of these; the reason why it is not known.
    OneOf(Vec<u8>, String),
}

/// What old difficulties are multiplied with.
pub(super) enum Scale {
    /// Known: the factor, log2 of the hashes behind the old unit, and how that is known.
    Settled { factor: f64, old_bits: u8, how: String },
    /// Open: candidates with their factors, and the reason.
    Open { factors: Vec<(u8, f64)>, why: String },
}

impl Scale {
    /// For coins whose algorithm is asked for: before that is answered, a difficulty means nothing.
    pub(super) fn unknown() -> Self {
        Scale::Open { factors: Vec::new(), why: String::new() }
    }

    /// The question that an open scale waits for.
    pub(super) fn question(&self) -> &'static str {
        match self {
            Scale::Open { factors, .. } if factors.is_empty() => ALGORITHM,
            _ => OLD_BITS,
        }
    }

    /// Decides by what is known, by a known miner, or by the answer.
    pub(super) fn settle(cx: &Context, coin: &str, old: OldBits, our_bits: u8) -> Self {
        let factor = |old_bits: u8| 2f64.powi(i32::from(old_bits) - i32::from(our_bits));
        let settled = |old_bits: u8, how: String| Scale::Settled { factor: factor(old_bits), old_bits, how };
        let answered = cx.answers.find(coin, OLD_BITS);
        if let Some(miner) = cx.answers.miner(coin) {
            let measured = miner.bits();
            let candidates = match &old {
                OldBits::Known(bits) => vec![*bits],
                OldBits::OneOf(bits, _) => bits.clone(),
            };
            let near = candidates.iter().copied().find(|bits| (f64::from(*bits) - measured).abs() < 0.5);
            match near {
                Some(bits) => return settled(bits, format!("the known miner measured 2^{measured:.2}")),
                None => cx.answers.refuse(format!(
                    "--known-miner: at {coin} a unit of difficulty cost 2^{measured:.2} hashes by it, which is none of \
                     2^{candidates:?}: check its hash rate, difficulty and seconds per share"
                )),
            }
        }
        if let Some(bits) = answered {
            match bits.parse::<u8>() {
                Ok(bits) if bits <= 64 => return settled(bits, "as answered".to_owned()),
                _ => cx.answers.refuse(format!("the answer to {coin}.{OLD_BITS} is not a number from 0 to 64")),
            }
        }
        match old {
            OldBits::Known(bits) => settled(bits, "by the old server's algorithm".to_owned()),
            OldBits::OneOf(bits, why) => {
                Scale::Open { factors: bits.into_iter().map(|bits| (bits, factor(bits))).collect(), why }
            }
        }
    }

    /// log2 of the hashes behind the old unit, if that is known.
    pub(super) fn old_bits(&self) -> Option<u8> {
        match self {
            Scale::Settled { old_bits, .. } => Some(*old_bits),
            Scale::Open { .. } => None,
        }
    }

    /// Writes a difficulty under its key, or leaves the key open.
    pub(super) fn put(&self, into: &mut Table, key: &'static str, old: f64) {
        match self {
            Scale::Settled { factor, .. } => into.set(key, number(old * factor)),
            Scale::Open { factors, .. } => {
                let factor = factors.first().map_or(1.0, |(_, factor)| *factor);
                into.open(key, number(old * factor));
            }
        }
    }

    /// Says above the difficulties of a port where they come from, or asks.
    pub(super) fn explain(&self, cx: &Context, coin: &str, into: &mut Table, old: f64) {
        match self {
            Scale::Settled { factor, old_bits, how } if (factor - 1.0).abs() > 1e-12 => into.note(format!(
                "Old difficulties are multiplied with {}: one unit of them stood for 2^{old_bits} hashes, {how}.",
                number(*factor)
            )),
            Scale::Settled { .. } => {}
            Scale::Open { factors, .. } if factors.is_empty() => {
                into.note(format!("It was {}; what that means depends on the algorithm.", number(old)));
                into.text("difficulty", "?");
            }
            Scale::Open { factors, why } => {
                let meaning: Vec<String> = factors
                    .iter()
                    .map(|(bits, factor)| format!("{bits} makes {} of the old {}", number(old * factor), number(old)))
                    .collect();
                let asks = format!(
                    "how many hashes, as a power of two, did one unit of the old difficulty cost your miners? {why} {}. \
                     Or measure it by a miner whose hash rate you know: --known-miner \
                     {coin}=HASHRATE,DIFFICULTY,SECONDS, its rate as 1.2M, the difficulty it had, and its seconds \
                     between two accepted shares.",
                    meaning.join(", ")
                );
                let example = factors.first().map_or(String::new(), |(bits, _)| bits.to_string());
                into.ask(
                    cx,
                    coin,
                    Asked {
                        id: OLD_BITS,
                        key: "difficulty",
                        kind: Kind::Number,
                        asks,
                        example: &example,
                        forced: true,
                    },
                );
            }
        }
    }
}

/// The class by which MPOS's own configuration counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    /// One that MPOS ships: its `target_bits`.
    Shipped(u8),
    /// Its `target_bits` do not stand in the file; a sentence says why.
    Hidden(String),
}

/// What is known of the unit of `shares.difficulty`, as log2 of hashes.
#[derive(Debug, Clone, Default)]
pub(super) struct RowUnits {
    /// `target_bits` of the class that MPOS ships for the algorithm.
    pub(super) usual: Option<u8>,
    /// The class that MPOS's own configuration names; `None`: that was not read.
    pub(super) class: Option<Class>,
    /// What the old server wrote.
    pub(super) old: Option<u8>,
}

/// Writes `mpos_bits` if everything that is known agrees, else asks.
pub(super) fn put_mpos_bits(cx: &Context, coin: &str, into: &mut Table, units: RowUnits) {
    let (class, hidden) = match units.class {
        Some(Class::Shipped(bits)) => (Some(bits), None),
        Some(Class::Hidden(why)) => (None, Some(why)),
        None => (None, None),
    };
    let known: Vec<u8> = [class, units.usual, units.old].into_iter().flatten().collect();
    let agreed = known.first().filter(|first| known.iter().all(|bits| bits == *first));
    // What others usually count by says nothing of a class that cannot be seen.
    if let Some(bits) = agreed.filter(|_| hidden.is_none() && (units.usual.is_some() || class.is_some())) {
        // An answer that was not needed is still the operator's word.
        let answered = cx.answers.find(coin, "mpos_bits").and_then(|answer| Kind::Number.toml(answer));
        return into.set("mpos_bits", answered.unwrap_or_else(|| bits.to_string()));
    }
    let say = |what: &str, bits: Option<u8>| bits.map(|bits| format!("{what} {bits}"));
    let sources: Vec<String> = [
        hidden,
        say("MPOS's configuration names a class with", class),
        say("MPOS's own class for this algorithm has", units.usual),
        say("the old server wrote rows by", units.old),
    ]
    .into_iter()
    .flatten()
    .collect();
    let told = if sources.is_empty() { "Nothing is known.".to_owned() } else { format!("{}.", sources.join("; ")) };
    let asks = format!(
        "what is `target_bits` in the coin class that MPOS runs with (include/classes/coins/)? {told} By it MPOS counts \
         shares: a wrong number makes hash rates and PPS payouts wrong by a power of two."
    );
    let example = known.first().map_or("24".to_owned(), u8::to_string);
    into.ask(
        cx,
        coin,
        Asked { id: "mpos_bits", key: "mpos_bits", kind: Kind::Number, asks, example: &example, forced: true },
    );
}

/// log2 of a factor that is a power of two.
pub(super) fn power_of_two(factor: f64) -> Option<u8> {
    let bits = factor.log2();
    let is_whole = (bits - bits.round()).abs() < 1e-9;
    (0..=64u8).find(|whole| is_whole && (f64::from(*whole) - bits).abs() < 0.5)
}
