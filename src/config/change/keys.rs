//! Every key and when a change of it begins to hold.

use std::sync::Arc;

use super::shown::Shown;
use super::{Change, Effect, Owner, named, partners};
use crate::chain::form::ChainForm;
use crate::coin::profile::Profile;
use crate::config::{
    Coin, Config, Daemon, Endpoint, Handshakes, Ledger, Limits, Mpos, Node, NodeWays, Port, Rules, Templates,
    Transport, Vardiff, Workers,
};

use Effect::{AtOnce, NewConnections, Restart};

/// Longest value that is shown; the rest is cut off.
const SHOWN_CHARS_MAX: usize = 120;

const PATHS: Effect = Restart("everything the daemon keeps is open there");
const DOORS: Effect = Restart("the socket is opened at the start");
const THREADS: Effect = Restart("threads are started once");
const CHAIN: Effect = Restart("work that miners have and rows that are on their way are made by it");
const PAYOUT: Effect = Restart("the nodes confirm who is paid before any work is handed out");
const WATCHED: Effect = Restart("found blocks are watched by it from their first moment");
const NOBODY: Effect = Restart("blocks that are on their way are credited by it");
const SIZE: Effect = Restart("miners were told the size of their extranonce, and work is made for it");
const TABLE: Effect = Restart("the spool belongs to that table and is being drained into it");
const DIRECTORY: Effect = Restart("what is known of workers was learnt by it");
const SPOOL: Effect = Restart("the spool is open with it");

/// Gathers the changes of one owner.
struct Found<'a> {
    changes: &'a mut Vec<Change>,
    of: Owner,
}

impl Found<'_> {
    /// Compares a setting; one that needs a restart is put back.
    fn setting<T: Shown + PartialEq + Clone>(&mut self, key: &'static str, old: &T, new: &mut T, effect: Effect) {
        if old == new {
            return;
        }
        let short = |text: String| text.chars().take(SHOWN_CHARS_MAX).collect();
        let (of, shown_old, shown_new) = (self.of.clone(), short(old.shown()), short(new.shown()));
        self.changes.push(Change::Setting { of, key, old: shown_old, new: shown_new, effect });
        if matches!(effect, Restart(_)) {
            *new = old.clone();
        }
    }
}

/// Compares all fields of a struct: those in the list by themselves; those behind `apart` are taken apart by what
/// follows; those behind `same` tell the owner and are equal. There is no `..`, so that none can be forgotten.
macro_rules! compare {
    (
        $found:ident, $type:ident, $old:expr, $new:expr,
        { $($field:ident: $key:literal, $effect:expr;)* }
        apart { $($apart:ident),* } same { $($same:ident),* }
    ) => {
        let $type { $($field,)* $($apart,)* $($same: _,)* } = $old;
        $($found.setting($key, $field, &mut $new.$field, $effect);)*
    };
}

/// The whole file.
pub(super) fn config(changes: &mut Vec<Change>, old: &Config, new: &mut Config) {
    let Config { daemon: old_daemon, coins: old_coins, warnings: _, files: _ } = old;
    daemon(changes, old_daemon, &mut new.daemon);
    for new in &mut new.coins {
        match named(old_coins, &new.name) {
            Some(old) => coin(changes, old, new),
            None => changes.push(Change::CoinAdded { coin: new.name.clone() }),
        }
    }
    for old in old_coins.iter().filter(|old| named(&new.coins, &old.name).is_none()) {
        changes.push(Change::CoinRemoved { coin: old.name.clone() });
    }
}

fn daemon(changes: &mut Vec<Change>, old: &Daemon, new: &mut Daemon) {
    let mut found = Found { changes, of: Owner::Daemon };
    compare!(found, Daemon, old, new, {
        state_dir: "state_dir", PATHS;
        runtime_dir: "runtime_dir", PATHS;
        nomp_listen: "nomp_listen", DOORS;
        worker_threads: "worker_threads", THREADS;
        hasher_threads: "hasher_threads", THREADS;
        log_level: "log_level", AtOnce;
        log_file: "log_file", AtOnce;
        connections_max: "connections_max", AtOnce;
        metrics: "metrics.listen", DOORS;
    } apart { handshakes } same {});
    let (old, new) = (handshakes, &mut new.handshakes);
    compare!(found, Handshakes, old, new, {
        most: "tls.handshakes_max", AtOnce;
        timeout: "tls.handshake_timeout_secs", AtOnce;
    } apart {} same {});
}

