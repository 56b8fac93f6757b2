//! `mpos-stratum audit`
use crate::exit::Exit;
use clap::Args;
#[derive(Args)]
pub(super) struct Arguments {}
pub(super) fn run(_arguments: &Arguments) -> Exit {
    Exit::Ok
}
