//! The keys of `[[coin]]` that say what the coin is. A preset holds these and nothing else.

use toml::de::DeValue;

use std::sync::Arc;

use super::algorithm::parameters;
use crate::chain::form::{AddressForms, AlgorithmBits, ChainForm, Schedule};
use crate::chain::header::HeaderForm;
use crate::coin::profile::{BlockHash, Profile};
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::{Wrong, boolean, hex_u32, list, nonempty, one_of, sized, text, wrong};
use crate::pow::ids::TransactionHash;
use crate::pow::names::{self, Named, Proof};
use crate::pow::{Algorithm, Class};

/// Most bits that one unit of difficulty can stand for: beyond them difficulty 1 is beyond any hash rate.
const BITS_MAX: u64 = 64;

/// Longest text after a coinbase: every miner gets it with every job.
const MESSAGE_BYTES_MAX: usize = 140;

/// Fewest and most bytes that a miner may roll: rentals need 2 at least, some firmware fails above 8.
pub(super) const EXTRANONCE2_BYTES: std::ops::RangeInclusive<u64> = 2..=8;

const BLOCK_HASHES: &[(&str, BlockHash)] =
    &[("sha256d", BlockHash::Sha256d), ("pow", BlockHash::Pow), ("scrypt", BlockHash::Scrypt)];

const TRANSACTION_HASHES: &[(&str, TransactionHash)] =
    &[("sha256d", TransactionHash::Sha256d), ("sha256", TransactionHash::Sha256), ("heavy", TransactionHash::Heavy)];

const HEADERS: &[(&str, HeaderForm)] =
    &[("bitcoin", HeaderForm::Bitcoin), ("lbry", HeaderForm::Lbry), ("heavycoin", HeaderForm::Heavycoin)];

pub(super) fn read(report: &Report, section: &Section<'_>) -> Option<Profile> {
    let named = section.required("algorithm", "preset = \"litecoin\"", algorithm);
    let algorithm = parameters(report, section, named);
    let stratum_bits = section.optional("stratum_bits", sized(0..=BITS_MAX));
    let mpos_bits = section.optional("mpos_bits", sized(0..=BITS_MAX));
    if let Some(named) = named
        && named.mpos_bits.is_none()
        && !section.has("mpos_bits")
    {
        section.missing("mpos_bits", "mpos_bits = 24   # target_bits of the coin class that MPOS uses");
    }
    let block_hash = section.optional("block_hash", one_of(BLOCK_HASHES));
    if let Some(named) = named
        && named.algorithm != Algorithm::Sha256d
        && !section.has("block_hash")
    {
        let example = match named.block_hash {
            BlockHash::Pow => "block_hash = \"pow\"   # or \"sha256d\": which hash `getblock` reports",
            _ => "block_hash = \"sha256d\"   # or \"pow\": which hash `getblock` reports",
        };
        section.missing("block_hash", example);
    }
    let transaction_hash = section.optional("transaction_hash", one_of(TRANSACTION_HASHES));
    let version_mask = section.or("version_mask", "\"00000000\"", hex_u32);
    let time_rolling = section.optional("allow_ntime_rolling", boolean);
    let extranonce2_bytes = section.optional("extranonce2_bytes", sized(EXTRANONCE2_BYTES));
    let form = form(report, section);
    if let (Some(mask @ 1..), Some(HeaderForm::Heavycoin)) = (version_mask, form.as_ref().map(|form| form.header)) {
        let what = format!("is {mask:08x}, but this coin's miners send their vote where version bits would be");
        report.problem(&section.place("version_mask"), what, "remove it");
    }
    if let (Some(rolled), Some(mask)) = (version_mask, form.as_ref().map(|form| form.algorithm_bits.mask))
        && rolled & mask != 0
    {
        let what =
            format!("is {rolled:08x}, with bits that name a block's algorithm (algorithm_bits_mask = {mask:08x})");
        let left = rolled & !mask;
        let remedy = format!("write \"{left:08x}\": a miner that rolls the others would mine for another algorithm");
        report.problem(&section.place("version_mask"), what, remedy);
    }
    let pays_public_key = section.or("pays_public_key", "false", boolean);
    let several_algorithms = section.or("several_algorithms", "false", boolean);

    let accepted = accepted(report, section, named, algorithm);

    let named = accepted.and(named)?;
    // Rentals and proxies divide the miner's part among their own miners; old scrypt miners assume four bytes.
    let usual_extranonce2_bytes = if named.algorithm == Algorithm::Sha256d { 8 } else { 4 };
    let transaction_hash = transaction_hash.unwrap_or(named.transaction_hash);
    let form = ChainForm { own_transaction_hash: transaction_hash != TransactionHash::Sha256d, ..form? };
    Some(Profile {
        algorithm: algorithm?,
        stratum_bits: stratum_bits.unwrap_or(named.stratum_bits),
        mpos_bits: mpos_bits.or(named.mpos_bits)?,
        block_hash: block_hash.or((named.algorithm == Algorithm::Sha256d).then_some(BlockHash::Sha256d))?,
        transaction_hash,
        version_mask: version_mask?,
        time_rolling: time_rolling.unwrap_or(!named.algorithm.depends_on_time()),
        form: Arc::new(form),
        pays_public_key: pays_public_key?,
        several_algorithms: several_algorithms?,
        extranonce2_bytes: extranonce2_bytes.unwrap_or(usual_extranonce2_bytes),
    })
}

