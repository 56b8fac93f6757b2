//! NOMP's `pool_configs/*.json`, over the defaults of `config.json`.

use super::super::database::{self, Part, port_number};
use super::super::difficulty::Scale;
use super::super::draft::{CoinDraft, Table, number};
use super::super::history::{Context, Old};
use super::super::identity;
use super::super::mpos::{MposFacts, one_name};
use super::super::port::{self, OldPort, OldVardiff};
use super::{accounts, coin, coin_name};
use crate::coin::preset::Preset;

/// Longest time between two templates that leaves block times right for MPOS, in seconds.
const REFRESH_SECS_MAX: f64 = 30.0;

pub(super) const IDLE: &[(&str, &str)] = &[
    ("paymentProcessing", "MPOS pays"),
    ("redis", "no Redis is needed"),
    ("api", "a hook for programs inside NOMP"),
    ("shareVariancePercent", "was read nowhere; share_tolerance_percent is what miners may miss their target by"),
];
const IDLE_VARDIFF: &[(&str, &str)] = &[("maxJump", "never had an effect in NOMP; max_jump_percent is its place")];

/// Writes a pool as a coin. `pool` lies over the portal's defaults: NOMP copied every option of those that a pool lacked.
pub(super) fn import(cx: &Context, pool: Old<'_>, coin_file: Old<'_>, mpos: &[MposFacts]) -> Option<CoinDraft> {
    let mut coin = CoinDraft { name: coin_name(&coin_file), ..CoinDraft::default() };
    let mode = accounts::mode(&pool);
    let login = accounts::login(mode.as_ref());
    let facts = match mpos {
        [only] => Some(only),
        several => several.iter().find(|facts| facts.database.name.is_some() && facts.database.name == login.name),
    };
    if facts.is_none() && !mpos.is_empty() {
        cx.remark(format!("{}: no --mpos file names the database of this pool", coin.name));
    }
    let identified = coin::import(cx, coin_file, &mut coin, pool.text("address"), facts);
    match identity::put_payout(cx, &mut coin, pool.text("address"), identified.preset) {
        true => pool.taken("address", "payout_address"),
        false => pool.asked("address", "payout_address"),
    }
    recipients(&pool, identified.preset, &mut coin);
    identity::put_fallback_worker(cx, &mut coin);
    pool.whole("instanceId", &mut coin.own, "instance", 0.0..=65_535.0, 1.0);
    if pool.flag("emitInvalidBlockHashes") == Some(true) {
        coin.own.set("emit_invalid_block_hashes", "true");
        pool.taken("emitInvalidBlockHashes", "emit_invalid_block_hashes");
    } else {
        pool.dropped("emitInvalidBlockHashes", "off here too");
    }
    templates(&pool, &mut coin);
    let nodes = nodes(&pool, &mut coin);
    p2p(&pool, identified.preset, &mut coin);
    let ports = ports(cx, &pool, &mut coin, &identified.scale);
    database::put(&mut coin, &login);
    accounts::workers(cx, &pool, mode, &mut coin);
    if let Some(facts) = facts {
        facts.join(cx, &mut coin, &login, &nodes, &ports);
    }
    pool.finish(IDLE);
    Some(coin)
}

/// Most recipients that the configuration takes.
const RECIPIENTS_MAX: usize = 16;

/// Fees in the coinbase, as shares of the reward.
fn recipients(pool: &Old<'_>, preset: Option<&Preset>, coin: &mut CoinDraft) {
    let Some(old) = pool.within("rewardRecipients") else { return };
    let mut left_ppm = 999_999.0;
    for to in old.names() {
        let percent = old.number(to).unwrap_or_default();
        let ppm = (percent * 10_000.0).floor();
        if percent == 0.0 {
            old.dropped(to, "nothing");
        } else if let Err(why) = identity::is_payable(to, preset) {
            old.attention(to, format!("has no share any more: it cannot be paid ({why})"));
        } else if pool.text("address") == Some(to) {
            old.dropped(to, "it is the pool's own address, which has the rest anyway");
        } else if !(1.0..=left_ppm).contains(&ppm) || coin.recipients.len() == RECIPIENTS_MAX {
            let why = format!(
                "has no share any more: all together must leave the pool some, in {RECIPIENTS_MAX} parts at most"
            );
            old.attention(to, why);
        } else {
            left_ppm -= ppm;
            let mut table = Table::default();
            table.text("address", to);
            table.set("percent", number(ppm / 10_000.0));
            coin.recipients.push(table);
            match (percent * 10_000.0 - ppm).abs() < 1e-6 {
                true => old.taken(to, "recipient.percent"),
                false => old.adapted(to, "recipient.percent", "four decimals, the rest cut off"),
            }
        }
    }
    old.finish(&[]);
}

