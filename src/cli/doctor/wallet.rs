//! Whom blocks pay, and what MPOS's own settings say.

use super::report::{Check, Words, fault, note, warning};
use crate::cli::import::settings::MposSettings;
use crate::config::Coin;
use crate::difficulty::mpos_factor;
use crate::node::checkup::WalletState;

pub(super) static PAYOUT_OWNED: Check = Check {
    id: "wallet.payout_owned",
    means: "MPOS finds blocks only in the wallet that it watches: what is paid elsewhere it never books.",
};
pub(super) static ONE_OUTPUT: Check = Check {
    id: "wallet.one_output",
    means: "Two outputs of one coinbase in the wallet that MPOS watches stop its findblock (E0081): no block is booked \
            until an administrator forces it.",
};
pub(super) static UNLOCKED: Check =
    Check { id: "wallet.unlocked", means: "A locked wallet cannot sign: MPOS cannot pay its users." };
pub(super) static MPOS_FILE: Check =
    Check { id: "mpos.file", means: "MPOS's own configuration was not read, so it cannot be compared with ours." };
pub(super) static MPOS_WALLET: Check =
    Check { id: "wallet.reachable", means: "MPOS's wallet does not answer: MPOS books no blocks and pays nobody." };
pub(super) static ALGORITHM: Check = Check {
    id: "mpos.algorithm",
    means: "MPOS counts a unit of shares.difficulty as another number of hashes than this daemon: hash rates, \
            estimates and PPS payouts are wrong by that factor.",
};
pub(super) static DATABASE: Check = Check {
    id: "mpos.database",
    means: "This daemon writes into, or looks workers up in, another database than MPOS.",
};
pub(super) static CONFIRMATIONS: Check = Check {
    id: "mpos.confirmations",
    means: "MPOS pays a block at its own `confirmations`; we watch it until ours: a block that is orphaned in between \
            keeps its mark.",
};
pub(super) static STRATUM_PORT: Check =
    Check { id: "mpos.stratum_port", means: "MPOS tells its users a port on which nobody listens." };
pub(super) static PPS: Check = Check {
    id: "mpos.pps",
    means: "MPOS works out the price of a share as if its class had target_bits 16: in other classes PPS pays too little \
            by 2^16 (sha256d: 2^32 instead of 1).",
};
pub(super) static LOW_DIFFICULTY: Check = Check {
    id: "mpos.low_difficulty",
    means: "Rows of very small difficulty are shown as 0 by MPOS, and rounds of less than 1 were booked as 0 before \
            database version 1.0.3.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 11] = [
    &PAYOUT_OWNED,
    &ONE_OUTPUT,
    &UNLOCKED,
    &MPOS_FILE,
    &MPOS_WALLET,
    &ALGORITHM,
    &DATABASE,
    &CONFIRMATIONS,
    &STRATUM_PORT,
    &PPS,
    &LOW_DIFFICULTY,
];

/// Difficulties of rows below this one are shown as 0 by MPOS's pages.
const ROW_LEAST: f64 = 1e-4;

/// Whether a wallet owns an address; `None`: it does not say.
pub(super) type Owned = (String, Option<bool>);

/// `of_mpos`: what MPOS's own wallet says, if it was asked.
pub(super) fn payout_owned(address: &str, of_mpos: Option<&Owned>, nodes: &[Owned]) -> Words {
    let mend = "make a new address in MPOS's wallet (getnewaddress) and write it as payout_address";
    match of_mpos {
        Some((_, Some(true))) => return Words::new(),
        Some((name, Some(false))) => return vec![fault(format!("{name} does not own {address}"), mend)],
        _ => {}
    }
    if nodes.iter().any(|(_, owned)| *owned == Some(true)) {
        return Words::new();
    }
    let names = nodes.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if nodes.iter().any(|(_, owned)| *owned == Some(false)) {
        return vec![warning(
            format!("{address} belongs to no wallet of {names}"),
            format!("{mend}; --mpos global.inc.php asks MPOS's own wallet"),
        )];
    }
    vec![note(
        format!("no wallet of {names} says whether it owns {address}"),
        "--mpos global.inc.php asks MPOS's own wallet",
    )]
}

/// `name`: somebody who is paid beside the pool; `owners`: wallets that own the address; `same`: it is paid by another
/// output as well.
pub(super) fn one_output(name: &str, owners: &[String], same: bool) -> Words {
    let mend = "take an address of another wallet; a fee can be taken in MPOS instead";
    if !owners.is_empty() {
        return vec![fault(format!("{name} belongs to the wallet of {}", owners.join(", ")), mend)];
    }
    if same {
        vec![fault(format!("{name} is the payout address or paid by another output as well"), mend)]
    } else {
        Words::new()
    }
}