fn algorithm(value: &DeValue<'_>) -> Result<&'static Named, Wrong> {
    let name = text(value)?;
    match names::find(&name) {
        Some(named) => Ok(named),
        None => {
            let names: Vec<&str> = names::all().map(|named| named.name).collect();
            wrong("is not a known algorithm", format!("choose one of {}", names.join(", ")))
        }
    }
}

/// Refuses what the operator has to accept first: an algorithm that no real header has proven, and one
/// whose hashes cost so much that a few miners keep a core busy.
fn accepted(report: &Report, section: &Section<'_>, named: Option<&Named>, algorithm: Option<Algorithm>) -> Option<()> {
    let unproven = section.or("accept_unproven", "false", boolean)?;
    let expensive = section.or("accept_expensive", "false", boolean)?;
    let (named, algorithm) = (named?, algorithm?);
    let place = section.place("algorithm");
    if let (Proof::Implementations(others), false) = (named.proof_of(algorithm), unproven) {
        let what = format!(
            "is unproven with these parameters: it agrees with {others}, but no header of a real chain was at hand"
        );
        let remedy =
            "compare hashes of your chain's headers (`mpos-stratum algo hash`), then write `accept_unproven = true`";
        report.problem(&place, what, remedy);
        return None;
    }
    if algorithm.class() == Class::Expensive && !expensive {
        let what = "is expensive: checking one share takes a core more than 50 ms, so a few miners can keep it busy";
        let remedy = "choose high difficulties and trusted miners, then write `accept_expensive = true`";
        report.problem(&place, what, remedy);
        return None;
    }
    Some(())
}

/// Where the coin's blocks, templates and addresses differ from Bitcoin's.
fn form(report: &Report, section: &Section<'_>) -> Option<ChainForm> {
    let template_rules = section.or("template_rules", "[\"segwit\"]", list(nonempty));
    let bare_requests = section.or("bare_template_requests", "false", boolean);
    let template_algorithm = section.optional("template_algorithm", nonempty);
    if bare_requests == Some(true) && section.has("template_algorithm") {
        let what = "cannot be asked for together with bare_template_requests";
        report.problem(&section.place("template_algorithm"), what, "remove one of them");
    }
    let mask = section.or("algorithm_bits_mask", "\"00000000\"", hex_u32);
    let value = section.or("algorithm_bits", "\"00000000\"", hex_u32);
    if let (Some(mask), Some(value)) = (mask, value)
        && value & !mask != 0
    {
        let what = format!("is {value:08x}, with bits outside algorithm_bits_mask, {mask:08x}");
        report.problem(&section.place("algorithm_bits"), what, "name every bit in the mask");
    }
    let payee_members = section.or("payee_members", "[]", list(nonempty));
    let ignored_members = section.or("ignored_members", "[]", list(nonempty));
    let payees_beside_value = section.optional("payees_beside_value", boolean);
    let transaction_time = section.or("transaction_time", "false", boolean);
    let block_signature = section.or("block_signature", "false", boolean);
    let has_messages = section.or("transaction_messages", "false", boolean);
    let message = section.or("transaction_message", "\"\"", transaction_message);
    if let (Some(false), Some(message)) = (has_messages, &message)
        && !message.is_empty()
    {
        let remedy = "remove it, or write `transaction_messages = true` if the coin's transactions have texts";
        report.problem(&section.place("transaction_message"), "is not part of this coin's transactions", remedy);
    }
    let lock_to_height = section.or("lock_to_height", "false", boolean);
    let header = header(report, section);
    let vote_max = section.or("vote_max", "1024", sized(0..=u64::from(u16::MAX)));
    let addresses = addresses(section.table("addresses"));
    let schedule = schedule(section);
    Some(ChainForm {
        addresses: addresses?,
        header: header?,
        vote_max: vote_max?,
        template_rules: template_rules?,
        bare_requests: bare_requests?,
        template_algorithm,
        algorithm_bits: AlgorithmBits { mask: mask?, value: value? },
        payee_members: payee_members?,
        ignored_members: ignored_members?,
        payees_beside_value,
        transaction_time: transaction_time?,
        own_transaction_hash: false,
        block_signature: block_signature?,
        message: message.filter(|_| has_messages == Some(true)),
        lock_to_height: lock_to_height?,
        schedule: schedule?,
    })
}

/// How headers are laid out, and what cannot go together with that.
fn header(report: &Report, section: &Section<'_>) -> Option<HeaderForm> {
    let form = section.or("header", "\"bitcoin\"", one_of(HEADERS))?;
    let refuse = |key: &'static str, what: &str| {
        report.problem(&section.place(key), what, "remove it, or the `header`");
        None
    };
    if form != HeaderForm::Heavycoin && section.has("vote_max") {
        return refuse("vote_max", "is for coins with `header = \"heavycoin\"`: no other header has a vote");
    }
    if form != HeaderForm::Bitcoin && section.has("schedule") {
        return refuse("schedule", "is of no use where headers have parts that only the node knows");
    }
    Some(form)
}

