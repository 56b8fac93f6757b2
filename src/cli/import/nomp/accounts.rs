//! Who may mine at a NOMP pool that wrote for MPOS: `mposMode`, or `shareProcessing.mpos` of the first
//! versions; and who is sent away.

use super::super::database::{self, Login, Part};
use super::super::draft::{CoinDraft, Table};
use super::super::history::{Context, Old};

/// The table with MPOS's database.
pub(super) fn mode<'a>(pool: &Old<'a>) -> Option<Old<'a>> {
    pool.within("mposMode").or_else(|| pool.within("shareProcessing").and_then(|old| old.within("mpos")))
}

/// Reads the login of MPOS's database.
pub(super) fn login(mode: Option<&Old<'_>>) -> Login {
    let Some(mode) = mode else { return Login::default() };
    database::login(
        mode,
        &[
            ("host", Part::Host, "mpos.host"),
            ("port", Part::Port, "mpos.port"),
            ("user", Part::User, "mpos.user"),
            ("password", Part::Password, "mpos.password"),
            ("database", Part::Name, database::DATABASE),
        ],
    )
}

/// Writes `[coin.workers]`. NOMP looked at passwords only where it looked at pool.
pub(super) fn workers(cx: &Context, pool: &Old<'_>, mode: Option<Old<'_>>, coin: &mut CoinDraft) {
    let Some(mode) = mode else {
        cx.remark(format!("{}: the pool did not write for MPOS; its database and workers are to be told", coin.name));
        return;
    };
    if mode.flag("enabled") == Some(false) {
        mode.attention("enabled", "the pool did not write for MPOS; here it does");
    } else {
        mode.dropped("enabled", "always: MPOS is what shares are written for");
    }
    let create = mode.flag("autoCreateWorker") == Some(true);
    // JavaScript took any text but the empty one for true.
    let looked = pool.truth("validateWorkerUsername") == Some(true) || create;
    if let Some(auth) = mode.text("stratumAuth") {
        let check = auth.eq_ignore_ascii_case("password");
        coin.workers.set("check_password", check.to_string());
        match auth.to_ascii_lowercase().as_str() {
            "password" | "worker" => mode.taken("stratumAuth", "workers.check_password"),
            _ => mode.attention("stratumAuth", "anybody could mine; here a worker must be stored in MPOS"),
        }
    } else {
        let check = mode.truth("checkPassword").unwrap_or(true);
        coin.workers.set("check_password", (check && looked).to_string());
        if check && !looked {
            let why = "false: without validateWorkerUsername and autoCreateWorker the old server looked at no password";
            mode.adapted("checkPassword", "workers.check_password", why);
        } else if check && mode.flag("checkPassword") == Some(false) {
            mode.attention("checkPassword", "NOMP took any text for true and looked at passwords: true is written");
        } else {
            mode.taken("checkPassword", "workers.check_password");
        }
    }
    coin.workers.set("auto_create", create.to_string());
    mode.taken("autoCreateWorker", "workers.auto_create");
    if looked {
        pool.dropped("validateWorkerUsername", "always: a worker must be stored in MPOS");
    } else {
        let why = "anybody could mine, and shares of unknown workers were lost; here a worker must be stored in MPOS";
        pool.attention("validateWorkerUsername", why);
    }
    mode.finish(&[]);
    if let Some(processing) = pool.within("shareProcessing") {
        // Its part for MPOS has told of itself.
        let _ = processing.within("mpos");
        processing.finish(&[("internal", "MPOS pays")]);
    }
}

/// Takes the limits on bad shares over.
pub(super) fn banning(pool: &Old<'_>, port: &mut Table) {
    let Some(banning) = pool.within("banning") else { return };
    if banning.flag("enabled") == Some(true) {
        port.set("ban_closes", "1");
        banning.adapted("enabled", "port.ban_closes", "1: there the first window over the limit banned the address");
        banning.whole("invalidPercent", port, "invalid_percent_max", 1.0..=99.0, 1.0);
        banning.whole("checkThreshold", port, "invalid_window_shares", 20.0..=100_000.0, 1.0);
        banning.whole("time", port, "ban_secs", 1.0..=604_800.0, 1.0);
    } else {
        banning.taken("enabled", "port.invalid_percent_max = 100");
        port.set("invalid_percent_max", "100");
    }
    let off = "banning is off";
    banning.finish(&[
        ("purgeInterval", "bans end by themselves"),
        ("time", off),
        ("invalidPercent", off),
        ("checkThreshold", off),
        ("redis", "no Redis is needed"),
    ]);
}
