//! The options of the pool itself: payout, coinbase, templates, workers, logging.

use super::super::draft::{CoinDraft, Table, number, text};
use super::super::history::{Context, Old};
use super::super::identity;
use crate::coin::preset::Preset;

/// Longest time between two templates that leaves block times right for MPOS, in seconds.
const REFRESH_SECS_MAX: f64 = 30.0;
/// Longest coinbase text.
const COINBASE_TEXT_BYTES_MAX: usize = 32;
/// Rows in one transaction where nothing else was chosen.
const OLD_ROWS: f64 = 50.0;

/// Where the coin's blocks differ from Bitcoin's. Without a preset the keys are written.
pub(super) fn form(old: &Old<'_>, coin: &mut CoinDraft, preset: Option<&Preset>) {
    for option in ["COINDAEMON_REWARD", "COINDAEMON_Reward"] {
        match old.text(option).map(str::to_ascii_uppercase).as_deref() {
            Some("POS") => identity::put_form(old, coin, preset, option, &identity::STAKED),
            _ => old.dropped(option, "proof of work"),
        }
    }
    match old.flag("COINDAEMON_TX") {
        Some(true) => identity::put_form(old, coin, preset, "COINDAEMON_TX", &["transaction_messages"]),
        _ => old.dropped("COINDAEMON_TX", "no transaction messages"),
    }
    old.dropped("COINDAEMON_SHA256_TX", "for proof-of-stake coins only");
}

pub(super) fn payout(cx: &Context, old: &Old<'_>, coin: &mut CoinDraft, preset: Option<&Preset>) {
    match identity::put_payout(cx, coin, old.text("CENTRAL_WALLET"), preset) {
        true => old.taken("CENTRAL_WALLET", "payout_address"),
        false => old.asked("CENTRAL_WALLET", "payout_address"),
    }
    match old.flag("ALLOW_NONLOCAL_WALLET") {
        Some(true) => old.attention(
            "ALLOW_NONLOCAL_WALLET",
            "the address was not of the node's wallet; MPOS sees no block that its wallet is not paid for",
        ),
        _ => old.dropped("ALLOW_NONLOCAL_WALLET", "the node must own payout_address"),
    }
    identity::put_fallback_worker(cx, coin);
}

/// `described`: no preset knows what the coin is.
pub(super) fn coinbase(old: &Old<'_>, coin: &mut CoinDraft, described: bool) {
    match old.text("COINBASE_EXTRAS") {
        Some(text)
            if text.len() <= COINBASE_TEXT_BYTES_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) =>
        {
            coin.own.text("coinbase_text", text);
            old.taken("COINBASE_EXTRAS", "coinbase_text");
        }
        Some(_) => {
            let why = format!("longer than {COINBASE_TEXT_BYTES_MAX} bytes or not plain text; the default counts");
            old.dropped("COINBASE_EXTRAS", why);
        }
        None => old.dropped("COINBASE_EXTRAS", "empty; the default of coinbase_text counts"),
    }
    old.whole("INSTANCE_ID", &mut coin.own, "instance", 0.0..=65_535.0, 1.0);
    match old.flag("COINDAEMON_HAS_SEGWIT") {
        Some(has) if described => {
            coin.own.set("template_rules", if has { "[\"segwit\"]" } else { "[]" });
            old.taken("COINDAEMON_HAS_SEGWIT", "template_rules");
        }
        _ => old.dropped("COINDAEMON_HAS_SEGWIT", "the preset knows it"),
    }
    let why = match old.flag("SOLUTION_BLOCK_HASH") {
        Some(false) => {
            "the proof-of-work hash went into `solution`, where MPOS cannot use it; a block's row holds the hash by which \
                        the node knows it"
        }
        _ => "always: a block's row holds the hash by which the node knows it (`block_hash`)",
    };
    old.dropped("SOLUTION_BLOCK_HASH", why);
}

pub(super) fn templates(old: &Old<'_>, coin: &mut CoinDraft) {
    match old.number("MERKLE_REFRESH_INTERVAL") {
        Some(secs) if secs <= REFRESH_SECS_MAX => {
            old.whole("MERKLE_REFRESH_INTERVAL", &mut coin.templates, "refresh_secs", 1.0..=600.0, 1.0);
        }
        _ => {
            let why = format!("{REFRESH_SECS_MAX}, the default: MPOS needs block times that are not older");
            old.adapted("MERKLE_REFRESH_INTERVAL", "templates.refresh_secs", why);
        }
    }
    match old.number("PREVHASH_REFRESH_INTERVAL") {
        Some(secs) if secs < 1.0 => {
            old.whole("PREVHASH_REFRESH_INTERVAL", &mut coin.templates, "poll_ms", 50.0..=60_000.0, 1000.0);
        }
        _ => old.dropped(
            "PREVHASH_REFRESH_INTERVAL",
            "new blocks are known at once by long polling, and by asking each second",
        ),
    }
}

