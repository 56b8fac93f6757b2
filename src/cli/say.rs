//! What commands print, and how they end when they cannot go on.

use std::fmt::Display;
use std::io::Write;

use crate::exit::Exit;

/// Writes a line. A reader that went away is no reason to fail.
pub(super) fn say(to: &mut impl Write, line: impl Display) {
    let _ = writeln!(to, "{line}");
}

/// Writes to standard output.
pub(super) fn tell(what: impl Display) {
    say(&mut std::io::stdout(), what);
}

/// Writes to standard error.
pub(super) fn complain(what: impl Display) {
    say(&mut std::io::stderr(), what);
}

/// Says why a command cannot go on, and what it ends with then.
pub(super) fn fail(why: impl Display) -> Exit {
    complain(why);
    Exit::Unavailable
}