/// A coin that stays. If nothing of it takes effect it is the old one afterwards.
fn coin(changes: &mut Vec<Change>, old: &Arc<Coin>, shared: &mut Arc<Coin>) {
    let before = changes.len();
    let mut new = (**shared).clone();
    let mut found = Found { changes, of: Owner::Coin(old.name.clone()) };
    compare!(found, Coin, &**old, new, {
        payout_address: "payout_address", PAYOUT;
        payout: "payout_address", PAYOUT;
        fixed_outputs: "fixed_output", PAYOUT;
        recipients: "recipient", PAYOUT;
        coinbase_text: "coinbase_text", PAYOUT;
        instance: "instance", PAYOUT;
        fallback_worker: "fallback_worker", NOBODY;
        confirmations: "confirmations", WATCHED;
        emit_invalid_block_hashes: "emit_invalid_block_hashes", AtOnce;
        update_block: "update_block", AtOnce;
    } apart { profile, nodes, templates, ports, mpos, workers, ledger } same { name });
    self::profile(&mut found, profile, &mut new.profile);
    self::templates(&mut found, templates, &mut new.templates);
    self::mpos(&mut found, mpos, &mut new.mpos);
    self::workers(&mut found, workers, &mut new.workers);
    self::ledger(&mut found, ledger, &mut new.ledger);
    self::nodes(changes, &old.name, nodes, &mut new.nodes);
    self::ports(changes, &old.name, ports, &mut new.ports);
    let of_coin = changes.get(before..).unwrap_or_default();
    *shared = match of_coin.iter().all(Change::needs_restart) {
        true => Arc::clone(old),
        false => Arc::new(new),
    };
}

fn profile(found: &mut Found<'_>, old: &Profile, new: &mut Profile) {
    compare!(found, Profile, old, new, {
        algorithm: "algorithm", CHAIN;
        stratum_bits: "stratum_bits", CHAIN;
        mpos_bits: "mpos_bits", CHAIN;
        block_hash: "block_hash", CHAIN;
        transaction_hash: "transaction_hash", CHAIN;
        version_mask: "version_mask", CHAIN;
        time_rolling: "allow_ntime_rolling", CHAIN;
        pays_public_key: "pays_public_key", CHAIN;
        several_algorithms: "several_algorithms", CHAIN;
        extranonce2_bytes: "extranonce2_bytes", SIZE;
    } apart { form } same {});
    let mut changed = ChainForm::clone(&new.form);
    self::form(found, form, &mut changed);
    new.form = if changed == **form { Arc::clone(form) } else { Arc::new(changed) };
}

fn form(found: &mut Found<'_>, old: &ChainForm, new: &mut ChainForm) {
    compare!(found, ChainForm, old, new, {
        addresses: "addresses", CHAIN;
        header: "header", CHAIN;
        vote_max: "vote_max", CHAIN;
        template_rules: "template_rules", CHAIN;
        bare_requests: "bare_template_requests", CHAIN;
        template_algorithm: "template_algorithm", CHAIN;
        algorithm_bits: "algorithm_bits", CHAIN;
        payee_members: "payee_members", CHAIN;
        ignored_members: "ignored_members", CHAIN;
        payees_beside_value: "payees_beside_value", CHAIN;
        transaction_time: "transaction_time", CHAIN;
        own_transaction_hash: "transaction_hash", CHAIN;
        block_signature: "block_signature", CHAIN;
        message: "transaction_message", CHAIN;
        lock_to_height: "lock_to_height", CHAIN;
        schedule: "schedule", CHAIN;
    } apart {} same {});
}

fn templates(found: &mut Found<'_>, old: &Templates, new: &mut Templates) {
    compare!(found, Templates, old, new, {
        poll: "templates.poll_ms", AtOnce;
        refresh: "templates.refresh_secs", AtOnce;
        longpoll: "templates.longpoll", AtOnce;
        empty_after: "templates.empty_block_after_ms", AtOnce;
        stale_after: "templates.stale_after_secs", AtOnce;
    } apart {} same {});
}

fn mpos(found: &mut Found<'_>, old: &Mpos, new: &mut Mpos) {
    compare!(found, Mpos, old, new, {
        user: "mpos.user", NewConnections;
        password: "mpos.password", NewConnections;
        database: "mpos.database", TABLE;
        accounts_database: "mpos.accounts_database", DIRECTORY;
        workers_database: "mpos.workers_database", DIRECTORY;
        failover: "mpos.failover", TABLE;
        allow_myisam: "mpos.allow_myisam", TABLE;
        ca_file: "mpos.ca_file", TABLE;
    } apart { endpoint } same {});
    let (old, new) = (endpoint, &mut new.endpoint);
    let key = match (old, &*new) {
        (Endpoint::Tcp(host, _), Endpoint::Tcp(other, _)) if host == other => "mpos.port",
        (_, Endpoint::Tcp(..)) => "mpos.host",
        (_, Endpoint::Socket(_)) => "mpos.socket",
    };
    found.setting(key, old, new, TABLE);
}

