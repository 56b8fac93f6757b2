//! The port and its difficulties, and what the versions of stratum-mining meant by one unit.

use super::super::database::port_number;
use super::super::difficulty::{OldBits, Scale};
use super::super::draft::{CoinDraft, Table};
use super::super::history::{Context, Old};
use super::super::port::{self, OldPort, OldVardiff};

/// Values that `ALGO_NAME` and `COINDAEMON_ALGO` take where nothing is set.
const DEFAULT_ALGORITHM: &str = "scrypt";

/// The old spelling of the algorithm, and the option it stands in.
pub(super) fn algorithm<'a>(old: &Old<'a>) -> (Option<&'a str>, &'static str) {
    // One that is set, but cannot be read, is not what the older option says.
    if old.has("ALGO_NAME") {
        return (old.text("ALGO_NAME"), "ALGO_NAME");
    }
    let Some(algorithm) = old.text("COINDAEMON_ALGO") else {
        // The oldest version knew scrypt only; the next took it where nothing was said.
        let litecoin = old.has("LITECOIN_TRUSTED_HOST");
        return (litecoin.then_some(DEFAULT_ALGORITHM), if litecoin { "COINDAEMON_ALGO" } else { "ALGO_NAME" });
    };
    match (algorithm, old.text("SCRYPTJANE_NAME")) {
        ("scrypt-jane", Some(module)) => (Some(module), "COINDAEMON_ALGO"),
        _ => (Some(algorithm), "COINDAEMON_ALGO"),
    }
}

/// What one unit of difficulty stood for. `ours` is what miners take for granted.
pub(super) fn old_bits(old: &Old<'_>, ours: u8) -> OldBits {
    let one_of = |bits: &[u8], why: &str| {
        let mut bits = bits.to_vec();
        bits.dedup();
        OldBits::OneOf(bits, why.to_owned())
    };
    if let Some(diff1) = old.number("CUSTOM_DIFF1") {
        old.adapted("CUSTOM_DIFF1", "difficulty", "the target of difficulty 1, by which old difficulties are read");
        let bits = (256.0 - diff1.log2()).round();
        return match (0..=64u8).find(|known| (f64::from(*known) - bits).abs() < 0.5) {
            Some(bits) if bits == ours => OldBits::Known(bits),
            Some(bits) => one_of(&[bits, ours], "CUSTOM_DIFF1 says otherwise than miners of this algorithm do."),
            None => one_of(&[ours, 32], "CUSTOM_DIFF1 is not a target that a pool can have."),
        };
    }
    old.dropped("CUSTOM_DIFF1", "the usual one");
    if old.has("LITECOIN_TRUSTED_HOST") {
        return if ours == 16 { OldBits::Known(16) } else { one_of(&[16, ours], "This version knew scrypt only.") };
    }
    let older = old.text("COINDAEMON_ALGO").filter(|_| !old.has("ALGO_NAME"));
    let Some(algorithm) = older else {
        let why = match old.has("ALGO_NAME") {
            true => "Without CUSTOM_DIFF1 this version demanded 2^32 hashes, whatever the algorithm.",
            false => {
                "The version is not known; without CUSTOM_DIFF1 the later one demanded 2^32, whatever the algorithm."
            }
        };
        return if ours == 32 { OldBits::Known(32) } else { one_of(&[ours, 32], why) };
    };
    match (algorithm, ours) {
        ("scrypt" | "scrypt-jane", 16) => OldBits::Known(16),
        ("quark", _) => {
            one_of(&[16, 24, 32], "Versions of 2014 and 2015 differ, and one counted every coin as scrypt.")
        }
        (_, 16) => one_of(&[16, 32], "The versions differ."),
        _ => one_of(&[16, ours], "One version counted every coin as scrypt."),
    }
}

/// Writes the port. Returns its number.
pub(super) fn port(cx: &Context, old: &Old<'_>, coin: &mut CoinDraft, scale: &Scale) -> Vec<u16> {
    let number = old.number("LISTEN_SOCKET_TRANSPORT").and_then(port_number);
    match number {
        Some(_) => old.taken("LISTEN_SOCKET_TRANSPORT", "port.listen"),
        None => old.asked("LISTEN_SOCKET_TRANSPORT", "listen"),
    }
    let proxied = old.flag("TCP_PROXY_PROTOCOL") == Some(true);
    match proxied {
        true => old.asked("TCP_PROXY_PROTOCOL", "trusted_proxies"),
        false => old.dropped("TCP_PROXY_PROTOCOL", "off here too unless a port says otherwise"),
    }
    let difficulty = port::difficulty(old, "POOL_TARGET");
    let vardiff = vardiff(old, scale);
    tell(old, "POOL_TARGET", "port.difficulty", scale, difficulty.is_some());
    let mut extra = Table::default();
    banning(old, &mut extra);
    let from = "LISTEN_SOCKET_TRANSPORT".to_owned();
    let old_port = OldPort { number, from, difficulty, vardiff, proxied };
    port::add(cx, coin, scale, &old_port, &super::extra(extra));
    number.into_iter().collect()
}

/// Tells what became of a difficulty.
fn tell(old: &Old<'_>, name: &str, key: &str, scale: &Scale, is_difficulty: bool) {
    match scale {
        _ if !is_difficulty => old.asked(name, key),
        Scale::Settled { factor, .. } if (factor - 1.0).abs() < 1e-12 => old.taken(name, key),
        Scale::Settled { factor, .. } => old.adapted(name, key, format!("times {factor}, since its unit was another")),
        Scale::Open { .. } => old.asked(name, scale.question()),
    }
}

