//! `check --online`: every coin held against its nodes, each node by itself, and what is wrong with the databases.

use crate::bytes::hex;
use crate::cli::doctor::{Essentials, essentials};
use crate::cli::say::say;
use crate::cli::{spool, wait};
use crate::config::{Coin, Config};
use crate::exit::Exit;
use crate::node::nodes::{Fit, Nodes};
use crate::service::payout;
use crate::service::proof::{self, Refusal};

/// Asks every node of every coin, and every database. One that says no, or nothing, makes the exit code say so.
pub(super) fn run(config: &Config) -> Exit {
    let all_good = wait::wait(async { Ok(check_all(config).await) });
    all_good.map_or_else(|exit| exit, |good| if good { Exit::Ok } else { Exit::Findings })
}

async fn check_all(config: &Config) -> bool {
    let mut all_good = true;
    for coin in &config.coins {
        say(&mut std::io::stdout(), format_args!("\n{}, asked online", coin.name));
        all_good &= check_coin(coin).await;
    }
    for place in spool::places(config) {
        say(&mut std::io::stdout(), format_args!("\ndatabase of {}, asked online", place.names()));
        all_good &= check_database(&place).await;
    }
    all_good
}

async fn check_database(place: &spool::Place) -> bool {
    let mut out = std::io::stdout();
    let Essentials { server, wrong } = essentials(place).await;
    for words in &wrong {
        say(&mut out, format_args!("  WRONG: {words}"));
    }
    if let Some((name, version)) = server {
        let tables = if wrong.is_empty() { "; tables and rights are as they must be" } else { "" };
        say(&mut out, format_args!("  {name}: version {version}{tables}"));
    }
    wrong.is_empty()
}

async fn check_coin(coin: &Coin) -> bool {
    let mut out = std::io::stdout();
    let mut good = true;
    let all = Nodes::new(&coin.nodes);
    for (node, of_all) in coin.nodes.iter().zip(all.all().iter()) {
        let nodes = Nodes::new(std::slice::from_ref(node));
        match proof::prove(coin, &nodes).await {
            Ok(proof) => say(&mut out, format_args!("  {}: {}", node.name, proof::described(coin, &proof))),
            Err(refusal) => {
                good = false;
                // What another coin's node says of the addresses counts for nothing.
                if let Refusal::Misfit { misfit, .. } = &refusal {
                    of_all.set_fit(Fit::Misfit { reason: misfit.to_string() });
                }
                say(&mut out, format_args!("  {}: WRONG: {refusal}", node.name));
            }
        }
    }
    // The wallet may be on any of the nodes.
    match payout::confirm(coin, &all).await {
        Ok(payout) => {
            say(&mut out, format_args!("  pays {} by the script {}", coin.payout_address, hex::encode(&payout.script)));
            for warning in payout.warnings {
                say(&mut out, format_args!("  warning: {warning}"));
            }
        }
        Err(problem) => {
            good = false;
            say(&mut out, format_args!("  WRONG: {problem}"));
        }
    }
    good
}