fn workers(found: &mut Found<'_>, old: &Workers, new: &mut Workers) {
    compare!(found, Workers, old, new, {
        check_password: "workers.check_password", DIRECTORY;
        auto_create: "workers.auto_create", DIRECTORY;
        refuse_locked: "workers.refuse_locked", DIRECTORY;
        cache: "workers.cache_secs", DIRECTORY;
        negative_cache: "workers.negative_cache_secs", DIRECTORY;
        remember: "workers.remember_hours", DIRECTORY;
        recheck: "workers.recheck_secs", AtOnce;
        pool_worker_difficulty: "workers.pool_worker_difficulty", DIRECTORY;
    } apart {} same {});
}

fn ledger(found: &mut Found<'_>, old: &Ledger, new: &mut Ledger) {
    compare!(found, Ledger, old, new, {
        durability: "ledger.durability", SPOOL;
        sync_interval: "ledger.sync_interval_ms", SPOOL;
        segment_bytes: "ledger.segment_mib", SPOOL;
        spool_bytes_max: "ledger.spool_mib_max", SPOOL;
        keep_drained: "ledger.keep_drained_hours", SPOOL;
        drained_bytes_max: "ledger.drained_mib_max", SPOOL;
        batch_rows_max: "ledger.batch_rows_max", SPOOL;
    } apart {} same {});
}

/// The nodes; one that changes its name has gone, and another has come.
fn nodes(changes: &mut Vec<Change>, coin: &str, old: &[Node], new: &mut [Node]) {
    let names = |nodes: &[Node]| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let (before, after) = (names(old), names(new));
    for (new, old) in pairs(new, &after, old, &before) {
        match old {
            Some(old) => node(&mut Found { changes, of: Owner::Node(coin.to_owned(), old.name.clone()) }, old, new),
            None => changes.push(Change::NodeAdded { coin: coin.to_owned(), node: new.name.clone() }),
        }
    }
    for node in gone(&before, &after) {
        changes.push(Change::NodeRemoved { coin: coin.to_owned(), node });
    }
    let stayed = |names: &[String], others: &[String]| {
        names.iter().filter(|name| others.contains(name)).cloned().collect::<Vec<_>>()
    };
    let (mut stay, was) = (stayed(&after, &before), stayed(&before, &after));
    Found { changes, of: Owner::Coin(coin.to_owned()) }.setting("order of nodes", &was, &mut stay, AtOnce);
}

fn node(found: &mut Found<'_>, old: &Node, new: &mut Node) {
    compare!(found, Node, old, new, {
        host: "url", AtOnce;
        port: "url", AtOnce;
        login: "login", AtOnce;
        timeout: "timeout_secs", AtOnce;
    } apart { ways } same { name });
    let (old, new) = (ways, &mut new.ways);
    compare!(found, NodeWays, old, new, {
        tls_ca: "ca_file", AtOnce;
        wallet: "wallet", AtOnce;
        peer: "p2p", AtOnce;
        zmq: "zmq", AtOnce;
    } apart {} same {});
}

/// The ports, told apart by where they listen.
fn ports(changes: &mut Vec<Change>, coin: &str, old: &[Arc<Port>], new: &mut [Arc<Port>]) {
    let listens = |ports: &[Arc<Port>]| ports.iter().map(|port| port.listen).collect::<Vec<_>>();
    let (before, after) = (listens(old), listens(new));
    for (new, old) in pairs(new, &after, old, &before) {
        let (coin, listen) = (coin.to_owned(), new.listen);
        match old {
            Some(old) => port(changes, Owner::Port(coin, listen), old, new),
            None => changes.push(Change::PortAdded { coin, listen }),
        }
    }
    for listen in gone(&before, &after) {
        changes.push(Change::PortRemoved { coin: coin.to_owned(), listen });
    }
}

/// A port that stays. If nothing of it takes effect it is the old one afterwards.
fn port(changes: &mut Vec<Change>, of: Owner, old: &Arc<Port>, shared: &mut Arc<Port>) {
    let before = changes.len();
    let mut new = (**shared).clone();
    let mut found = Found { changes, of };
    compare!(found, Port, &**old, new, {
        difficulty: "difficulty", AtOnce;
        extranonce2_bytes: "extranonce2_bytes", SIZE;
        connections_max: "connections_max", AtOnce;
        line_bytes_max: "line_bytes_max", NewConnections;
        subscribe_timeout: "subscribe_timeout_secs", AtOnce;
        idle_timeout: "idle_timeout_secs", AtOnce;
        write_timeout: "write_timeout_secs", AtOnce;
        keepalive: "keepalive_secs", AtOnce;
    } apart { vardiff, transport, rules } same { listen });
    self::vardiff(&mut found, vardiff, &mut new.vardiff);
    self::transport(&mut found, transport, &mut new.transport);
    self::rules(&mut found, rules, &mut new.rules);
    let of_port = changes.get(before..).unwrap_or_default();
    *shared = match of_port.iter().all(Change::needs_restart) {
        true => Arc::clone(old),
        false => Arc::new(new),
    };
}

