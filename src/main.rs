//! The `mpos-stratum` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpos_stratum::cli::main().into()
}
