//! NOMP's `config.json`.

use super::super::database::port_number;
use super::super::draft::Table;
use super::super::history::Old;

const WEB_SITE: &str = "MPOS is the web site";
const NO_REDIS: &str = "no Redis is needed";
const SWITCHING: &str =
    "not served by this version: shares of a miner who is moved between coins belong to no one account";
const NOT_USED: &str = "no enabled pool takes it from here";

/// Options from which nothing follows.
pub(super) const IDLE: &[(&str, &str)] = &[
    ("blockNotifyListener", "the daemons' blocknotify=mpos-stratum notify COIN %s takes its place"),
    ("redisBlockNotifyListener", "new blocks are known at once by long polling"),
    ("website", WEB_SITE),
    ("redis", NO_REDIS),
    ("profitSwitch", "an external program's business; not served by this version"),
    ("proxy", SWITCHING),
];

/// Defaults for pools that none of them took.
pub(super) const IDLE_DEFAULTS: &[(&str, &str)] = &[
    ("redis", NO_REDIS),
    ("blockRefreshInterval", NOT_USED),
    ("jobRebroadcastTimeout", NOT_USED),
    ("txRefreshInterval", NOT_USED),
    ("connectionTimeout", NOT_USED),
    ("emitInvalidBlockHashes", NOT_USED),
    ("validateWorkerUsername", NOT_USED),
    ("tcpProxyProtocol", NOT_USED),
    ("banning", NOT_USED),
    ("address", NOT_USED),
    ("rewardRecipients", NOT_USED),
    ("instanceId", NOT_USED),
    ("daemon", NOT_USED),
    ("daemons", NOT_USED),
    ("p2p", NOT_USED),
    ("ports", NOT_USED),
    ("mposMode", NOT_USED),
    ("shareProcessing", NOT_USED),
];

/// Takes over what concerns the whole daemon.
pub(super) fn import(old: &Old<'_>, daemon: &mut Table) {
    log_level(old, "logLevel", daemon);
    match old.number("cliPort").and_then(port_number) {
        Some(port) => {
            daemon.text("nomp_listen", &format!("127.0.0.1:{port}"));
            old.adapted("cliPort", "daemon.nomp_listen", "for blocknotify, on this machine only");
        }
        None => old.attention("cliPort", "is not a valid port number"),
    }
    old.dropped("logColors", "colours are for terminals only");
    if let Some(logging) = old.within("logging") {
        logging_tables(&logging, daemon);
        logging.finish(&[]);
    }
    if let Some(clustering) = old.within("clustering") {
        let forks = clustering.number("forks").filter(|_| clustering.flag("enabled") != Some(false));
        if forks.is_some() {
            clustering.whole("forks", daemon, "worker_threads", 1.0..=1024.0, 1.0);
        } else {
            clustering.dropped("forks", "a thread for every core, in one process");
        }
        clustering.dropped("enabled", "one process, threads in the place of forks");
        clustering.finish(&[]);
    }
    for (_, switch) in old.tables("switching") {
        match switch.flag("enabled") {
            Some(true) => switch.attention("enabled", SWITCHING),
            _ => switch.dropped("enabled", "it was off"),
        }
        switch.finish(&[("algorithm", SWITCHING), ("ports", SWITCHING)]);
    }
}

fn log_level(old: &Old<'_>, option: &str, daemon: &mut Table) {
    let new = match old.text(option).map(str::to_ascii_lowercase).as_deref() {
        Some("warning" | "warn") => Some("warn"),
        Some("error") => Some("error"),
        _ => None,
    };
    match new {
        Some(_) if daemon.has("log_level") => old.dropped(option, "logLevel has said it"),
        Some(new) => {
            daemon.text("log_level", new);
            old.taken(option, "daemon.log_level");
        }
        None => {
            old.dropped(option, "log_level stays \"info\": \"debug\" was the old default, and tells every share here")
        }
    }
}

/// The tables of node-cryptonote-pool, which portals made of both have.
fn logging_tables(logging: &Old<'_>, daemon: &mut Table) {
    const JOURNAL: &str =
        "the log goes to the journal, which keeps and rotates it; daemon.log_file writes a file as well";
    if let Some(files) = logging.within("files") {
        files.finish(&[("level", JOURNAL), ("directory", JOURNAL), ("flushInterval", JOURNAL)]);
    }
    if let Some(console) = logging.within("console") {
        log_level(&console, "level", daemon);
        console.finish(&[("colors", "colours are for terminals only")]);
    }
}
