//! NOMP's `coins/*.json`.

use super::super::difficulty::{self, OldBits, RowUnits, Scale};
use super::super::draft::CoinDraft;
use super::super::history::{Context, Old};
use super::super::identity;
use super::super::mpos::MposFacts;
use crate::coin::preset::Preset;
use crate::pow::names::{self, Named};
use crate::pow::{Algorithm, MemoryHard, scrypt as limits};

/// log2 of the hashes behind one unit of difficulty where it is not 32, by NOMP's names.
const BITS: [(&str, u8); 12] = [
    ("scrypt", 16),
    ("scrypt-og", 16),
    ("scrypt-jane", 16),
    ("scrypt-n", 16),
    ("keccak", 24),
    ("blake", 24),
    ("fugue", 24),
    ("groestl", 24),
    ("x16r", 24),
    ("x16rv2", 24),
    ("neoscrypt", 27),
    ("sha256", 32),
];

/// Options from which nothing follows.
const IDLE: &[(&str, &str)] = &[
    ("name", "the pool is called otherwise"),
    ("symbol", "a coin goes by its name and preset"),
    ("peerMagic", "is none: four bytes in hexadecimal"),
    ("peerMagicTestnet", "peerMagic is what is taken; a test network's goes into p2p_magic by hand"),
    ("peerMagicTestNet", "was misspelt and never read"),
    ("hasGetInfo", "the node is asked what it knows"),
    ("chainStartTime", "for algorithms whose cost grows with time"),
    ("nMin", "for algorithms whose cost grows with time"),
    ("nMax", "for algorithms whose cost grows with time"),
    ("timeTable", "for algorithms whose cost grows with time"),
    ("nValue", "for scrypt only"),
    ("rValue", "for scrypt only"),
];

/// What the rest of the pool needs to know of the coin.
pub(super) struct Identified {
    pub(super) preset: Option<&'static Preset>,
    pub(super) scale: Scale,
}

/// Writes what the coin is.
pub(super) fn import(
    cx: &Context,
    old: Old<'_>,
    coin: &mut CoinDraft,
    address: Option<&str>,
    mpos: Option<&MposFacts>,
) -> Identified {
    let written = old.text("algorithm").map(str::to_ascii_lowercase);
    let spelling = written.as_deref().unwrap_or_default();
    let known = algorithm(&old, spelling);
    let Some(named) = known.or_else(|| identity::settle_algorithm(cx, coin, written.as_deref())) else {
        for option in ["algorithm", "mposDiffMultiplier", "diffShift"] {
            match coin.blocked.is_empty() {
                true => old.asked(option, identity::ALGORITHM),
                false => old.attention(option, coin.blocked.join("; ")),
            }
        }
        old.taken("name", "name");
        old.finish(IDLE);
        return Identified { preset: None, scale: Scale::unknown() };
    };
    let meant = identity::preset_of(&coin.name, named);
    let preset = identity::chosen_preset(cx, &coin.name, named, meant);
    old.taken("name", "name");
    let key = if preset.is_some() { "preset" } else { "algorithm" };
    match known {
        Some(_) => old.taken("algorithm", key),
        None => old.adapted("algorithm", key, format!("{}, as answered", named.name)),
    }
    identity::put(cx, coin, named, preset, None, address);
    form(&old, coin, preset, spelling);
    scrypt(&old, coin, named);
    shift(&old, spelling);
    growth(&old, coin, named);
    if let Some(magic) = old.text("peerMagic").and_then(identity::magic) {
        coin.own.text("p2p_magic", &magic);
        old.taken("peerMagic", "p2p_magic");
    }
    let ours = identity::bits(preset, "stratum_bits", Some(named.stratum_bits)).unwrap_or(named.stratum_bits);
    let theirs = demanded_bits(spelling);
    let old_bits = if theirs == ours {
        OldBits::Known(ours)
    } else {
        let why = format!("NOMP demanded 2^{theirs} hashes for this algorithm, its miners count 2^{ours}.");
        OldBits::OneOf(vec![ours, theirs], why)
    };
    let scale = Scale::settle(cx, &coin.name, old_bits, ours);
    let multiplier = old.number("mposDiffMultiplier").filter(|multiplier| *multiplier > 0.0).unwrap_or(1.0);
    let by = difficulty::power_of_two(multiplier);
    let row = scale.old_bits().zip(by).and_then(|(bits, by)| bits.checked_sub(by));
    let usual = identity::bits(preset, "mpos_bits", named.mpos_bits);
    let name = coin.name.clone();
    let units = RowUnits { usual, class: mpos.map(|facts| facts.class.clone()), old: row };
    difficulty::put_mpos_bits(cx, &name, &mut coin.own, units);
    match by {
        Some(_) => old.adapted("mposDiffMultiplier", "mpos_bits", "log2 of it is stratum_bits less mpos_bits"),
        None => old.attention("mposDiffMultiplier", "is not a power of two, so it fits no class of MPOS"),
    }
    old.finish(IDLE);
    Identified { preset, scale }
}

/// log2 of the hashes that NOMP demanded for one unit of difficulty.
fn demanded_bits(spelling: &str) -> u8 {
    BITS.iter().find(|(name, _)| *name == spelling).map_or(32, |(_, bits)| *bits)
}

