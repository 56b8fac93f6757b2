//! Commands that speak to the running daemon: one file per command.

mod ban;
mod client;
mod log_level;
mod miners;
mod reload;
mod status;
mod view;

pub(super) use self::ban::{Ban, LONG_ABOUT as BAN_LONG_ABOUT};
pub(super) use self::log_level::{Arguments as LogLevel, LONG_ABOUT as LOG_LEVEL_LONG_ABOUT};
pub(super) use self::miners::{LONG_ABOUT as MINERS_LONG_ABOUT, Miners};
pub(super) use self::reload::{Arguments as Reload, LONG_ABOUT as RELOAD_LONG_ABOUT};
pub(super) use self::status::{Arguments as Status, LONG_ABOUT as STATUS_LONG_ABOUT};
use crate::exit::Exit;

pub(super) fn status(arguments: &Status) -> Exit {
    ended(status::run(arguments))
}

pub(super) fn miners(miners: &Miners) -> Exit {
    ended(miners::run(miners))
}

pub(super) fn ban(ban: &Ban) -> Exit {
    ended(ban::run(ban))
}

pub(super) fn log_level(arguments: &LogLevel) -> Exit {
    ended(log_level::run(arguments))
}

pub(super) fn reload(arguments: &Reload) -> Exit {
    ended(reload::run(arguments))
}

fn ended(result: Result<Exit, Exit>) -> Exit {
    result.unwrap_or_else(|exit| exit)
}

/// Text of a miner's or a node's, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
