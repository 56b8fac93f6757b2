//! `mpos-stratum spool resume`: more refused rows may go to quarantine.

use clap::Args;

use super::decide::wait_for_outcome;
use super::{Target, open};
use crate::cli::say::{complain, fail};
use crate::exit::Exit;
use crate::ledger::decision::{self, Permission};
use crate::ledger::files::random_id;

pub(super) const LONG_ABOUT: &str = "\
Let a paused drain go on: more refused rows may go to quarantine.

Where the database refuses several rows one after the other the drain pauses, because the fault may be in
the table and not in the rows; `spool status` shows what the database said. If the table can be mended,
mend it: the drain goes on by itself. If the rows are at fault this command lets up to --rows more of them
go to quarantine.jsonl, from where `spool replay` brings them back when they were mended. The permission
ends with the first row that the database takes, or when the daemon stops.";

const AFTER_HELP: &str = "\
Exit codes: 0 the drain goes on, 64 command line, or the drain is not paused, 69 the spool cannot be read, or the daemon
refused or has not answered yet, 78 the configuration is wrong.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// So many more rows may go to quarantine before the drain pauses again
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
}

pub(super) async fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let place = arguments.target.place()?;
    let files = open(&place.dir)?;
    let failed = |error: std::io::Error| fail(format_args!("{}: {error}", place.dir.display()));
    let note = decision::drain_note(&place.dir).map_err(failed)?;
    if files.holder().map_err(failed)?.is_none() || note.is_none_or(|note| note.state != "paused") {
        complain("the daemon's drain is not paused: there is nothing to resume (see `spool status`)");
        return Err(Exit::Usage);
    }
    let permission =
        Permission { id: random_id().map_err(failed)?, spool: files.spool().to_string(), rows: arguments.rows };
    decision::permit(&place.dir, &permission).map_err(failed)?;
    wait_for_outcome(&place.dir, &permission.id).await
}