fn templates(pool: &Old<'_>, coin: &mut CoinDraft) {
    let table = &mut coin.templates;
    if pool.number("blockRefreshInterval") == Some(0.0) {
        pool.dropped("blockRefreshInterval", "polling was off; here it stays on beside long polling");
    } else {
        pool.whole("blockRefreshInterval", table, "poll_ms", 50.0..=60_000.0, 1.0);
    }
    for option in ["jobRebroadcastTimeout", "txRefreshInterval"] {
        let factor = if option == "txRefreshInterval" { 0.001 } else { 1.0 };
        let secs = pool.number(option).map(|time| time * factor);
        let has_one = table.has("refresh_secs");
        match secs {
            Some(secs) if secs > 0.0 && secs <= REFRESH_SECS_MAX && !has_one => {
                pool.whole(option, table, "refresh_secs", 1.0..=600.0, factor);
            }
            _ if has_one => pool.dropped(option, "refresh_secs is set already"),
            _ => {
                let why = format!("{REFRESH_SECS_MAX}, the default: MPOS needs block times that are not older");
                if pool.has(option) {
                    pool.adapted(option, "templates.refresh_secs", why);
                }
            }
        }
    }
}

fn nodes(pool: &Old<'_>, coin: &mut CoinDraft) -> Vec<(String, u16)> {
    let mut known = Vec::new();
    // The first versions had one daemon, as a table.
    let items = match pool.within("daemon") {
        Some(only) => vec![only],
        None => pool.items("daemons"),
    };
    for daemon in items {
        let login = database::login(
            &daemon,
            &[
                ("host", Part::Host, database::NODE_URL),
                ("port", Part::Port, database::NODE_URL),
                ("user", Part::User, "node.user"),
                ("password", Part::Password, "node.password"),
            ],
        );
        if !database::add_node(coin, &mut known, &login) {
            daemon.dropped("host", "the same node as one before");
        }
        daemon.finish(&[]);
    }
    known.into_iter().map(|(host, port)| (one_name(&host), port)).collect()
}

/// The node's peer-to-peer port, which announces new blocks.
fn p2p(pool: &Old<'_>, preset: Option<&Preset>, coin: &mut CoinDraft) {
    let Some(old) = pool.within("p2p") else { return };
    let address = old.text("host").zip(old.number("port").and_then(port_number));
    let enabled = old.flag("enabled") == Some(true);
    if enabled {
        magic(&old, coin);
    }
    let has_magic =
        coin.own.has("p2p_magic") || preset.is_some_and(|preset| identity::of_preset(preset, "p2p_magic").is_some());
    match (enabled, address, coin.nodes.first_mut()) {
        (true, Some((host, port)), Some(node)) if has_magic => {
            node.text("p2p", &format!("{host}:{port}"));
            old.taken("enabled", "node.p2p");
            old.taken("host", "node.p2p");
            old.taken("port", "node.p2p");
            if old.has("protocolVersion") {
                old.whole("protocolVersion", node, "p2p_version", 1.0..=1_000_000.0, 1.0);
            }
        }
        (true, ..) => old.attention("enabled", "needs host, port and the coin's peerMagic; without it, long polling"),
        _ => old.dropped("enabled", "it was off"),
    }
    let off = if enabled { "of no use without the others" } else { "p2p is off" };
    let idle = ["host", "port", "magic", "protocolVersion"].map(|option| (option, off));
    old.finish(&[&idle[..], &[("disableTransactions", "transactions are never asked for")]].concat());
}