/// `[coin.schedule]`; `Some(None)`: it is not there.
fn schedule(coin: &Section<'_>) -> Option<Option<Schedule>> {
    let section = coin.table("schedule");
    if !coin.has("schedule") {
        return Some(None);
    }
    let retarget_blocks = section.required("retarget_blocks", "retarget_blocks = 2016", sized(1..=u64::from(u32::MAX)));
    let halving_blocks = section.required("halving_blocks", "halving_blocks = 210000", sized(1..=u64::from(u32::MAX)));
    let first_subsidy =
        section.required("first_subsidy", "first_subsidy = 5000000000", sized(1..=i64::MAX.unsigned_abs()));
    section.finish();
    Some(Some(Schedule {
        retarget_blocks: retarget_blocks?,
        halving_blocks: halving_blocks?,
        first_subsidy: first_subsidy?,
    }))
}

/// A text after every coinbase.
fn transaction_message(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = text(value)?;
    if text.len() > MESSAGE_BYTES_MAX {
        return wrong("is too long for a transaction", format!("use up to {MESSAGE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn addresses(section: Section<'_>) -> Option<AddressForms> {
    let version = || list(sized(0..=u64::from(u8::MAX)));
    let pubkey_hash = section.required("pubkey_hash", "pubkey_hash = [48, 111]", version());
    let script_hash = section.or("script_hash", "[]", version());
    let segwit = section.or("segwit", "[]", list(prefix));
    let cash = section.or("cash", "[]", list(prefix));
    section.finish();
    Some(AddressForms { pubkey_hash: pubkey_hash?, script_hash: script_hash?, segwit: segwit?, cash: cash? })
}

/// The prefix of a segwit (BIP173) or CashAddr address, in lower case as addresses are compared.
fn prefix(value: &DeValue<'_>) -> Result<String, Wrong> {
    let prefix = nonempty(value)?;
    if prefix.len() > 83 || !prefix.bytes().all(|byte| (33..=126).contains(&byte) && !byte.is_ascii_uppercase()) {
        return wrong(
            "is not a prefix of addresses",
            "write it in lower case without the 1 or the colon, such as \"ltc\"",
        );
    }
    Ok(prefix)
}
