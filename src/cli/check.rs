//! `mpos-stratum check`

use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::quantity::hash_rate;
use super::say::{complain, say};
use super::{ConfigArgument, load, load_to_look};
use crate::config::{Coin, Config, Durability, FixedOutput, Mpos, NodeLogin, Port};
use crate::difficulty::mpos_factor;
use crate::exit::Exit;
use crate::pow::{Algorithm, names};

mod online;
mod readable;

const AFTER_HELP: &str = "\
Examples:
  mpos-stratum check                                   the file of the service
  mpos-stratum check --config new.toml --online        a new one, and whether nodes and databases agree with it

Root may read everything; as root it also says which of the files the daemon's user may not. To look as that user does:
  runuser -u mpos-stratum -- mpos-stratum check

Exit codes: 0 good, 1 with --online: a node or a database objects or does not answer, 64 command line, 78 the
configuration is wrong.";

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Ask nodes and databases too: whether the profile is that of the chain and the payout address one of the wallet,
    /// and whether the tables are there and may be used
    #[arg(long)]
    online: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let path = arguments.config.config.as_path();
    // Only those who ask the nodes need what the service manager gives to the daemon alone.
    let loaded = if arguments.online { load(path) } else { load_to_look(path) };
    let config = match loaded {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    for warning in &config.warnings {
        complain(format_args!("warning: {warning}"));
    }
    for warning in readable::warnings(&config) {
        complain(format_args!("warning: {warning}"));
    }
    let mut summary = String::new();
    // Writing into a string cannot fail.
    let _ = summarise(&mut summary, path, &config);
    say(&mut std::io::stdout(), summary.trim_end());
    if arguments.online { online::run(&config) } else { Exit::Ok }
}

/// The configuration as it was understood, for people.
fn summarise(out: &mut String, path: &Path, config: &Config) -> fmt::Result {
    let ports: usize = config.coins.iter().map(|coin| coin.ports.len()).sum();
    writeln!(out, "{} is good: {}, {}.", path.display(), count(config.coins.len(), "coin"), count(ports, "port"))?;
    writeln!(out, "State is kept in {}.", config.daemon.state_dir.display())?;
    if let Some(path) = &config.daemon.log_file {
        let parent = path.parent().is_some_and(std::path::Path::is_dir);
        let doubt = if path.is_dir() || !parent {
            ", which cannot be opened: its folder does not exist, or the path is a folder"
        } else {
            ""
        };
        writeln!(out, "The log goes into {}{doubt}.", path.display())?;
    }
    for coin in &config.coins {
        writeln!(out)?;
        summarise_coin(out, coin)?;
    }
    Ok(())
}

fn summarise_coin(out: &mut String, coin: &Coin) -> fmt::Result {
    writeln!(out, "{} ({})", coin.name, algorithm(coin.profile.algorithm))?;
    for node in &coin.nodes {
        let login = match &node.login {
            NodeLogin::Password { user, .. } => format!("as {user}"),
            NodeLogin::Cookie(path) => format!("by the cookie {}", path.display()),
        };
        writeln!(out, "  node       {} {login}", node.name)?;
    }
    writeln!(out, "  pays       {} (instance {}, \"{}\")", coin.payout_address, coin.instance, coin.coinbase_text)?;
    for fixed in &coin.fixed_outputs {
        writeln!(out, "             {}", described_fixed(fixed))?;
    }
    for recipient in &coin.recipients {
        let percent = f64::from(recipient.share_ppm) / 10_000.0;
        writeln!(out, "             {percent} % of it {}", recipient.written)?;
    }
    for port in &coin.ports {
        writeln!(out, "  port       {}", described(port))?;
    }
    writeln!(out, "  shares     {}", database(&coin.mpos))?;
    let workers = match (coin.workers.check_password, coin.workers.auto_create) {
        (true, false) => "stored workers with their password",
        (false, false) => "stored workers with any password",
        (true, true) => "stored workers with their password; unknown workers of an account are stored",
        (false, true) => "stored workers with any password; unknown workers of an account are stored",
    };
    writeln!(out, "  workers    {workers}; blocks of nobody authorised go to {}", coin.fallback_worker)?;
    let survives = match coin.ledger.durability {
        Durability::Process => "a crash of the daemon",
        Durability::Power => "a power cut",
    };
    let spool_mib = coin.ledger.spool_bytes_max >> 20;
    writeln!(out, "  spool      up to {spool_mib} MiB; an answered share survives {survives}")?;
    worked_example(out, coin)
}

/// What the coin's rules demand, and when.
fn described_fixed(fixed: &FixedOutput) -> String {
    let to: Vec<&str> = fixed.to.iter().map(|(written, _)| written.as_str()).collect();
    let from = match *fixed.heights.start() {
        0 => String::new(),
        height => format!(", from height {height}"),
    };
    let until = match *fixed.heights.end() {
        u32::MAX => String::new(),
        height => format!(", up to height {height}"),
    };
    let unless = match fixed.members.as_slice() {
        [] => String::new(),
        members => format!(", unless the template names {}", members.join(" or ")),
    };
    let turns = if to.len() > 1 { " in turn" } else { "" };
    format!("{} of the whole {}{turns}{from}{until}{unless}", fixed.due, to.join(", "))
}

/// What a share becomes, in numbers an operator can compare with MPOS's pages.
fn worked_example(out: &mut String, coin: &Coin) -> fmt::Result {
    let profile = &coin.profile;
    let factor = mpos_factor(profile.stratum_bits, profile.mpos_bits);
    writeln!(
        out,
        "  difficulty 1 = 2^{} hashes for miners, 2^{} for MPOS (target_bits): rows hold stratum difficulty x {factor}",
        profile.stratum_bits, profile.mpos_bits
    )?;
    let Some(port) = coin.ports.first() else { return Ok(()) };
    let difficulty = port.difficulty.get();
    let hashes = difficulty * 2f64.powi(i32::from(profile.stratum_bits));
    let target = port.vardiff.as_ref().map_or(Duration::from_secs(15), |vardiff| vardiff.target);
    writeln!(
        out,
        "             a share of difficulty {difficulty} is stored as {}; one in {} s is {}",
        difficulty * factor,
        target.as_secs(),
        hash_rate(hashes / target.as_secs_f64())
    )
}

fn described(port: &Port) -> String {
    match &port.vardiff {
        None => format!("{}, difficulty {} for everybody", port.listen, port.difficulty),
        Some(vardiff) => format!(
            "{}, difficulty {} at first, then {} to {} for one share in {} s",
            port.listen,
            port.difficulty,
            vardiff.min,
            vardiff.max,
            vardiff.target.as_secs()
        ),
    }
}

fn database(mpos: &Mpos) -> String {
    format!(
        "{}.shares at {} as {}; {}.accounts, {}.pool_worker",
        mpos.database, mpos.endpoint, mpos.user, mpos.accounts_database, mpos.workers_database
    )
}

fn algorithm(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::Scrypt { log_n, r } => format!("scrypt, N = {}, r = {r}", 1u64 << log_n),
        other => names::name_of(other).to_owned(),
    }
}

fn count(number: usize, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_colons_is_told_from_its_port() {
        let text = include_str!("../../config.example.toml").replace("#host = \"127.0.0.1\"", "host = \"::1\"");
        let config = crate::config::parse(Path::new("config.example.toml"), text).unwrap();
        let told = database(&config.coins[0].mpos);
        assert!(told.contains(".shares at [::1]:3306 as "), "{told}");
    }
}
