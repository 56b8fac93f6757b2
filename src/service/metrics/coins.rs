//! The coins: miners, shares, tips, nodes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::text::{Kind, Text};
use super::whole;
use crate::node::tip::Source;
use crate::service::meter::WINDOWS;
use crate::service::scene::{CoinView, Scene};
use crate::service::status::Crowd;
use crate::stratum::counters::LoginResult;
use crate::stratum::guard::Refused;
use crate::work::reject::Reject;

/// Reasons for which a connection is turned away at the door.
const REFUSALS: [(Refused, &str); 5] = [
    (Refused::PortFull, "port_full"),
    (Refused::DaemonFull, "daemon_full"),
    (Refused::AddressFull, "address_full"),
    (Refused::TooFast, "too_fast"),
    (Refused::Banned, "banned"),
];

/// A metric with labels: its name, kind and help, and who writes its lines.
type Labelled<'a> = (&'static str, Kind, &'a str, &'a dyn Fn(&mut Text, &CoinView));

/// A family with one sample per coin.
type PerCoin = (&'static str, Kind, &'static str, fn(&CoinView) -> f64);

const PER_COIN: [PerCoin; 15] = [
    ("mpos_stratum_shares_accepted_total", Kind::Counter, "Shares answered true.", |it| count(&it.counters.accepted)),
    ("mpos_stratum_candidates_total", Kind::Counter, "Block candidates.", |it| count(&it.counters.candidates)),
    (
        "mpos_stratum_credited_hashes_total",
        Kind::Counter,
        "Hashes behind the difficulty of the shares that counted.",
        |it| hashes(it, it.counters.work.get()),
    ),
    ("mpos_stratum_shares_tolerated_total", Kind::Counter, "Shares that count only because of the tolerance.", |it| {
        count(&it.counters.tolerated)
    }),
    (
        "mpos_stratum_shares_late_total",
        Kind::Counter,
        "Shares of the previous tip that count because of the stale grace.",
        |it| count(&it.counters.late),
    ),
    (
        "mpos_stratum_shares_raced_total",
        Kind::Counter,
        "Shares credited at a difficulty lowered after their job was sent.",
        |it| count(&it.counters.raced),
    ),
    ("mpos_stratum_shares_ahead_total", Kind::Counter, "Shares whose time is far ahead of the clock.", |it| {
        count(&it.counters.ahead)
    }),
    (
        "mpos_stratum_workers_withdrawn_total",
        Kind::Counter,
        "Workers that lost their right to mine while they did.",
        |it| count(&it.counters.withdrawn),
    ),
    ("mpos_stratum_mining", Kind::Gauge, "1 while there is work for miners.", |it| {
        flag(it.board.borrow().job.is_some())
    }),
    (
        "mpos_stratum_node_refuses_our_blocks",
        Kind::Gauge,
        "1 while the node says that it would refuse our block.",
        |it| flag(it.alarm.borrow().is_some()),
    ),
    (
        "mpos_stratum_mpos_hashrate_hashes_per_second",
        Kind::Gauge,
        "What MPOS makes of the rows of the last 180 s that are in its database.",
        |it| hashes(it, it.meter.shown().now),
    ),
    (
        "mpos_stratum_template_refresh_seconds",
        Kind::Gauge,
        "How often work is renewed while the tip stays the same: refresh_secs.",
        |it| it.coin.templates.refresh.as_secs_f64(),
    ),
    ("mpos_stratum_tip_age_seconds", Kind::Gauge, "How long the tip stands.", |it| it.meter.tip_age().as_secs_f64()),
    ("mpos_stratum_tip_height", Kind::Gauge, "Height of the block that is mined; 0: no work yet.", |it| {
        it.work.borrow().template.as_ref().map_or(0.0, |template| f64::from(template.height))
    }),
    (
        "mpos_stratum_network_difficulty",
        Kind::Gauge,
        "The network's difficulty, in units of stratum difficulty.",
        |it| {
            it.work
                .borrow()
                .template
                .as_ref()
                .map_or(0.0, |template| template.target.difficulty(it.coin.profile.stratum_bits))
        },
    ),
];

