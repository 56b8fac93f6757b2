//! Looks at the database behind a spool.

use super::report::Sheet;
use super::{pool, server, tables, wallet, workers};
use crate::cli::spool::Place;
use crate::clock::Clock;
use crate::config::{ColumnUse, Workers};
use crate::mpos::doctor::pool::Values;
use crate::mpos::doctor::rows::Row;
use crate::mpos::doctor::{
    Line, Reached, Seen, grants, ids, pool as asked, rows, server as settings, tables as schema, workers as names,
};

/// What `check --online` says of a database.
#[derive(Default)]
pub(in crate::cli) struct Essentials {
    /// The server that answered first, and its version.
    pub(in crate::cli) server: Option<(String, String)>,
    /// What keeps shares from being written or miners from logging in.
    pub(in crate::cli) wrong: Vec<String>,
}

/// Looks at every server of a database, and at the tables and rights on the first that answers.
pub(in crate::cli) async fn essentials(place: &Place) -> Essentials {
    let Some(coin) = place.coins.first() else { return Essentials::default() };
    let (mut line, reached) = Line::open(&coin.mpos, None).await;
    let away = reached.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().err()?)));
    let mut wrong: Vec<String> = away
        .map(|(name, why)| format!("{name}: {why}; check the server, and user and password in [coin.mpos]"))
        .collect();
    if wrong.len() == reached.len() {
        return Essentials { server: None, wrong };
    }
    let mut sheet = Sheet::default();
    let found = settings::settings(&mut line).await;
    sheet.judge(&server::READ_ONLY, &found, server::read_only);
    of_tables(&mut line, place, &mut sheet).await;
    let server = line.server().to_owned();
    line.close().await;
    wrong.extend(sheet.wrong().into_iter().map(|words| format!("{server}: {words}")));
    let version = found.map_or_else(|_| "unknown".to_owned(), |found| found.version);
    Essentials { server: Some((server, version)), wrong }
}

/// Looks at everything there; the newest shares are handed back.
pub(super) async fn look(
    line: &mut Line,
    reached: &[Reached],
    place: &Place,
    clock: &impl Clock,
    sheet: &mut Sheet,
) -> Seen<Vec<Row>> {
    let unread = place.coins.first().and_then(|coin| coin.mpos.password.why_unread());
    match unread {
        Some(why) => sheet.could_not(&server::REACHABLE, &format!("not asked: {why}")),
        None => sheet.say(&server::REACHABLE, server::reachable(reached)),
    }
    let strict = of_server(line, clock, sheet).await;
    of_tables(line, place, sheet).await;
    let settings = asked::settings(line).await;
    of_pool(line, &settings, strict, sheet).await;
    of_coins(line, place, &settings, sheet).await;
    of_workers(line, place, sheet).await;
    rows::newest(line).await
}

/// Whether MPOS's sessions are strict.
async fn of_server(line: &mut Line, clock: &impl Clock, sheet: &mut Sheet) -> bool {
    let found = settings::settings(line).await;
    sheet.judge(&server::READ_ONLY, &found, server::read_only);
    sheet.judge(&server::VERSION, &found, server::version);
    sheet.judge(&server::SQL_MODE, &found, server::sql_mode);
    sheet.judge(&server::TIME_ZONE, &found, server::time_zone);
    sheet.judge(&server::CLOCK, &settings::skew(line, clock).await, server::clock);
    let connections = settings::connections(line).await;
    let both =
        connections.and_then(|connections| Ok((found.as_ref().map_err(Clone::clone)?.connections_max, connections)));
    sheet.judge(&server::CONNECTIONS, &both, |(max, connections)| server::connections(*max, connections));
    found.is_ok_and(|found| found.has_mode("STRICT_TRANS_TABLES") || found.has_mode("STRICT_ALL_TABLES"))
}

