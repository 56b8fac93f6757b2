//! What an old file says about the coin itself: algorithm, preset, address.

use super::draft::{Asked, CoinDraft, Kind, text};
use super::history::{Context, Old, short};
use crate::chain::destination::Destination;
use crate::chain::form::AddressForms;
use crate::coin::preset::{self, PRESETS, Preset};
use crate::config::preset_profile;
use crate::pow::Algorithm;
use crate::pow::names::{self, Named};

/// Name of the question by which algorithm the coin is mined.
pub(super) const ALGORITHM: &str = "algorithm";

/// What old servers computed that nothing here does: asking would be of no use.
const UNSERVED: [&str; 1] = ["riecoin"];

/// Settles the algorithm where the old file's spelling means none: by the answer, or by the preset that the operator
/// names where the file does not contradict it. Else writes the coin's name and the question, or why the coin cannot be
/// served; nothing that depends on the algorithm can be asked before.
pub(super) fn settle_algorithm(cx: &Context, coin: &mut CoinDraft, spelling: Option<&str>) -> Option<&'static Named> {
    let name = coin.name.clone();
    if let Some(known) = spelling.filter(|spelling| UNSERVED.iter().any(|known| known.eq_ignore_ascii_case(spelling))) {
        coin.own.text("name", &name);
        coin.blocked.push(format!("the algorithm {known:?} is not in this version"));
        return None;
    }
    if let Some(answer) = cx.answers.find(&name, ALGORITHM) {
        if let Some(named) = names::find(answer) {
            return Some(named);
        }
        cx.answers.refuse(format!(
            "the answer to {name}.{ALGORITHM} is not an algorithm of this version; `mpos-stratum algo list` shows them"
        ));
    }
    let of_preset = |answer: &str| of_preset(preset::find(answer)?, "algorithm")?.as_str().and_then(names::find);
    let problem = match spelling {
        Some(spelling) => format!("The old file calls it {:?}, which is not a known name.", short(spelling)),
        None => match cx.answers.find(&name, "preset").and_then(of_preset) {
            Some(named) => return Some(named),
            None => "The old file does not say it.".to_owned(),
        },
    };
    coin.own.text("name", &name);
    coin.own.ask(cx, &name, Asked {
        id: ALGORITHM,
        key: "algorithm",
        kind: Kind::Text,
        asks: format!(
            "by which algorithm is the coin mined? {problem} What its difficulties mean depends on it, so answer it first, \
             by importing again. `mpos-stratum algo list` shows every algorithm and its other spellings."
        ),
        example: "scrypt",
        forced: true,
    });
    cx.answers.expect_more();
    None
}

/// A value of a preset.
pub(super) fn of_preset(preset: &Preset, key: &str) -> Option<toml::Value> {
    toml::from_str::<toml::Table>(preset.toml).ok()?.get(key).cloned()
}

/// The presets of an algorithm.
pub(super) fn presets(named: &Named) -> impl Iterator<Item = &'static Preset> {
    let name = named.name;
    PRESETS.iter().filter(move |preset| {
        let algorithm = of_preset(preset, "algorithm");
        algorithm.as_ref().and_then(toml::Value::as_str).and_then(names::find).is_some_and(|found| found.name == name)
    })
}

/// The preset that a coin's name means, if it has this algorithm.
pub(super) fn preset_of(coin: &str, named: &Named) -> Option<&'static Preset> {
    let is = |preset: &&Preset| preset.is(coin) || preset.name == format!("{coin}-{}", named.name);
    presets(named).find(is)
}

/// The preset that the operator names, or else the one that the old files mean. One of another algorithm is refused:
/// it would bring that algorithm's units of difficulty, and so wrong payouts.
pub(super) fn chosen_preset(
    cx: &Context,
    coin: &str,
    named: &Named,
    meant: Option<&'static Preset>,
) -> Option<&'static Preset> {
    let answer = match cx.answers.find(coin, "preset") {
        None => return meant,
        Some("none") => return None,
        Some(answer) => answer,
    };
    let Some(found) = preset::find(answer) else {
        cx.answers.refuse(format!("the answer to {coin}.preset is not a preset of this version, and not `none`"));
        return None;
    };
    if presets(named).any(|preset| preset.name == found.name) {
        return Some(found);
    }
    let fitting: Vec<&str> = presets(named).map(|preset| preset.name).chain(["none"]).collect();
    cx.answers.refuse(format!(
        "the answer to {coin}.preset is {}, a coin of another algorithm than the old file's, {}: answer one of {}",
        found.name,
        named.name,
        fitting.join(", ")
    ));
    None
}

/// What a coin with staked blocks has of its own.
pub(super) const STAKED: [&str; 3] = ["transaction_time", "block_signature", "pays_public_key"];

/// Writes that blocks differ from Bitcoin's, or sees that the preset says so. The key of [`STAKED`] about the payout is no
/// matter of the chain alone: presets may lack it.
pub(super) fn put_form(
    old: &Old<'_>,
    coin: &mut CoinDraft,
    preset: Option<&Preset>,
    option: &str,
    keys: &[&'static str],
) {
    let Some(preset) = preset else {
        keys.iter().for_each(|key| coin.own.set(key, "true"));
        return old.adapted(option, &keys.join(", "), "what it meant for the coin's blocks");
    };
    match keys.iter().find(|key| **key != "pays_public_key" && of_preset(preset, key).is_none()) {
        None => old.taken(option, "preset"),
        Some(key) => {
            let why = format!("the preset {} has no {key}: find out which of the two is right", preset.name);
            old.attention(option, why);
        }
    }
}

/// A number of a coin's profile: the preset's, else the algorithm's.
pub(super) fn bits(preset: Option<&Preset>, key: &str, usual: Option<u8>) -> Option<u8> {
    let own = preset.and_then(|preset| of_preset(preset, key)).and_then(|value| value.as_integer());
    own.and_then(|own| u8::try_from(own).ok()).or(usual)
}

/// The four bytes that messages between nodes begin with, as our files take them.
pub(super) fn magic(old: &str) -> Option<String> {
    let is_magic = old.len() == 8 && old.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_magic.then(|| old.to_ascii_lowercase())
}

/// A coin's name as our files take it.
pub(super) fn name(old: &str) -> Option<String> {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() => letter,
        _ => '-',
    };
    let name: String = old.trim().chars().take(32).map(letter).collect();
    let name = name.trim_matches('-').to_owned();
    (!name.is_empty()).then_some(name)
}

