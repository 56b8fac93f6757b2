//! Whom a template orders the coinbase to pay beside the miner: masternodes, superblocks, founders,
//! treasuries. A block that leaves one out is refused by the network, and the chains rotate them with
//! every block, so they are always taken from the very template the job is made of.
//!
//! Nodes have many names for them, but few shapes: an object, or an array of objects, with an amount and
//! a script or an address; or two plain members, such as `NAME_payee` and `NAME_amount`. The usual names are known here.
//! Something of that shape under another name is not passed over in silence: the template is refused until the operator
//! has said what it is.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::TemplateError;
use super::parse::fault;
use crate::bytes::hex;
use crate::chain::address;
use crate::chain::coinbase::Output;
use crate::chain::form::ChainForm;

/// Members that name payees, in lower case.
const KNOWN: [&str; 36] = [
    "masternode",
    "masternodes",
    "superblock",
    "superblocks",
    "znode",
    "znodes",
    "indexnode",
    "smartnode",
    "smartnodes",
    "evonode",
    "evonodes",
    "systemnode",
    "goldminenode",
    "dynode",
    "eternitynode",
    "infinitynode",
    "infinitynodes",
    "sinnode",
    "fivegnode",
    "servicenode",
    "founder",
    "founders",
    "founderreward",
    "treasury",
    "foundation",
    "charity",
    "community",
    "developer",
    "developers",
    "devfee",
    "devreward",
    "dev",
    "coinbasedevreward",
    "fundreward",
    "minerfund",
    "stakingrewards",
];
/// Keys of a payee's amount, in lower case.
const AMOUNTS: [&str; 3] = ["amount", "value", "minimumvalue"];
/// Keys of a payee's script in hexadecimal, in lower case. They win over its address: some payees have none.
const SCRIPTS: [&str; 2] = ["script", "scriptpubkey"];
/// Keys of a payee's address, in lower case.
const ADDRESSES: [&str; 3] = ["payee", "address", "founderpayee"];
/// Members that every template may have and that never name a payee.
const PLAIN: [&str; 12] = [
    "capabilities",
    "coinbaseaux",
    "coinbasetxn",
    "coinbasevalue",
    "mutable",
    "payee",
    "payee_amount",
    "rules",
    "transactions",
    "vbavailable",
    "votes",
    "mweb",
];
/// How the name of a payee ends that is no object; its amount is beside it.
const FLAT_PAYEE: &str = "_payee";
/// Further members, in lower case, that are a payee's address and have an amount beside them: Crown's second kind of nodes,
/// and the funds of some of Ravencoin's descendants.
const KNOWN_FLAT: [&str; 2] = ["payeesn", "communityautonomousaddress"];
/// Members whose amount `coinbasevalue` leaves out, as it is what is left for the miner: by the pools that mine such coins.
/// Where that is wrong the block claims too much, which the node says of the first proposal; the other way round the pool
/// would give the amount away and never know.
const BESIDE_VALUE: [&str; 2] = ["communityautonomousaddress", "coinbasedevreward"];
/// How the name of an address ends that has `NAMEvalue` beside it.
const FLAT_ADDRESS: &str = "address";
/// What turns the name of a payee's member into that of its amount, in lower case.
const FLAT_AMOUNTS: [&str; 2] = ["_amount", "amount"];
/// What the first masternode coins paid where they named no amount: a fifth.
const OLD_SHARE: u64 = 5;
/// Most payees of one template; more: it is refused. Superblocks of Dash pay some dozens.
pub const PAYEES_MAX: usize = 1000;
/// Most bytes of their scripts, all together.
const SCRIPTS_BYTES_MAX: usize = 100_000;
/// So much of a member's name is shown.
const NAME_CHARS_MAX: usize = 64;

/// The members of an answer by name, not yet looked into.
pub(super) type Members<'a> = BTreeMap<&'a str, &'a RawValue>;

/// The mandatory outputs of a template that pays `value` in all.
pub(super) fn read(members: &Members<'_>, value: u64, form: &ChainForm) -> Result<Payees, TemplateError> {
    let mut payees = Payees::default();
    let mut pays_masternode = members_of(members, form, &mut payees)?;
    // Nodes of Bitcoin Cash's family put theirs among what a finished coinbase would have.
    let inner: Option<Members<'_>> = members.get("coinbasetxn").and_then(|raw| serde_json::from_str(raw.get()).ok());
    if let Some(inner) = &inner {
        pays_masternode |= members_of(inner, form, &mut payees)?;
    }
    // Some nodes name their masternode both ways.
    if !pays_masternode {
        let flat = first_masternodes(members, value, form)?;
        payees.add_if_new(flat.map(|flat| ("payee".to_owned(), flat)));
    }
    for members in [Some(members), inner.as_ref()].into_iter().flatten() {
        payees.add_if_new(flat_pairs(members, form)?);
    }
    if payees.outputs.len() > PAYEES_MAX {
        return Err(fault("masternode", format!("and its like name more than {PAYEES_MAX} payees")));
    }
    if payees.outputs.iter().map(|output| output.script.len()).sum::<usize>() > SCRIPTS_BYTES_MAX {
        return Err(fault("masternode", format!("and its like have scripts of more than {SCRIPTS_BYTES_MAX} bytes")));
    }
    Ok(payees)
}