pub(super) fn tell(text: &mut Text, scene: &Scene, crowd: &Crowd) {
    for (name, kind, help, value) in PER_COIN {
        text.family(name, kind, help);
        for view in &scene.coins {
            text.sample(&[("coin", &view.coin.name)], value(view));
        }
    }
    let labelled: [Labelled<'_>; 11] = [
        ("mpos_stratum_connections", Kind::Gauge, "Connections that have begun to speak Stratum.", &|text, view| {
            ports(text, view, crowd)
        }),
        ("mpos_stratum_workers", Kind::Gauge, "Different workers that are connected.", &|text, view| {
            text.sample(&[("coin", &view.coin.name)], whole(crowd.workers(&view.coin.name) as u64));
        }),
        (
            "mpos_stratum_connections_refused_total",
            Kind::Counter,
            "Connections closed at once, by reason.",
            &refused_connections,
        ),
        (
            "mpos_stratum_connection_events_total",
            Kind::Counter,
            "What happened to connections beneath their sessions.",
            &events,
        ),
        ("mpos_stratum_logins_total", Kind::Counter, "Logins of workers, by result.", &logins),
        (
            "mpos_stratum_retargets_total",
            Kind::Counter,
            "Difficulties that were fitted to their miner, by direction.",
            &retargets,
        ),
        ("mpos_stratum_shares_refused_total", Kind::Counter, "Submits refused, by reason.", &refused_shares),
        (
            "mpos_stratum_blocks_total",
            Kind::Counter,
            "Times that a found block came to a state: in the chain, never in it, replaced in it, buried.",
            &blocks,
        ),
        (
            "mpos_stratum_hashrate_hashes_per_second",
            Kind::Gauge,
            "Hash rate by the difficulty that was credited.",
            &hashrates,
        ),
        ("mpos_stratum_template_age_seconds", Kind::Gauge, "How long ago a node confirmed the work.", &|text, view| {
            // Without a template there is no time of it: `mpos_stratum_mining` tells of that.
            let work = view.work.borrow();
            if work.template.is_none() {
                return;
            }
            let age = scene.clock.monotonic().saturating_sub(work.fetched_at);
            text.sample(&[("coin", &view.coin.name)], age.as_secs_f64());
        }),
        ("mpos_stratum_node_ready", Kind::Gauge, "1 while the node gives work and is believed.", &|text, view| {
            for node in view.nodes.all().iter() {
                let ready = node.state().is_ready() && node.aside().is_none();
                text.sample(&[("coin", &view.coin.name), ("node", node.name())], flag(ready));
            }
        }),
    ];
    for (name, kind, help, samples) in labelled {
        text.family(name, kind, help);
        scene.coins.iter().for_each(|view| samples(text, view));
    }
    tips(text, scene);
    nodes(text, scene);
}

fn nodes(text: &mut Text, scene: &Scene) {
    text.family(
        "mpos_stratum_node_answer_seconds",
        Kind::Histogram,
        "How long the node takes for calls but long polls and blocks.",
    );
    for view in &scene.coins {
        for node in view.nodes.all().iter() {
            text.histogram(&[("coin", &view.coin.name), ("node", node.name())], &node.rpc.answers());
        }
    }
    text.family("mpos_stratum_node_height", Kind::Gauge, "Height of the node, where it is known.");
    for view in &scene.coins {
        for node in view.nodes.all().iter() {
            let Some(height) = node.height() else { continue };
            text.sample(&[("coin", &view.coin.name), ("node", node.name())], f64::from(height));
        }
    }
}

fn ports(text: &mut Text, view: &CoinView, crowd: &Crowd) {
    for port in &view.coin.ports {
        let (listen, count) = (port.listen.to_string(), crowd.of_port(&view.coin.name, port.listen));
        text.sample(&[("coin", &view.coin.name), ("port", &listen)], whole(count));
    }
}

fn refused_connections(text: &mut Text, view: &CoinView) {
    for (refused, reason) in REFUSALS {
        text.sample(&[("coin", &view.coin.name), ("reason", reason)], count(view.counters.of(refused)));
    }
}

fn events(text: &mut Text, view: &CoinView) {
    let at_the_door = |name: &str| REFUSALS.iter().any(|(_, reason)| *reason == name);
    for (name, counter) in view.counters.wire.named().into_iter().filter(|(name, _)| !at_the_door(name)) {
        text.sample(&[("coin", &view.coin.name), ("event", name)], count(counter));
    }
}

fn refused_shares(text: &mut Text, view: &CoinView) {
    for (nth, counter) in view.counters.refusals.iter().enumerate() {
        let reason = Reject::from_index(nth).map_or("other", Reject::name);
        text.sample(&[("coin", &view.coin.name), ("reason", reason)], count(counter));
    }
}

fn logins(text: &mut Text, view: &CoinView) {
    for (result, counter) in LoginResult::ALL.into_iter().zip(&view.counters.logins) {
        text.sample(&[("coin", &view.coin.name), ("result", result.name())], count(counter));
    }
}

fn retargets(text: &mut Text, view: &CoinView) {
    for (direction, counter) in ["up", "down"].into_iter().zip(&view.counters.retargets) {
        text.sample(&[("coin", &view.coin.name), ("direction", direction)], count(counter));
    }
}

fn blocks(text: &mut Text, view: &CoinView) {
    for (state, count) in view.tally.counts() {
        text.sample(&[("coin", &view.coin.name), ("state", state.name())], whole(count));
    }
}

fn hashrates(text: &mut Text, view: &CoinView) {
    for ((window, _), rate) in WINDOWS.into_iter().zip(view.meter.rates()) {
        text.sample(&[("coin", &view.coin.name), ("window", window)], hashes(view, rate));
    }
}

fn tips(text: &mut Text, scene: &Scene) {
    let source = |source: Source| source.name().replace(' ', "_");
    text.family("mpos_stratum_tips_told_total", Kind::Counter, "Tips that a source told of.");
    for view in &scene.coins {
        for (from, told) in view.bell.counts() {
            text.sample(&[("coin", &view.coin.name), ("source", &source(from))], whole(told.told));
        }
    }
    text.family("mpos_stratum_tips_first_total", Kind::Counter, "Tips that a source was first with.");
    for view in &scene.coins {
        for (from, told) in view.bell.counts() {
            text.sample(&[("coin", &view.coin.name), ("source", &source(from))], whole(told.first));
        }
    }
}

fn hashes(view: &CoinView, difficulty: f64) -> f64 {
    difficulty * 2f64.powi(i32::from(view.coin.profile.stratum_bits))
}

fn count(counter: &AtomicU64) -> f64 {
    whole(counter.load(Ordering::Relaxed))
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