async fn of_tables(line: &mut Line, place: &Place, sheet: &mut Sheet) {
    let Some(coin) = place.coins.first() else { return };
    let mpos = &coin.mpos;
    let granted = grants::granted(line).await;
    // Of coins that share a table one may want more than another.
    let needs: Vec<grants::Need> =
        place.coins.iter().flat_map(|coin| grants::needs(&coin.mpos, &coin.workers)).collect();
    let most = Workers { auto_create: true, pool_worker_difficulty: ColumnUse::Write, ..coin.workers.clone() };
    let most = grants::needs(mpos, &most);
    sheet.judge(&tables::GRANTS, &granted, |(user, granted)| tables::grants(&needs, user, granted));
    sheet.judge(&tables::GRANTS_EXCESS, &granted, |(user, granted)| tables::grants_excess(&most, user, granted));
    let found = schema::schema(line, mpos).await;
    sheet.judge(&tables::OWN_TABLES, &found, |found| tables::own_tables(found, &mpos.database));
    sheet.judge(&tables::MPOS_TABLES, &found, tables::mpos_tables);
    sheet.judge(&tables::COLUMNS, &found, tables::columns);
    sheet.judge(&tables::ENGINE, &found, |found| tables::engine(found, mpos.allow_myisam));
    sheet.judge(&tables::INDEXES, &found, tables::indexes);
    let known = ids::known(line).await;
    let next = found.as_ref().map(|found| found.table("shares").and_then(|table| table.next_id)).map_err(Clone::clone);
    sheet.judge(&tables::SHARE_IDS, &next, |next| tables::share_ids(*next, &known));
    for known in &known {
        if let Err(why) = &known.greatest {
            sheet.could_not(&tables::SHARE_IDS, &format!("{}: {why}", known.place));
        }
    }
    sheet.judge(&tables::ID_ROOM, &found, |found| tables::id_room(found, next.as_ref().ok().copied().flatten()));
    let busy = rows::busy_secs(line).await;
    let both = found.and_then(|found| Ok((found, busy?)));
    sheet.judge(&tables::SIZE, &both, |(found, busy)| tables::size(found, *busy));
}

async fn of_pool(line: &mut Line, settings: &Seen<Values>, strict: bool, sheet: &mut Sheet) {
    sheet.judge(&pool::VERSION, settings, |settings| pool::version(settings, strict));
    sheet.judge(&pool::MAINTENANCE, settings, pool::maintenance);
    let monitoring = asked::monitoring(line).await;
    sheet.judge(&pool::CRON_DISABLED, &monitoring, pool::cron_disabled);
    sheet.judge(&pool::CRON_FAILED, &monitoring, pool::cron_failed);
    let now = rows::now(line).await;
    let both = monitoring.and_then(|monitoring| Ok((monitoring, now?)));
    sheet.judge(&pool::CRON_LATE, &both, |(monitoring, now)| pool::cron_late(monitoring, *now));
    sheet.judge(&pool::UNMATCHED, &asked::unmatched(line).await, pool::unmatched);
    sheet.judge(&pool::UNPAID, &asked::unpaid(line).await, pool::unpaid);
    let last = asked::last_block_id(line).await;
    let both = settings.as_ref().map_err(Clone::clone).and_then(|settings| Ok((settings, last?)));
    sheet.judge(&pool::PAYOUT_MARK, &both, |(settings, last)| pool::payout_mark(settings, *last));
    let candidates = asked::candidates(line).await;
    sheet.judge(&pool::LOST_BLOCKS, &candidates, |found| pool::lost_blocks(found));
    sheet.judge(&pool::PENDING_BLOCKS, &candidates, |found| pool::pending_blocks(found));
    sheet.judge(&pool::ZERO_ROUNDS, &asked::rounds(line).await, |found| pool::zero_rounds(found));
}

/// What each coin of the table has to do with it.
async fn of_coins(line: &mut Line, place: &Place, settings: &Seen<Values>, sheet: &mut Sheet) {
    let rounds = asked::rounds(line).await;
    let is_old = settings.as_ref().is_ok_and(|settings| !pool::version(settings, false).is_empty());
    for coin in &place.coins {
        sheet.judge(&pool::SHARE_FACTOR, &rounds, |rounds| pool::share_factor(rounds, coin.profile.mpos_bits));
        sheet.say(&wallet::LOW_DIFFICULTY, wallet::low_difficulty(coin, is_old));
        let fallback = names::named(line, &coin.mpos, &coin.fallback_worker).await;
        sheet.judge(&workers::FALLBACK, &fallback, |found| workers::fallback(coin, found));
    }
}

async fn of_workers(line: &mut Line, place: &Place, sheet: &mut Sheet) {
    let Some(coin) = place.coins.first() else { return };
    let found = names::wrong(line, &coin.mpos).await;
    sheet.judge(&workers::ODD, &found.odd, |names| workers::odd(names));
    sheet.judge(&workers::HOMELESS, &found.homeless, |names| workers::homeless(names));
    sheet.judge(&workers::FOREIGN, &found.foreign, |names| workers::foreign(names));
    sheet.judge(&workers::LOCKED, &found.locked, |names| workers::locked(names, coin.workers.refuse_locked));
}