/// Writes name and preset, or what must be told in a preset's stead. `true`: the coin is described by its keys
/// alone. `address` is one of the coin's, to suggest a preset by.
pub(super) fn put(
    cx: &Context,
    coin: &mut CoinDraft,
    named: &Named,
    preset: Option<&Preset>,
    suggested: Option<&str>,
    address: Option<&str>,
) -> bool {
    let name = coin.name.clone();
    coin.own.text("name", &name);
    if let Some(preset) = preset {
        coin.own.text("preset", preset.name);
        return false;
    }
    let names: Vec<&str> = presets(named).map(|preset| preset.name).collect();
    if cx.answers.find(&name, "preset").is_none() && !names.is_empty() {
        let asks = format!(
            "which coin is it? The old file does not say. There are presets for {}; `none` describes another coin of the \
             algorithm {} by the keys below.",
            names.join(", "),
            named.name
        );
        let fits = |preset: &&Preset| address.is_some_and(|address| is_payable(address, Some(preset)).is_ok());
        let by_address = || presets(named).find(fits).map(|preset| preset.name);
        let example = suggested.filter(|name| names.contains(name)).or_else(by_address).unwrap_or("none");
        coin.own.ask(cx, &name, Asked { id: "preset", key: "preset", kind: Kind::Text, asks, example, forced: false });
        return false;
    }
    describe(cx, coin, named);
    true
}

/// The keys that stand in a preset's stead.
fn describe(cx: &Context, coin: &mut CoinDraft, named: &Named) {
    let name = coin.name.clone();
    coin.own.text("algorithm", named.name);
    if named.algorithm != Algorithm::Sha256d {
        coin.own.ask(cx, &name, Asked {
            id: "block_hash",
            key: "block_hash",
            kind: Kind::Text,
            asks: "which hash of the header does the node's `getblock` report: \"sha256d\" of it, or \"pow\", the proof of \
                   work itself? MPOS finds the finder of a block by it; nearly all coins say sha256d."
                .to_owned(),
            example: "sha256d",
            forced: false,
        });
    }
    for (id, key, what, example, kind, forced) in [
        (
            "addresses.pubkey_hash",
            "pubkey_hash",
            "version bytes of addresses (PUBKEY_ADDRESS)",
            "48",
            Kind::Numbers,
            false,
        ),
        (
            "addresses.script_hash",
            "script_hash",
            "version bytes of script addresses (SCRIPT_ADDRESS)",
            "5",
            Kind::Numbers,
            false,
        ),
    ] {
        let asks = format!("{what} in the node's source, chainparams.cpp, main and test network together?");
        coin.addresses.ask(cx, &name, Asked { id, key, kind, asks, example, forced });
    }
}

/// Whether a text can be paid at all, and if the preset is known, on this coin.
pub(super) fn is_payable(text: &str, preset: Option<&Preset>) -> Result<(), String> {
    let to = Destination::parse(text).map_err(|error| error.to_string())?;
    if let Some(address) = to.address() {
        let plain = address.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':');
        if !plain || !(14..=90).contains(&address.len()) {
            return Err("it is not an address".to_owned());
        }
    }
    // One that leaves the forms to the operator says nothing about an address.
    let profile = preset.and_then(|preset| preset_profile(preset.name));
    let Some(profile) = profile.filter(|profile| profile.form.addresses != AddressForms::default()) else {
        return Ok(());
    };
    to.script(&profile.form.addresses).map(|_| ()).map_err(|error| error.to_string())
}

/// Writes the payout address, or asks for it. `true` if the old one was taken.
pub(super) fn put_payout(cx: &Context, coin: &mut CoinDraft, old: Option<&str>, preset: Option<&Preset>) -> bool {
    coin.own.note("It must be an address of the wallet that MPOS uses: else MPOS never sees the blocks.");
    let problem = match old.map(|address| (address, is_payable(address, preset))) {
        Some((address, Ok(()))) => {
            coin.own.set("payout_address", text(address));
            return true;
        }
        Some((_, Err(why))) => format!("The old one cannot be used: {why}."),
        None => "The old files name none.".to_owned(),
    };
    let asks = format!("which address of MPOS's wallet earns the blocks? {problem}");
    let (name, example) = (coin.name.clone(), "an-address-of-your-wallet");
    let about = Asked { id: "payout_address", key: "payout_address", kind: Kind::Text, asks, example, forced: false };
    coin.own.ask(cx, &name, about);
    false
}

/// Asks for the worker that earns blocks of nobody: no predecessor knew one.
pub(super) fn put_fallback_worker(cx: &Context, coin: &mut CoinDraft) {
    let name = coin.name.clone();
    coin.own.ask(cx, &name, Asked {
        id: "fallback_worker",
        key: "fallback_worker",
        kind: Kind::Text,
        asks: "which existing worker of MPOS, account.worker, is credited with a block that was found by nobody who is \
               authorised? The old server threw such blocks away."
            .to_owned(),
        example: "pool.fallback",
        forced: false,
    });
}
