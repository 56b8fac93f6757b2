//! A port of an old server as a port of ours.

use super::difficulty::Scale;
use super::draft::{Asked, CoinDraft, Kind, Line, PortDraft, Table};
use super::history::{Context, Old, short};

/// Longest aim between two shares that our configuration takes without a word.
const TARGET_SECS_MAX: f64 = 60.0;

/// What an old port says, as numbers of the old server.
pub(super) struct OldPort {
    pub(super) number: Option<u16>,
    /// The option that has, or should have, the number.
    pub(super) from: String,
    /// `None`: the old file has none that is one.
    pub(super) difficulty: Option<f64>,
    pub(super) vardiff: Option<OldVardiff>,
    /// Behind a balancer that speaks the PROXY protocol.
    pub(super) proxied: bool,
}

/// The bounds and times of an old port.
#[derive(Clone)]
pub(super) struct OldVardiff {
    pub(super) min: f64,
    pub(super) max: f64,
    /// Everything else, already in our keys.
    pub(super) times: Vec<(&'static str, String)>,
}

/// Adds a port to a coin. `extra` are keys that all its ports get.
pub(super) fn add(cx: &Context, coin: &mut CoinDraft, scale: &Scale, old: &OldPort, extra: &[(&'static str, String)]) {
    let mut port = PortDraft::default();
    match old.number {
        Some(number) => port.own.text("listen", &format!("0.0.0.0:{number}")),
        None => {
            let asks = format!(
                "on which address and port do miners connect? The old file's {} gives no port number.",
                short(&old.from)
            );
            ask_plain(cx, coin, &mut port.own, "listen", &asks, "0.0.0.0:3333");
        }
    }
    let mut vardiff = old.vardiff.clone();
    if let (Some(vardiff), Some(start)) = (&mut vardiff, old.difficulty) {
        let (least, most) = (vardiff.min.min(vardiff.max), vardiff.min.max(vardiff.max));
        (vardiff.min, vardiff.max) = (least.min(start), most.max(start));
        if least > start || most < start {
            port.own.note("The start difficulty lay outside the bounds, which are widened to it.");
        }
    }
    match old.difficulty {
        Some(start) => {
            scale.explain(cx, &coin.name, &mut port.own, start);
            // Where it is not settled, the question stands in the key's place.
            if let Scale::Settled { .. } = scale {
                scale.put(&mut port.own, "difficulty", start);
            }
        }
        None => ask_plain(cx, coin, &mut port.own, "difficulty", "which difficulty do miners start with?", "16"),
    }
    if old.proxied {
        port.own.text("proxy_protocol", "required");
        port.own.ask(
            cx,
            &coin.name,
            Asked {
                id: "trusted_proxies",
                key: "trusted_proxies",
                kind: Kind::Texts,
                asks: "the old server believed a PROXY header of anybody; which addresses are your balancers?"
                    .to_owned(),
                example: "192.0.2.10,10.0.0.0/8",
                forced: false,
            },
        );
    }
    for (key, value) in extra {
        port.own.set(key, value.clone());
    }
    port.vardiff = vardiff.map(|vardiff| {
        let mut table = Table::default();
        scale.put(&mut table, "min", vardiff.min);
        scale.put(&mut table, "max", vardiff.max);
        for (key, value) in vardiff.times {
            table.set(key, value);
        }
        table
    });
    coin.ports.push(port);
}

/// Asks for a key of a port that the old file does not have.
fn ask_plain(cx: &Context, coin: &CoinDraft, port: &mut Table, key: &'static str, asks: &str, example: &str) {
    let kind = if key == "difficulty" { Kind::Number } else { Kind::Text };
    port.ask(cx, &coin.name, Asked { id: key, key, kind, asks: asks.to_owned(), example, forced: false });
}

/// A difficulty of an old file; one that is none is asked for by its absence.
pub(super) fn difficulty(old: &Old<'_>, name: &str) -> Option<f64> {
    old.number(name).filter(|number| crate::difficulty::Difficulty::new(*number).is_some())
}

/// Takes seconds between two shares, seconds between two adjustments and the dead band over, by their old names.
/// `defaults` are those of the old server; without them, ours count.
pub(super) fn times(old: &Old<'_>, names: [&str; 3], defaults: Option<[u32; 3]>) -> Vec<(&'static str, String)> {
    let keys: [(&'static str, std::ops::RangeInclusive<f64>); 3] =
        [("target_secs", 1.0..=TARGET_SECS_MAX), ("retarget_secs", 1.0..=3600.0), ("variance_percent", 1.0..=99.0)];
    let mut times = Table::default();
    for (index, (name, (key, bounds))) in names.into_iter().zip(keys).enumerate() {
        let default = defaults.and_then(|defaults| defaults.get(index).copied());
        match default.filter(|_| !old.has(name)) {
            Some(default) => {
                times.set(key, default.to_string());
                old.adapted(name, key, format!("{default}, the old server's default"));
            }
            None => old.whole(name, &mut times, key, bounds, 1.0),
        }
    }
    pairs(times)
}

/// The keys of a table as a list.
pub(super) fn pairs(table: Table) -> Vec<(&'static str, String)> {
    let pair = |line| if let Line::Set(key, value) = line { Some((key, value)) } else { None };
    table.lines.into_iter().filter_map(pair).collect()
}