/// `magic` of the first versions, whose coins had no `peerMagic` yet.
fn magic(old: &Old<'_>, coin: &mut CoinDraft) {
    match old.text("magic").map(identity::magic) {
        Some(Some(_)) if coin.own.has("p2p_magic") => {
            old.dropped("magic", "the coin's peerMagic has said it");
        }
        Some(Some(magic)) => {
            coin.own.text("p2p_magic", &magic);
            old.taken("magic", "p2p_magic");
        }
        _ => old.attention("magic", "is none: four bytes in hexadecimal"),
    }
}

fn ports(cx: &Context, pool: &Old<'_>, coin: &mut CoinDraft, scale: &Scale) -> Vec<u16> {
    let proxied = pool.flag("tcpProxyProtocol") == Some(true);
    match proxied {
        true => pool.asked("tcpProxyProtocol", "trusted_proxies"),
        false => pool.dropped("tcpProxyProtocol", "off here too unless a port says otherwise"),
    }
    let mut extra = Table::default();
    if pool.number("connectionTimeout").is_some_and(|secs| secs > 0.0) {
        pool.whole("connectionTimeout", &mut extra, "idle_timeout_secs", 1.0..=86_400.0, 1.0);
    } else {
        pool.dropped("connectionTimeout", "not set; the default of idle_timeout_secs counts");
    }
    accounts::banning(pool, &mut extra);
    let extra = port::pairs(extra);
    let Some(list) = pool.within("ports") else { return Vec::new() };
    let mut numbers = Vec::new();
    for name in list.names() {
        let number = name.trim().parse::<f64>().ok().and_then(port_number);
        let old = list.within(name);
        if number.is_some_and(|number| numbers.contains(&number)) {
            list.attention(name, "is the number of a port before, so it is left out");
            if let Some(old) = old {
                old.finish(&[("*", "its port is left out")]);
            }
            continue;
        }
        if number.is_none() {
            list.asked(name, "listen");
        } else if old.is_none() {
            list.asked(name, "difficulty");
        }
        let (difficulty, vardiff) = old.map_or((None, None), |old| difficulties(old, scale));
        port::add(
            cx,
            coin,
            scale,
            &OldPort { number, from: format!("ports.{name}"), difficulty, vardiff, proxied },
            &extra,
        );
        numbers.extend(number);
    }
    list.finish(&[]);
    numbers
}

/// The difficulties of a port.
fn difficulties(old: Old<'_>, scale: &Scale) -> (Option<f64>, Option<OldVardiff>) {
    let difficulty = port::difficulty(&old, "diff");
    tell(&old, "diff", "port.difficulty", scale);
    let table = old.within("varDiff");
    let is_meant = table.is_some();
    let vardiff = table.and_then(|table| vardiff(table, scale));
    if is_meant && vardiff.is_none() {
        old.attention("varDiff", "has no difficulties as minDiff and maxDiff: the port's is fixed now");
    }
    old.finish(&[]);
    (difficulty, vardiff)
}

fn tell(old: &Old<'_>, name: &str, key: &str, scale: &Scale) {
    match scale {
        _ if port::difficulty(old, name).is_none() => old.asked(name, key),
        Scale::Settled { factor, .. } if (factor - 1.0).abs() < 1e-12 => old.taken(name, key),
        Scale::Settled { factor, .. } => old.adapted(name, key, format!("times {factor}, since its unit was another")),
        Scale::Open { .. } => old.asked(name, scale.question()),
    }
}

fn vardiff(table: Old<'_>, scale: &Scale) -> Option<OldVardiff> {
    let bounds = port::difficulty(&table, "minDiff").zip(port::difficulty(&table, "maxDiff"));
    let Some((min, max)) = bounds else {
        table.finish(&[("*", "of no use unless both minDiff and maxDiff are difficulties")]);
        return None;
    };
    tell(&table, "minDiff", "vardiff.min", scale);
    tell(&table, "maxDiff", "vardiff.max", scale);
    let mut times = port::times(&table, ["targetTime", "retargetTime", "variancePercent"], None);
    if table.flag("x2mode") == Some(true) {
        times.push(("double_steps", "true".to_owned()));
        table.taken("x2mode", "vardiff.double_steps");
    } else {
        table.dropped("x2mode", "off here too");
    }
    table.finish(IDLE_VARDIFF);
    Some(OldVardiff { min, max, times })
}