/// Who must be paid, as far as the answer has been read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Payees {
    /// What they get.
    pub(super) outputs: Vec<Output>,
    /// The members that name them, in lower case, each once.
    pub(super) members: Vec<String>,
    /// What those of them get that are known to be left out of `coinbasevalue`.
    pub(super) beside_value: u64,
}

impl Payees {
    fn add(&mut self, member: String, output: Output) {
        if BESIDE_VALUE.contains(&member.as_str()) {
            self.beside_value = self.beside_value.saturating_add(output.value);
        }
        self.outputs.push(output);
        self.note(member);
    }

    fn note(&mut self, member: String) {
        if !self.members.contains(&member) {
            self.members.push(member);
        }
    }

    /// Adds those that are not known by the same script and amount.
    fn add_if_new(&mut self, found: impl IntoIterator<Item = (String, Output)>) {
        for (member, output) in found {
            match self.outputs.contains(&output) {
                true => self.note(member),
                false => self.add(member, output),
            }
        }
    }
}

/// Takes the payees that are objects; whether a masternode is among them.
fn members_of(members: &Members<'_>, form: &ChainForm, payees: &mut Payees) -> Result<bool, TemplateError> {
    let mut pays_masternode = false;
    for (name, raw) in members {
        let lower = name.to_ascii_lowercase();
        let listed = |list: &[String]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        if PLAIN.contains(&lower.as_str()) || listed(&form.ignored_members) || !raw.get().starts_with(['{', '[']) {
            continue;
        }
        let known = KNOWN.contains(&lower.as_str()) || listed(&form.payee_members);
        let content = match serde_json::from_str::<Value>(raw.get()) {
            Ok(content) => content,
            Err(error) if known => return Err(fault(lower, format!("cannot be read: {error}"))),
            Err(_) => continue,
        };
        if !KNOWN.contains(&lower.as_str()) && is_of_texts(&content) {
            // Addresses at most, which have their amount beside them.
            continue;
        }
        let started = members.get(format!("{lower}_payments_started").as_str()).map(|raw| raw.get() == "true");
        let entries = match &content {
            Value::Array(entries) => entries.iter().collect::<Vec<_>>(),
            one => vec![one],
        };
        for (index, entry) in entries.iter().enumerate() {
            let name: String = name.chars().take(NAME_CHARS_MAX).collect();
            let place = if content.is_array() { format!("{name}[{index}]") } else { name };
            let Some(entry) = Entry::of(entry) else {
                if known && !entry.is_null() {
                    return Err(fault(
                        place,
                        "is not an amount with a script or an address: nobody knows whom it pays",
                    ));
                }
                continue;
            };
            if !known {
                if entry.looks_like_a_payee() {
                    return Err(seems_to_be_a_payee(place));
                }
                continue;
            }
            if let Some(output) = entry.output(&place, started, form)? {
                pays_masternode |= lower.contains("node");
                payees.add(lower.clone(), output);
            }
        }
    }
    Ok(pays_masternode)
}

/// Plain members instead of an object: `NAME_payee` and `NAME_amount`, as TuxCoin's `donation_payee`, and whatever else is a
/// text that has an amount by its name.
fn flat_pairs(members: &Members<'_>, form: &ChainForm) -> Result<Vec<(String, Output)>, TemplateError> {
    let lower: BTreeMap<String, &RawValue> =
        members.iter().map(|(name, raw)| (name.to_ascii_lowercase(), *raw)).collect();
    let read = |name: &str| lower.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let mut outputs = Vec::new();
    for (name, raw) in &lower {
        let listed = |list: &[String]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
        if PLAIN.contains(&name.as_str()) || listed(&form.ignored_members) || !raw.get().starts_with(['"', '[']) {
            continue;
        }
        let stem = name.strip_suffix(FLAT_PAYEE);
        let known = stem.is_some() || KNOWN_FLAT.contains(&name.as_str()) || listed(&form.payee_members);
        let amount = amount_names(name).find_map(|name| read(&name).filter(Value::is_number)).unwrap_or_default();
        if !known && amount.as_f64().is_none_or(|amount| amount == 0.0) {
            continue;
        }
        let payee = match read(name) {
            // One address in brackets.
            Some(Value::Array(one)) if one.len() == 1 => one.into_iter().next(),
            payee => payee,
        };
        let Some(payee) =
            payee.filter(|payee| is_of_texts(payee) || payee.as_str().is_some_and(|payee| !payee.is_empty()))
        else {
            continue;
        };
        let place: String = name.chars().take(NAME_CHARS_MAX).collect();
        if !known {
            return Err(seems_to_be_a_payee(place));
        }
        let entry = Entry(BTreeMap::from([("payee".to_owned(), &payee), ("amount".to_owned(), &amount)]));
        let started = stem.and_then(|stem| read(&format!("{stem}_payments_started"))?.as_bool());
        outputs.extend(entry.output(&place, started, form)?.map(|output| (name.clone(), output)));
    }
    Ok(outputs)
}

