//! Looks at a spool and the database behind it, and at the machine.

use super::report::Sheet;
use super::{database, machine, spool};
use crate::cli::spool::Place;
use crate::cli::spool::situation::{self, Database};
use crate::clock::Clock;
use crate::config::{Config, Mpos};
use crate::ledger::inspect::SpoolFiles;
use crate::mpos::doctor::rows::Row;
use crate::mpos::doctor::{Line, Seen};
use crate::service::place::of_spool;
use crate::service::{server_note, spools};

/// What the other checks want to know of a spool.
#[derive(Default)]
pub(super) struct Known {
    /// The process that works with it.
    pub(super) holder: Option<u32>,
    /// The second of its newest event.
    pub(super) last_time: u64,
}

/// Looks at everything that belongs to one `shares` table.
pub(super) async fn look(config: &Config, place: &Place, clock: &impl Clock, sheet: &mut Sheet) -> Known {
    let Some(coin) = place.coins.first() else { return Known::default() };
    sheet.turn_to(format!("{}: spool", place.names()));
    let tables: Vec<&Mpos> = config.coins.iter().map(|coin| &coin.mpos).collect();
    let strays = spools::strays(&config.daemon.state_dir, &tables);
    let choice = spools::choose(&config.daemon.state_dir, &coin.mpos);
    sheet.say(&spool::STRAY, spool::strays(&strays, &choice));
    let disk = spool::disk(&place.dir);
    sheet.judge(&spool::INODES, &disk, spool::inodes);
    sheet.judge(&spool::PLACE, &disk, spool::place);
    // Before the first start there is none.
    let opened = place.dir.exists().then(|| SpoolFiles::open(&place.dir));
    let unusable = opened.as_ref().and_then(|opened| spool::files(&place.dir, opened.as_ref().err()?));
    let files = opened.map(|opened| opened.map_err(|error| error.to_string()));
    let readings = files.as_ref().map(|files| files.as_ref().map_err(Clone::clone).and_then(spool::readings));
    let used = readings.as_ref().and_then(|seen| seen.as_ref().ok()).map_or(0, |seen| seen.undrained_bytes);
    sheet.judge(&spool::ROOM, &disk, |disk| spool::room(disk, &coin.ledger, used));
    let mut known = Known::default();
    if let Some(readings) = &readings {
        match unusable {
            Some(word) => sheet.say(&spool::FILES, vec![word]),
            None => sheet.judge(&spool::FILES, readings, |_| Vec::new()),
        }
        for (check, judge) in [
            (&spool::DRAIN, spool::drain as fn(&_) -> _),
            (&spool::QUARANTINE, spool::quarantine),
            (&spool::DAMAGE, spool::damage),
        ] {
            sheet.judge(check, readings, judge);
        }
        sheet.judge(&spool::UNDRAINED, readings, |seen| spool::undrained(seen, clock.unix_secs()));
        sheet.judge(&spool::BOUND, readings, |seen| spool::bound(seen, &coin.ledger));
        if let Ok(seen) = readings {
            known = Known { holder: seen.holder, last_time: seen.last_time };
        }
        let modes = spool::modes(&place.dir, known.holder);
        sheet.judge(&spool::MODES, &modes, |modes| spool::modes_words(&place.dir, modes));
    }
    let files = files.and_then(Result::ok);
    let in_use = files.as_ref().and_then(server_note::of_daemon);
    let (mut line, reached) = Line::open(&coin.mpos, in_use.as_deref()).await;
    sheet.turn_to(format!("{}: database {}", place.names(), coin.mpos.database));
    let newest = database::look(&mut line, &reached, place, clock, sheet).await;
    sheet.turn_to(format!("{}: writer of shares", place.names()));
    writers(&mut line, files.as_ref(), readings.as_ref(), &newest, sheet).await;
    line.close().await;
    known
}

/// Who writes the table.
async fn writers(
    line: &mut Line,
    files: Option<&SpoolFiles>,
    readings: Option<&Seen<spool::Readings>>,
    newest: &Seen<Vec<Row>>,
    sheet: &mut Sheet,
) {
    let Some(readings) = readings else {
        let now = crate::mpos::doctor::rows::now(line).await;
        let both = newest.as_ref().map_err(Clone::clone).and_then(|newest| Ok((newest, now?)));
        sheet.judge(&spool::STRANGERS, &both, |(newest, now)| spool::predecessor(newest, *now));
        return;
    };
    let (Some(files), Ok(readings)) = (files, readings) else {
        // Whose rows there are only the spool could tell.
        for check in [&spool::POSITION, &spool::OTHER_WRITER, &spool::STRANGERS] {
            sheet.could_not(check, "the spool cannot be read: see spool.files");
        }
        return;
    };
    let standing = line.standing(&readings.spool).await;
    let server = line.server().to_owned();
    let situation = standing.and_then(|(standing, kept)| {
        let is_own = situation::is_own(files, standing.as_ref())?;
        let database = Database { standing, kept, server, place: of_spool(files.dir()), is_own };
        Ok(situation::judge(&readings.spool, &database, readings.confirmed, readings.explained_max))
    });
    sheet.judge(&spool::POSITION, &situation, |situation| spool::position(situation.trouble.as_ref()));
    sheet.judge(&spool::OTHER_WRITER, &situation, |situation| spool::other_writer(situation.trouble.as_ref()));
    let told = spool::told(files);
    let both = newest.as_ref().map_err(Clone::clone).and_then(|newest| Ok((newest, told?)));
    sheet.judge(&spool::STRANGERS, &both, |(newest, told)| spool::strangers(newest, told));
}

/// Looks at the machine. `holders`: the processes that work with the spools.
pub(super) fn machine(config: &Config, holders: &[u32], last: u64, clock: &impl Clock, sheet: &mut Sheet) {
    sheet.turn_to("this machine");
    sheet.say(&machine::CLOCK, machine::clock(clock.unix_secs(), last));
    sheet.say(&machine::DAEMON, machine::daemon(holders));
    let process = holders.first().copied();
    let limit = machine::file_limit(process);
    let wanted = config.daemon.connections_max;
    sheet.judge(&machine::OPEN_FILES, &limit, |limit| machine::open_files(*limit, wanted, process.is_some()));
    let sockets = process.map(machine::sockets_of).transpose();
    let both = machine::listeners().and_then(|listeners| Ok((listeners, sockets?)));
    sheet.judge(&machine::PORTS, &both, |(listeners, ours)| machine::ports(config, listeners, ours.as_deref()));
    sheet.say(&machine::NOTIFY, machine::notify(&config.daemon.runtime_dir, process.is_some()));
}