fn vardiff(found: &mut Found<'_>, old: &Option<Vardiff>, new: &mut Option<Vardiff>) {
    let (Some(old), Some(new)) = (old, &mut *new) else {
        let (was, mut is) = (old.is_some(), new.is_some());
        return found.setting("vardiff", &was, &mut is, AtOnce);
    };
    compare!(found, Vardiff, old, new, {
        min: "vardiff.min", AtOnce;
        max: "vardiff.max", AtOnce;
        target: "vardiff.target_secs", AtOnce;
        retarget: "vardiff.retarget_secs", AtOnce;
        variance: "vardiff.variance_percent", AtOnce;
        max_jump: "vardiff.max_jump_percent", AtOnce;
        double_steps: "vardiff.double_steps", AtOnce;
        grid: "vardiff.grid", AtOnce;
    } apart {} same {});
}

fn transport(found: &mut Found<'_>, old: &Transport, new: &mut Transport) {
    compare!(found, Transport, old, new, {
        tls: "tls", NewConnections;
        proxy: "proxy_protocol", NewConnections;
    } apart { limits } same {});
    let (old, new) = (limits, &mut new.limits);
    compare!(found, Limits, old, new, {
        connections_per_address_max: "connections_per_address_max", AtOnce;
        connections: "connections_per_sec", AtOnce;
        messages: "messages_per_sec", AtOnce;
        failed_authorizations_per_min: "failed_authorizations_per_min", AtOnce;
        authorization_delay: "authorization_delay_secs", AtOnce;
        ban_closes: "ban_closes", AtOnce;
        ban_window: "ban_window_secs", AtOnce;
        ban: "ban_secs", AtOnce;
        exempt: "exempt", NewConnections;
    } apart {} same {});
}

fn rules(found: &mut Found<'_>, old: &Rules, new: &mut Rules) {
    compare!(found, Rules, old, new, {
        share_tolerance_ppm: "share_tolerance_percent", AtOnce;
        stale_grace: "stale_grace_secs", AtOnce;
        race_window: "race_window_secs", AtOnce;
        start_from: "start_difficulty_from", NewConnections;
        agent_difficulties: "agent_difficulties", NewConnections;
        apply_at_next_job: "apply", AtOnce;
        jobs_before_auth: "jobs_before_auth", NewConnections;
        authorize_timeout: "authorize_timeout_secs", NewConnections;
        invalid_ratio_max: "invalid_percent_max", AtOnce;
        invalid_window_shares: "invalid_window_shares", AtOnce;
        junk_lines_max: "junk_lines_max", AtOnce;
        failed_logins_max: "failed_logins_max", AtOnce;
        workers_max: "workers_max", AtOnce;
        jobs_max: "jobs_max", AtOnce;
        unsent_bytes_max: "unsent_bytes_max", AtOnce;
        invalid_window: "invalid_window_secs", AtOnce;
        resume_window: "resume_window_secs", AtOnce;
        reconnect_on_stop: "reconnect_on_stop", AtOnce;
        advertise: "advertise", AtOnce;
        message: "message", NewConnections;
        ask_version: "ask_version", NewConnections;
    } apart {} same {});
}

/// Each of the new ones with the old one of the same mark.
fn pairs<'n, 'o, T, M: PartialEq>(
    new: &'n mut [T],
    after: &[M],
    old: &'o [T],
    before: &[M],
) -> Vec<(&'n mut T, Option<&'o T>)> {
    new.iter_mut()
        .zip(partners(before, after))
        .map(|(new, place)| (new, place.and_then(|place| old.get(place))))
        .collect()
}

/// The marks of those that have no partner any more.
fn gone<M: PartialEq + Clone>(before: &[M], after: &[M]) -> Vec<M> {
    let of = |marks: &[M], mark: &M| marks.iter().filter(|other| *other == mark).count();
    let is_gone = |index: &usize, mark: &M| of(before.get(..*index).unwrap_or_default(), mark) >= of(after, mark);
    before.iter().enumerate().filter(|(index, mark)| is_gone(index, mark)).map(|(_, mark)| mark.clone()).collect()
}