pub(super) fn workers(old: &Old<'_>, coin: &mut CoinDraft) {
    coin.workers.set("check_password", check_password(old).to_string());
    let create = old.flag("USERS_AUTOADD");
    coin.workers.set("auto_create", create.unwrap_or(false).to_string());
    match create {
        Some(_) => old.taken("USERS_AUTOADD", "workers.auto_create"),
        None if old.has("USERS_AUTOADD") => old.attention("USERS_AUTOADD", "is neither yes nor no; false counts"),
        None => old.adapted("USERS_AUTOADD", "workers.auto_create", "false, the old server's default"),
    }
    match old.flag("ALLOW_EXTERNAL_DIFFICULTY") {
        Some(true) => {
            coin.workers.text("pool_worker_difficulty", "read");
            let why = "a worker starts with what pool_worker.difficulty says; zero is no word";
            old.adapted("ALLOW_EXTERNAL_DIFFICULTY", "workers.pool_worker_difficulty", why);
        }
        _ => old.dropped("ALLOW_EXTERNAL_DIFFICULTY", "off here too: pool_worker.difficulty is written, not read"),
    }
    match old.number("DB_LOADER_REC_MAX") {
        Some(rows) if (rows - OLD_ROWS).abs() > 0.1 && rows >= 1.0 => {
            let rows = number(rows.round().min(10_000.0));
            coin.ledger.set("batch_rows_max", rows);
            old.taken("DB_LOADER_REC_MAX", "ledger.batch_rows_max");
        }
        _ => old.dropped("DB_LOADER_REC_MAX", "its old default; batch_rows_max has its own"),
    }
}

/// Whether passwords are looked at. What cannot be read must not open the pool: whoever knows a worker's name could mine
/// in its stead.
fn check_password(old: &Old<'_>) -> bool {
    const OPTION: &str = "USERS_CHECK_PASSWORD";
    const KEY: &str = "workers.check_password";
    if old.computed(OPTION, "true is written, so that nobody mines with a wrong password unless you say so") {
        return true;
    }
    match old.truth(OPTION) {
        None => old.adapted(OPTION, KEY, "false, the old server's default"),
        Some(true) if old.flag(OPTION) != Some(true) => {
            let why = "Python takes it for true, so the old server looked at passwords: true is written; false lets \
                       every password in";
            old.attention(OPTION, why);
        }
        Some(_) => old.taken(OPTION, KEY),
    }
    old.truth(OPTION) == Some(true)
}

/// Other ways in than stratum over TCP. Miners that still use one lose the pool.
pub(super) fn transports(old: &Old<'_>) {
    for option in ["LISTEN_HTTP_TRANSPORT", "LISTEN_HTTPS_TRANSPORT", "LISTEN_WS_TRANSPORT", "LISTEN_WSS_TRANSPORT"] {
        match old.truth(option) {
            Some(false) => old.dropped(option, "it was off"),
            _ => old.attention(option, "miners connect by stratum over TCP or TLS only: move those that come this way"),
        }
    }
}

/// Who may say `mining.update_block`, as the nodes' `blocknotify` lines do.
pub(super) fn update_block(old: &Old<'_>, coin: &mut CoinDraft) {
    let is_digest = |digest: &&str| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(digest) = old.text("ADMIN_PASSWORD_SHA256").filter(is_digest) else {
        old.dropped("ADMIN_PASSWORD_SHA256", "none: nobody may tell of blocks on the miners' port");
        old.dropped("ADMIN_RESTRICT_INTERFACE", "ADMIN_PASSWORD_SHA256 is not set");
        return;
    };
    coin.update_block.text("password_sha256", &digest.to_ascii_lowercase());
    let why = "for mining.update_block only; other commands are mpos-stratum's own, on this machine";
    old.adapted("ADMIN_PASSWORD_SHA256", "update_block.password_sha256", why);
    match old.text("ADMIN_RESTRICT_INTERFACE").filter(|from| from.parse::<std::net::IpAddr>().is_ok()) {
        Some(from) => {
            coin.update_block.set("from", format!("[{}]", text(from)));
            old.taken("ADMIN_RESTRICT_INTERFACE", "update_block.from");
        }
        None => {
            let why = "was open to everybody; here to this machine, unless `from` says more";
            old.attention("ADMIN_RESTRICT_INTERFACE", why);
        }
    }
}

/// `LOGLEVEL`; `DEBUG` adds requests and replies.
pub(super) fn log_level(old: &Old<'_>, daemon: &mut Table) {
    let level = old.text("LOGLEVEL").map(str::to_ascii_uppercase);
    let new = match level.as_deref() {
        Some("WARNING" | "WARN") => Some("warn"),
        Some("ERROR" | "CRITICAL") => Some("error"),
        _ => None,
    };
    if let Some(new) = new {
        daemon.text("log_level", new);
        old.taken("LOGLEVEL", "daemon.log_level");
    } else {
        old.dropped("LOGLEVEL", "log_level stays \"info\": \"debug\" was the old default, and tells every share here");
    }
    match old.flag("DEBUG") {
        Some(true) => {
            if new.is_none() {
                daemon.text("log_level", "debug");
            }
            old.taken("DEBUG", "daemon.log_level");
        }
        _ => old.dropped("DEBUG", "off"),
    }
}