/// `diffShift`: what `stratum_bits` is, in coin files of NOMP's first months. The versions that pools run take the
/// algorithm's multiplier and do not read it, so the old difficulties do not follow it; but whoever wrote it may
/// have known how the coin's miners count.
fn shift(old: &Old<'_>, spelling: &str) {
    let theirs = demanded_bits(spelling);
    let whole = old.number("diffShift").filter(|bits| bits.fract() == 0.0 && (0.0..=64.0).contains(bits));
    match whole {
        None if !old.has("diffShift") => {}
        Some(bits) if bits.total_cmp(&f64::from(theirs)).is_eq() => {
            old.dropped("diffShift", "is what counted for the algorithm anyway");
        }
        Some(bits) => {
            let told = format!(
                "was not read any more: NOMP demanded 2^{theirs} hashes for difficulty 1, whatever stood here. If your \
                 miners count 2^{bits}, write stratum_bits = {bits} and look at the difficulties"
            );
            old.attention("diffShift", told);
        }
        None => old.attention("diffShift", "is not a number of bits, and was not read any more"),
    }
}

/// The algorithm, as NOMP computed it.
fn algorithm(old: &Old<'_>, spelling: &str) -> Option<&'static Named> {
    match (spelling, old.flag("normalHashing")) {
        ("keccak", Some(true)) => names::find("keccak-normal"),
        // What it called so is no chain's hash, but that of its own library.
        ("hefty1", _) => names::find("hefty1-nomp"),
        _ => names::find(spelling),
    }
}

/// Where the coin's blocks differ from Bitcoin's.
fn form(old: &Old<'_>, coin: &mut CoinDraft, preset: Option<&Preset>, spelling: &str) {
    if old.text("reward").is_some_and(|reward| reward.eq_ignore_ascii_case("POS")) {
        identity::put_form(old, coin, preset, "reward", &identity::STAKED);
    } else {
        old.dropped("reward", "proof of work");
    }
    match old.flag("txMessages") {
        Some(true) => identity::put_form(old, coin, preset, "txMessages", &["transaction_messages"]),
        _ => old.dropped("txMessages", "no transaction messages"),
    }
    match (old.flag("normalHashing"), spelling) {
        (Some(true), "keccak") => old.adapted("normalHashing", "algorithm", "keccak-normal"),
        // Elsewhere it only meant how transactions are named.
        (Some(true), "groestl" | "fugue") if preset.is_none() => {
            coin.own.text("transaction_hash", "sha256d");
            old.adapted("normalHashing", "transaction_hash", "transactions are named by double SHA-256");
        }
        (Some(true), _) => old.dropped("normalHashing", "had no effect on this algorithm"),
        _ => old.dropped("normalHashing", "not set"),
    }
}

/// The parameters of algorithms whose cost grows with time.
fn growth(old: &Old<'_>, coin: &mut CoinDraft, named: &Named) {
    let Algorithm::MemoryHard(memory_hard) = named.algorithm else { return };
    match memory_hard {
        MemoryHard::ScryptN(_) => steps(old, coin),
        MemoryHard::ScryptJane(_) => {
            old.whole("chainStartTime", &mut coin.own, "scrypt_jane_start", 0.0..=f64::from(u32::MAX), 1.0);
            if old.has("nMin") || old.has("nMax") {
                let factor = |option: &str, usual: f64| old.number(option).unwrap_or(usual).round().clamp(0.0, 30.0);
                let (min, max) = (factor("nMin", 4.0), factor("nMax", 30.0));
                coin.own.set("scrypt_jane_factors", format!("[{min}, {max}]"));
                old.taken("nMin", "scrypt_jane_factors");
                old.taken("nMax", "scrypt_jane_factors");
            }
        }
        _ => {}
    }
}

/// `timeTable`: from N to the second since which it holds.
fn steps(old: &Old<'_>, coin: &mut CoinDraft) {
    let Some(table) = old.within("timeTable") else { return };
    let mut steps = Vec::new();
    for name in table.names() {
        let n = name.trim().parse::<u32>().ok().filter(|n| n.is_power_of_two() && *n > 1);
        let from = table.number(name).filter(|from| (0.0..=f64::from(u32::MAX)).contains(from));
        match (n, from) {
            (Some(n), Some(from)) => {
                steps.push((n, from.round()));
                table.taken(name, "scrypt_n_steps");
            }
            _ => table.attention(name, "is not a cost of scrypt, a power of two, with the second since which it holds"),
        }
    }
    table.finish(&[]);
    steps.sort_by_key(|(n, _)| *n);
    let steps: Vec<String> = steps.iter().map(|(n, from)| format!("[{n}, {from}]")).collect();
    if !steps.is_empty() {
        coin.own.set("scrypt_n_steps", format!("[{}]", steps.join(", ")));
    }
}

/// The parameters of scrypt.
fn scrypt(old: &Old<'_>, coin: &mut CoinDraft, named: &Named) {
    if !matches!(named.algorithm, Algorithm::Scrypt { .. }) {
        return;
    }
    if let Some(cost) = old.number("nValue") {
        match difficulty::power_of_two(cost).filter(|log_n| (1..=limits::LOG_N_MAX).contains(&u32::from(*log_n))) {
            Some(log_n) => {
                coin.own.set("scrypt_log_n", log_n.to_string());
                old.adapted("nValue", "scrypt_log_n", "its log2");
            }
            None => {
                let most = 1u64 << limits::LOG_N_MAX;
                old.attention(
                    "nValue",
                    format!("is not a cost of scrypt that can be served: a power of two from 2 to {most}"),
                );
            }
        }
    }
    if old.has("rValue") {
        old.whole("rValue", &mut coin.own, "scrypt_r", 1.0..=f64::from(limits::R_MAX), 1.0);
    }
}
