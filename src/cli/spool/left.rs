//! `mpos-stratum spool left`: asked before a state directory is thrown away, also by the package when it is removed.

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::cli::say::{fail, say};
use crate::exit::Exit;
use crate::service::left::left_in;

const AFTER_HELP: &str = "\
Exit codes: 0 every share is in its database, 1 undrained shares remain, 64 command line, 69 the directory cannot be read.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The directory that holds the spools
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mpos-stratum")]
    state_dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Exit> {
    let dir = &arguments.state_dir;
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => fail(format_args!(
            "{}: there is no such directory; name the state_dir of the configuration with --state-dir",
            dir.display()
        )),
        _ => fail(format_args!("{}: {error}; run this as root or as the daemon's user", dir.display())),
    };
    let left = left_in(dir).map_err(unreadable)?;
    for spool in &left {
        say(&mut std::io::stdout(), spool);
    }
    if left.is_empty() {
        say(&mut std::io::stdout(), format_args!("{}: every share is in its database", dir.display()));
    }
    Ok(if left.is_empty() { Exit::Ok } else { Exit::Findings })
}
