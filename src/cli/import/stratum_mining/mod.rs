//! stratum-mining's `conf/config.py`, of every version that MPOS pools ran. One process served one coin on
//! one port.

mod difficulties;
mod idle;
mod pool;

use super::answers::UNNAMED;
use super::database::{self, Login, Part};
use super::difficulty::{self, RowUnits, Scale};
use super::draft::{CoinDraft, Draft, Table};
use super::history::{Context, Old};
use super::identity;
use super::mpos::{MposFacts, one_name};
use super::port;
use super::value::Settings;
use crate::coin::preset::Preset;
use crate::pow::names::{self, Named};

/// Most standby nodes: the suffixes `_1` to `_98`.
const STANDBY_MAX: usize = 98;

/// Reads the file's settings into a draft.
pub(super) fn import(cx: &Context, file: &str, settings: &Settings, mpos: Option<&MposFacts>) -> Draft {
    for (line, what) in &settings.skipped {
        cx.remark(format!("{file}:{line}: the statement {what}; it was passed over"));
    }
    let old = Old::new(cx, file, &settings.root);
    let mut daemon = Table::default();
    pool::log_level(&old, &mut daemon);
    let mut coin = CoinDraft { name: name(cx), ..CoinDraft::default() };
    let (spelling, option) = difficulties::algorithm(&old);
    let known = spelling.and_then(names::find);
    let named = known.or_else(|| identity::settle_algorithm(cx, &mut coin, spelling));
    match (known, named) {
        (Some(named), _) => old.taken(option, &format!("preset or algorithm: {}", named.name)),
        (None, Some(named)) => old.adapted(option, "preset or algorithm", format!("{}, as answered", named.name)),
        (None, None) if coin.blocked.is_empty() => old.asked(option, identity::ALGORITHM),
        (None, None) => old.attention(option, coin.blocked.join("; ")),
    }
    let preset = named.and_then(|named| identity::chosen_preset(cx, &coin.name, named, None));
    let (scale, described) = match named {
        Some(named) => put_identity(cx, &old, &mut coin, named, preset, mpos),
        None => (Scale::unknown(), false),
    };
    pool::form(&old, &mut coin, preset);
    pool::payout(cx, &old, &mut coin, preset);
    pool::coinbase(&old, &mut coin, described);
    let nodes = nodes(&old, &mut coin);
    pool::templates(&old, &mut coin);
    pool::update_block(&old, &mut coin);
    pool::transports(&old);
    let ports = difficulties::port(cx, &old, &mut coin, &scale);
    let login = mysql(&old);
    database::put(&mut coin, &login);
    pool::workers(&old, &mut coin);
    if let Some(facts) = mpos {
        facts.join(cx, &mut coin, &login, &nodes, &ports);
    }
    old.finish(idle::OPTIONS);
    Draft { daemon, coins: vec![coin] }
}

/// Writes which coin it is, and by what MPOS counts it. `true`: no preset knows what it is.
fn put_identity(
    cx: &Context,
    old: &Old<'_>,
    coin: &mut CoinDraft,
    named: &Named,
    preset: Option<&Preset>,
    mpos: Option<&MposFacts>,
) -> (Scale, bool) {
    let suggested = mpos.and_then(MposFacts::coin);
    let described = identity::put(cx, coin, named, preset, suggested, old.text("CENTRAL_WALLET"));
    let ours = identity::bits(preset, "stratum_bits", Some(named.stratum_bits)).unwrap_or(named.stratum_bits);
    let scale = Scale::settle(cx, &coin.name, difficulties::old_bits(old, ours), ours);
    let usual = identity::bits(preset, "mpos_bits", named.mpos_bits);
    let units = RowUnits { usual, class: mpos.map(|facts| facts.class.clone()), old: scale.old_bits() };
    let name = coin.name.clone();
    difficulty::put_mpos_bits(cx, &name, &mut coin.own, units);
    (scale, described)
}

/// The coin's name: the old file has none.
fn name(cx: &Context) -> String {
    let preset = || cx.answers.find(UNNAMED, "preset").filter(|preset| *preset != "none");
    let name = cx.answers.find(UNNAMED, "name").or_else(preset).and_then(identity::name);
    name.unwrap_or_else(|| UNNAMED.to_owned())
}

/// The nodes: the first, and those on standby. Returns their addresses.
fn nodes(old: &Old<'_>, coin: &mut CoinDraft) -> Vec<(String, u16)> {
    let begin = if old.has("LITECOIN_TRUSTED_HOST") { "LITECOIN_TRUSTED" } else { "COINDAEMON_TRUSTED" };
    let mut known = Vec::new();
    for number in 0..=STANDBY_MAX {
        let end = if number == 0 { String::new() } else { format!("_{number}") };
        let option = |part: &str| format!("{begin}_{part}{end}");
        if number > 0 && !old.has(&option("HOST")) {
            continue;
        }
        let login = database::login(
            old,
            &[
                (&option("HOST"), Part::Host, database::NODE_URL),
                (&option("PORT"), Part::Port, database::NODE_URL),
                (&option("USER"), Part::User, "node.user"),
                (&option("PASSWORD"), Part::Password, "node.password"),
            ],
        );
        if !database::add_node(coin, &mut known, &login) {
            old.dropped(&option("HOST"), "the same node as one before");
        }
    }
    known.into_iter().map(|(host, port)| (one_name(&host), port)).collect()
}

/// MPOS's database.
fn mysql(old: &Old<'_>) -> Login {
    let driver = old.text("DATABASE_DRIVER").unwrap_or("mysql").to_ascii_lowercase();
    if driver == "mysql" {
        old.dropped("DATABASE_DRIVER", "MPOS's database is MySQL");
    } else {
        old.attention("DATABASE_DRIVER", "MPOS reads MySQL only: the database is to be told by hand");
    }
    if old.flag("DATABASE_EXTEND") == Some(true) {
        old.attention("DATABASE_EXTEND", "a schema that MPOS does not read; MPOS's is written");
    }
    let names = [
        ("DB_MYSQL_HOST", Part::Host, "mpos.host"),
        ("DB_MYSQL_PORT", Part::Port, "mpos.port"),
        ("DB_MYSQL_USER", Part::User, "mpos.user"),
        ("DB_MYSQL_PASS", Part::Password, "mpos.password"),
        ("DB_MYSQL_DBNAME", Part::Name, database::DATABASE),
    ];
    if driver == "mysql" {
        return database::login(old, &names);
    }
    // What is left of the sample would be written into, if it were taken.
    for (option, ..) in names {
        old.dropped(option, "DATABASE_DRIVER named another database, so this one was not in use");
    }
    Login::default()
}

/// Keys that every port gets from an old table of its own.
fn extra(table: Table) -> Vec<(&'static str, String)> {
    port::pairs(table)
}