/// Whether it is a list of texts, and not an empty one.
fn is_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|entries| !entries.is_empty() && entries.iter().all(Value::is_string))
}

/// How the amount of a payee of this name may be called, in lower case as that is.
fn amount_names(name: &str) -> impl Iterator<Item = String> {
    let of_payee = name.strip_suffix(FLAT_PAYEE).map(|stem| format!("{stem}_amount"));
    let stem = name.strip_suffix(FLAT_ADDRESS);
    let of_address = stem.map(|stem| AMOUNTS.map(|amount| format!("{stem}{amount}")));
    let own = FLAT_AMOUNTS.map(|amount| format!("{name}{amount}"));
    let names = of_payee.into_iter().chain(own).chain(of_address.into_iter().flatten());
    names.chain(stem.map(str::to_owned)).filter(|name| !PLAIN.contains(&name.as_str()))
}

fn seems_to_be_a_payee(place: String) -> TemplateError {
    fault(
        place,
        "seems to name somebody who must be paid; write its name into the coin's `payee_members` if blocks must pay it, \
         else into `ignored_members`",
    )
}

/// `payee` and `payee_amount`, as Dash had them before 0.12.1 and some of its descendants still do.
fn first_masternodes(members: &Members<'_>, value: u64, form: &ChainForm) -> Result<Option<Output>, TemplateError> {
    let read = |name: &str| members.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let payee = read("payee").filter(|payee| payee.as_str().is_some_and(|payee| !payee.is_empty()));
    let Some(payee) = payee else { return Ok(None) };
    let amount = read("payee_amount").filter(|amount| !amount.is_null()).unwrap_or_else(|| (value / OLD_SHARE).into());
    Entry(BTreeMap::from([("payee".to_owned(), &payee), ("amount".to_owned(), &amount)])).output("payee", None, form)
}

/// One payee, its keys in lower case.
struct Entry<'a>(BTreeMap<String, &'a Value>);

impl<'a> Entry<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let keys = value.as_object()?;
        Some(Self(keys.iter().map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()))
    }

    /// The first of the keys that says something.
    fn first(&self, keys: &[&str]) -> Option<&'a Value> {
        let says = |value: &&&Value| !value.is_null() && value.as_str() != Some("");
        keys.iter().filter_map(|key| self.0.get(*key)).find(says).copied()
    }

    fn script(&self) -> Option<&'a Value> {
        // eCash: the script with its parts taken to pieces.
        let inner = self.0.get("payoutscript").and_then(|script| script.get("hex"));
        self.first(&SCRIPTS).or(inner)
    }

    fn address(&self) -> Option<&'a Value> {
        // eCash: several addresses, any of which will do.
        let inner = self.0.get("addresses").and_then(|addresses| addresses.get(0));
        self.first(&ADDRESSES).or(inner)
    }

    fn looks_like_a_payee(&self) -> bool {
        self.first(&AMOUNTS).is_some() && (self.script().is_some() || self.address().is_some())
    }

    /// What must be paid; nothing for the empty entries of a chain that has not begun to pay.
    fn output(&self, place: &str, started: Option<bool>, form: &ChainForm) -> Result<Option<Output>, TemplateError> {
        let value = match self.first(&AMOUNTS) {
            Some(amount) => amount
                .as_u64()
                .ok_or_else(|| fault(format!("{place}.amount"), "is no amount in the coin's smallest unit"))?,
            // A chain that does not pay yet may name the one who would be next.
            None if started == Some(false) || self.0.is_empty() => 0,
            None if self.script().is_none() && self.address().is_none() => 0,
            None => return Err(fault(format!("{place}.amount"), "is missing")),
        };
        if value == 0 {
            return Ok(None);
        }
        let script = match (self.script(), self.address()) {
            (Some(script), _) => script
                .as_str()
                .and_then(|text| hex::decode(text.as_bytes()))
                .ok_or_else(|| fault(format!("{place}.script"), "is not hexadecimal"))?,
            (None, Some(address)) => {
                let text = address.as_str().ok_or_else(|| fault(format!("{place}.payee"), "is no text"))?;
                address::decode(text, &form.addresses)
                    .map_err(|error| fault(format!("{place}.payee"), format!("cannot be paid: {error}")))?
            }
            (None, None) => return Err(fault(place, "must be paid, but has neither script nor address")),
        };
        Ok(Some(Output { value, script }))
    }
}

#[cfg(test)]
mod tests;
