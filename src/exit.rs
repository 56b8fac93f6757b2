//! Exit codes of the process, after BSD's sysexits: the unit file tells a bad configuration (no
//! restart) from a crash (restart) by them.

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A clean stop, or a command that found nothing wrong.
    Ok,
    /// A command that looks for something wrong found it.
    Findings,
    /// The command line could not be understood.
    Usage,
    /// Something the daemon needs at start is not there: an address in use, a spool it cannot open.
    Unavailable,
    /// A bug: an internal check failed.
    Software,
    /// The spool cannot be written: its disk is full, read-only or gone.
    CannotCreate,
    /// The daemon's user may not use the spool; starting again cannot help.
    NoPermission,
    /// The configuration is wrong; starting again cannot help.
    Config,
}

impl Exit {
    /// The number handed to the operating system.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 64,
            Exit::Unavailable => 69,
            Exit::Software => 70,
            Exit::CannotCreate => 73,
            Exit::NoPermission => 77,
            Exit::Config => 78,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