fn vardiff(old: &Old<'_>, scale: &Scale) -> Option<OldVardiff> {
    const OPTIONS: [&str; 9] = [
        "VDIFF_MIN_TARGET",
        "VDIFF_MAX_TARGET",
        "VDIFF_TARGET_TIME",
        "VDIFF_RETARGET_TIME",
        "VDIFF_VARIANCE_PERCENT",
        "VDIFF_X2_TYPE",
        "VDIFF_FLOAT",
        "VDIFF_MIN_CHANGE",
        "USE_COINDAEMON_DIFF",
    ];
    if old.flag("VARIABLE_DIFF") != Some(true) {
        let key = "a port without [coin.port.vardiff]";
        match old.has("VARIABLE_DIFF") {
            true => old.taken("VARIABLE_DIFF", key),
            false => old.adapted("VARIABLE_DIFF", key, "False, the old server's default"),
        }
        for option in OPTIONS {
            old.dropped(option, "VARIABLE_DIFF is off");
        }
        return None;
    }
    old.taken("VARIABLE_DIFF", "port.vardiff");
    let bound = |name: &str, key: &str, default: f64| {
        let own = port::difficulty(old, name);
        match own {
            Some(_) => tell(old, name, key, scale, true),
            None => old.adapted(name, key, format!("{default}, the old server's default")),
        }
        own.unwrap_or(default)
    };
    let min = bound("VDIFF_MIN_TARGET", "vardiff.min", 15.0);
    let max = bound("VDIFF_MAX_TARGET", "vardiff.max", 1000.0);
    let names = ["VDIFF_TARGET_TIME", "VDIFF_RETARGET_TIME", "VDIFF_VARIANCE_PERCENT"];
    let mut times = port::times(old, names, Some([30, 120, 20]));
    // The oldest version had neither: it knew no steps, and always fractions.
    let (steps, fractions) = if is_oldest(old) { (None, None) } else { (Some(true), Some(false)) };
    let doubles = switch(old, "VDIFF_X2_TYPE", "vardiff.double_steps", steps).unwrap_or(false);
    times.push(("double_steps", doubles.to_string()));
    let unscaled = matches!(scale, Scale::Settled { factor, .. } if (factor - 1.0).abs() < 1e-12);
    if old.flag("VDIFF_FLOAT").or(fractions) == Some(false) && unscaled && min >= 1.0 {
        switch(old, "VDIFF_FLOAT", "vardiff.grid = \"integer\"", fractions);
        times.push(("grid", "\"integer\"".to_owned()));
    } else {
        old.dropped("VDIFF_FLOAT", "any difficulty is assigned; `grid` can round them");
    }
    old.dropped("VDIFF_MIN_CHANGE", "small changes are held back by variance_percent");
    old.dropped("USE_COINDAEMON_DIFF", "no share is ever harder than a block");
    Some(OldVardiff { min, max, times })
}

/// Whether it is the version that knew Litecoin only, and many options not yet.
fn is_oldest(old: &Old<'_>) -> bool {
    old.has("LITECOIN_TRUSTED_HOST")
}

/// A switch of the old file, or the old server's default, which is told where it counts. `default` is missing where the
/// version had no such switch.
fn switch(old: &Old<'_>, name: &str, key: &str, default: Option<bool>) -> Option<bool> {
    let python = |flag: bool| if flag { "True" } else { "False" };
    match (old.flag(name), default) {
        (Some(flag), _) => {
            old.taken(name, key);
            return Some(flag);
        }
        (None, Some(default)) if old.has(name) => {
            old.attention(name, format!("is neither yes nor no; {}, the default, counts", python(default)));
        }
        (None, Some(default)) => old.adapted(name, key, format!("{}, the old server's default", python(default))),
        (None, None) => old.dropped(name, "this version had no such switch"),
    }
    default
}

/// Bans for bad shares.
fn banning(old: &Old<'_>, port: &mut Table) {
    let options = ["INVALID_SHARES_PERCENT", "WORKER_BAN_TIME", "WORKER_CACHE_TIME"];
    let default = (!is_oldest(old)).then_some(true);
    match switch(old, "ENABLE_WORKER_BANNING", "port.ban_closes", default) {
        // There the first window over the limit banned.
        Some(true) => port.set("ban_closes", "1"),
        Some(false) => {
            old.taken("ENABLE_WORKER_BANNING", "port.invalid_percent_max = 100");
            port.set("invalid_percent_max", "100");
            for option in options {
                old.dropped(option, "ENABLE_WORKER_BANNING is off");
            }
            return;
        }
        None => return,
    }
    let percent = old.number("INVALID_SHARES_PERCENT").or((!old.has("INVALID_SHARES_PERCENT")).then_some(50.0));
    if let Some(percent) = percent.filter(|percent| *percent > 0.0) {
        // Bad shares were compared with good ones; here they are compared with all.
        let of_all = (100.0 * percent / (100.0 + percent)).round().clamp(1.0, 99.0);
        port.set("invalid_percent_max", of_all.to_string());
        let why = format!("{of_all} of all shares: {percent} was the old server's, of good shares only");
        old.adapted("INVALID_SHARES_PERCENT", "port.invalid_percent_max", why);
    } else {
        old.dropped("INVALID_SHARES_PERCENT", "no percentage; the default of invalid_percent_max counts");
    }
    for (name, key, bounds, default) in [
        ("WORKER_BAN_TIME", "ban_secs", 1.0..=604_800.0, 300),
        ("WORKER_CACHE_TIME", "invalid_window_secs", 10.0..=86_400.0, 600),
    ] {
        if old.has(name) {
            old.whole(name, port, key, bounds, 1.0);
        } else {
            port.set(key, default.to_string());
            old.adapted(name, &format!("port.{key}"), format!("{default}, the old server's default"));
        }
    }
}