/// `must_sign`: blocks of the coin are signed with the wallet's key.
pub(super) fn unlocked(name: &str, state: WalletState, must_sign: bool, of_mpos: bool) -> Words {
    let mend = "walletpassphrase, for the time that it is needed";
    match state {
        WalletState::Locked if must_sign => {
            vec![fault(format!("the wallet of {name} is locked, but signs blocks"), mend)]
        }
        WalletState::Locked if of_mpos => {
            vec![note(format!("the wallet of {name} is locked: MPOS cannot pay its users now"), mend)]
        }
        _ => Words::new(),
    }
}

pub(super) fn algorithm(coin: &Coin, settings: &MposSettings) -> Words {
    let (algorithm, ours) = (&settings.algorithm, coin.profile.mpos_bits);
    match settings.bits {
        Some(bits) if bits == ours => Words::new(),
        Some(bits) => vec![fault(
            format!("MPOS's algorithm {algorithm:?} counts 2^{bits} hashes a unit, mpos_bits is {ours}"),
            format!("mpos_bits = {bits} in [[coin]], or the right algorithm in global.inc.php"),
        )],
        None => vec![note(
            format!("MPOS's algorithm {algorithm:?} is a class of your own; mpos_bits is {ours}"),
            "compare mpos_bits with target_bits in include/classes/coins/",
        )],
    }
}

pub(super) fn database(coin: &Coin, settings: &MposSettings) -> Words {
    let Some(pool) = &settings.database else {
        return vec![note("the file names no database", "compare with global.inc.dist.php")];
    };
    let accounts = settings.accounts.as_ref().unwrap_or(pool);
    let workers = settings.workers.as_ref().unwrap_or(pool);
    let ours = &coin.mpos;
    let pairs = [
        ("database", &ours.database, pool),
        ("accounts_database", &ours.accounts_database, accounts),
        ("workers_database", &ours.workers_database, workers),
    ];
    let told = |(key, ours, theirs): (&str, &String, &String)| {
        let saw = format!("{key} is {ours:?}, MPOS uses {theirs:?}");
        (ours != theirs).then(|| fault(saw, format!("{key} = \"{theirs}\" in [coin.mpos]")))
    };
    pairs.into_iter().filter_map(told).collect()
}

pub(super) fn confirmations(coin: &Coin, settings: &MposSettings) -> Words {
    let Some(theirs) = settings.confirmations else { return Words::new() };
    if coin.confirmations >= theirs {
        return Words::new();
    }
    vec![warning(
        format!("confirmations is {}, MPOS pays at {theirs}", coin.confirmations),
        format!("confirmations = {theirs} in [[coin]]"),
    )]
}

pub(super) fn stratum_port(coin: &Coin, settings: &MposSettings) -> Words {
    let Some(port) = settings.stratum_port else { return Words::new() };
    if coin.ports.iter().any(|known| known.listen.port() == port) {
        return Words::new();
    }
    vec![note(
        format!("MPOS shows port {port}, on which no [[coin.port]] listens"),
        "$config['gettingstarted']['stratumport'] in global.inc.php; nothing, if a balancer or firewall maps it",
    )]
}

pub(super) fn pps(settings: &MposSettings) -> Words {
    match (settings.payout_system.as_deref(), settings.bits) {
        (Some("pps"), Some(bits)) if bits != 16 => vec![warning(
            format!("payout_system is pps with the class {:?} of {bits} bits", settings.algorithm),
            "take pplns or prop, or correct the price of a share in MPOS's coin class",
        )],
        _ => Words::new(),
    }
}

/// `is_old`: MPOS's database is older than 1.0.3.
pub(super) fn low_difficulty(coin: &Coin, is_old: bool) -> Words {
    let factor = mpos_factor(coin.profile.stratum_bits, coin.profile.mpos_bits);
    let least = |port: &crate::config::Port| {
        let vardiff = port.vardiff.as_ref().map_or(f64::INFINITY, |vardiff| vardiff.min.get());
        vardiff.min(port.difficulty.get()) * factor
    };
    let told = |port: &std::sync::Arc<crate::config::Port>| {
        let row = least(port);
        let bound = if is_old { 1.0 } else { ROW_LEAST };
        let saw = format!("the least row of port {} has difficulty {row:e}", port.listen);
        (row < bound).then(|| warning(saw, "raise difficulty and vardiff.min of the port"))
    };
    coin.ports.iter().filter_map(told).collect()
}

#[cfg(test)]
#[path = "wallet/tests.rs"]
mod tests;
