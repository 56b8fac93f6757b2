//! From the JSON answer to a checked [`Template`].

use serde::Deserialize;
use serde_json::value::RawValue;

use super::payees::{self, Members, Payees};
use super::{
    COINBASE_AUX_BYTES_MAX, HANDLE_BYTES_MAX, Limits, PAYLOAD_BYTES_MAX, Particulars, TRANSACTIONS_MAX, Template,
    TemplateError, TemplateTransaction,
};
use crate::bytes::sha256::sha256d;
use crate::bytes::{Hash, hex, parse_display_hash, varint};
use crate::chain::form::{AlgorithmBits, ChainForm};
use crate::chain::header::{Extra, HeaderForm};
use crate::chain::merkle;
use crate::difficulty::Target;

/// Most bytes of the script that commits to witnesses.
const COMMITMENT_BYTES_MAX: usize = 10_000;
/// Most bytes of the votes behind the transactions.
const VOTES_BYTES_MAX: usize = 1 << 18;
/// Most rules in force, and most bytes of the name of one.
const RULES_MAX: usize = 64;
const RULE_BYTES_MAX: usize = 100;

/// Bytes of a serialised transaction that are always there: version, two counts, lock time.
const TRANSACTION_BYTES_MIN: usize = 10;

/// A transaction of the answer. Its strings are hexadecimal, which never needs an escape in JSON, so
/// they can be borrowed.
#[derive(Deserialize)]
struct RawTransaction<'a> {
    data: &'a str,
    txid: Option<&'a str>,
    hash: Option<&'a str>,
    fee: Option<i64>,
    weight: Option<u64>,
}

pub(super) fn fault(field: impl Into<String>, problem: impl Into<String>) -> TemplateError {
    TemplateError::Field { field: field.into(), problem: problem.into() }
}

/// A member that may be absent or null.
fn optional<'a, T: Deserialize<'a>>(field: &str, raw: Option<&'a RawValue>) -> Result<Option<T>, TemplateError> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|error| fault(field, format!("cannot be read: {error}"))))
        .transpose()
}

/// A member that must be there.
fn required<'a, T: Deserialize<'a>>(field: &str, raw: Option<&'a RawValue>) -> Result<T, TemplateError> {
    optional(field, raw)?.ok_or_else(|| fault(field, "is missing"))
}

/// An optional member of hexadecimal digits.
fn bytes(field: &str, raw: Option<&RawValue>) -> Result<Option<Vec<u8>>, TemplateError> {
    let Some(text) = optional::<&str>(field, raw)? else { return Ok(None) };
    hex::decode(text.as_bytes()).map(Some).ok_or_else(|| fault(field, "is not hexadecimal"))
}

/// An optional string that is only ever sent back.
fn handle(field: &str, raw: Option<&RawValue>) -> Result<Option<String>, TemplateError> {
    let text = optional::<String>(field, raw)?.filter(|text| !text.is_empty());
    match text {
        Some(text) if text.len() > HANDLE_BYTES_MAX => {
            Err(fault(field, format!("is longer than {HANDLE_BYTES_MAX} bytes")))
        }
        text => Ok(text),
    }
}

/// A time or height: a whole number of 32 bits.
fn number(field: &str, raw: Option<&RawValue>) -> Result<u32, TemplateError> {
    required(field, raw)
}

pub(super) fn template(json: &str, form: &ChainForm) -> Result<Template, TemplateError> {
    let mut members: Members<'_> =
        serde_json::from_str(json).map_err(|error| TemplateError::Json(error.to_string()))?;
    members.retain(|_, raw| raw.get() != "null");
    let raw = |name: &str| members.get(name).copied();
    let rules: Vec<String> = optional("rules", raw("rules"))?.unwrap_or_default();
    let segwit = is_segwit(&rules, &form.template_rules)?;
    signet(&members)?;
    if raw("mining_disabled").is_some_and(|disabled| disabled.get() == "true") {
        return Err(TemplateError::Paused);
    }
    let (bits, target) = network_target(raw("bits"), raw("target"))?;
    let (transactions, fees) = transactions(raw("transactions"), form)?;
    let witness_commitment = witness_commitment(raw("default_witness_commitment"), segwit, &transactions)?;
    // Nodes from before BIP22 was final call it `time`.
    let curtime = number("curtime", raw("curtime").or(raw("time")))?;
    // A node that names no least time gets none below its own present. A transaction must not be younger
    // than its block, and the coinbase's time is the template's.
    let mintime = optional("mintime", raw("mintime"))?.filter(|_| !form.transaction_time).unwrap_or(curtime);
    let previous: &str = required("previousblockhash", raw("previousblockhash"))?;
    let node_value = coinbase_value(raw("coinbasevalue"))?;
    let payees = payees::read(&members, node_value, form)?;
    Ok(Template {
        height: number("height", raw("height"))?,
        version: version(raw("version"), form)?,
        previous: parse_display_hash(previous)
            .ok_or_else(|| fault("previousblockhash", "is not 64 hexadecimal digits"))?,
        bits,
        target,
        curtime: curtime.max(mintime),
        mintime,
        coinbase_value: whole_value(node_value, &payees, form)?,
        fees,
        coinbase_aux: coinbase_aux(raw("coinbaseaux"))?,
        witness_commitment,
        transactions,
        mweb: bytes("mweb", raw("mweb"))?.filter(|block| !block.is_empty()),
        longpoll_id: handle("longpollid", raw("longpollid"))?,
        work_id: handle("workid", raw("workid"))?,
        particulars: Particulars {
            payees: payees.outputs,
            payee_members: payees.members,
            coinbase_payload: payload(raw("coinbase_payload"))?,
            block_end: block_end(&members, form)?,
            extra: extra(&members, form.header)?,
            rules,
            limits: limits(&members),
            takes_proposals: takes_proposals(raw("capabilities"))?,
            is_provisional: false,
        },
    })
}

/// How large a block may be, as far as the node says so in numbers.
fn limits(members: &Members<'_>) -> Limits {
    let number = |name: &str| members.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok());
    Limits { weight: number("weightlimit"), bytes: number("sizelimit") }
}

/// What the header holds beside the usual fields.
fn extra(members: &Members<'_>, form: HeaderForm) -> Result<Extra, TemplateError> {
    let raw = |name: &str| members.get(name).copied();
    match form {
        HeaderForm::Bitcoin => Ok(Extra::None),
        HeaderForm::Lbry => {
            let root: &str = required("claimtrie", raw("claimtrie"))?;
            let root = parse_display_hash(root).ok_or_else(|| fault("claimtrie", "is not 64 hexadecimal digits"))?;
            Ok(Extra::Claims(root))
        }
        HeaderForm::Heavycoin => Ok(Extra::Vote { vote: 0, reward: required("reward", raw("reward"))? }),
    }
}

/// Refuses mandatory rules that are not known; true if segwit is active.
fn is_segwit(rules: &[String], known: &[String]) -> Result<bool, TemplateError> {
    if rules.len() > RULES_MAX || rules.iter().any(|rule| rule.len() > RULE_BYTES_MAX) {
        return Err(fault("rules", format!("are more than {RULES_MAX}, or one has more than {RULE_BYTES_MAX} bytes")));
    }
    for rule in rules {
        if let Some(name) = rule.strip_prefix('!')
            && !known.iter().any(|known| known == name)
        {
            return Err(TemplateError::UnknownRule(name.chars().take(64).collect()));
        }
    }
    Ok(rules.iter().any(|rule| rule.trim_start_matches('!') == "segwit"))
}

/// A signet's blocks are signed by whoever runs it (BIP325), over bytes that miners change. Only the
/// challenge that anything meets, OP_TRUE, needs no signature.
fn signet(members: &Members<'_>) -> Result<(), TemplateError> {
    const FIELD: &str = "signet_challenge";
    const OP_TRUE: [u8; 1] = [0x51];
    match bytes(FIELD, members.get(FIELD).copied())? {
        Some(challenge) if challenge != OP_TRUE => {
            Err(fault(FIELD, "wants every block signed, which a pool's miners cannot do; mine on another test network"))
        }
        _ => Ok(()),
    }
}

/// What the coinbase pays in all: what the node says, unless the coin's nodes leave the payees out.
fn whole_value(node_value: u64, payees: &Payees, form: &ChainForm) -> Result<u64, TemplateError> {
    let beside = match form.payees_beside_value {
        Some(true) => payees.outputs.iter().try_fold(0_u64, |sum, payee| sum.checked_add(payee.value)),
        Some(false) => Some(0),
        None => Some(payees.beside_value),
    };
    beside
        .and_then(|beside| node_value.checked_add(beside))
        .ok_or_else(|| fault("coinbasevalue", "with all payees is too large"))
}

/// What the coinbase must carry after its lock time (Dash's DIP4).
fn payload(raw: Option<&RawValue>) -> Result<Vec<u8>, TemplateError> {
    const FIELD: &str = "coinbase_payload";
    match bytes(FIELD, raw)?.unwrap_or_default() {
        long if long.len() > PAYLOAD_BYTES_MAX => Err(fault(FIELD, format!("has more than {PAYLOAD_BYTES_MAX} bytes"))),
        payload => Ok(payload),
    }
}

/// What follows the transactions: the votes of Dash before 0.12.1, the place of a block signature.
fn block_end(members: &Members<'_>, form: &ChainForm) -> Result<Vec<u8>, TemplateError> {
    const FIELD: &str = "votes";
    let mut end = Vec::new();
    let votes: Option<Vec<String>> = optional(FIELD, members.get(FIELD).copied())?;
    let paying = members.get("masternode_payments").is_none_or(|paying| paying.get() == "true");
    if let Some(votes) = votes.filter(|_| paying) {
        varint::write(votes.len() as u64, &mut end);
        for vote in votes {
            end.extend(hex::decode(vote.as_bytes()).ok_or_else(|| fault(FIELD, "has one that is not hexadecimal"))?);
            if end.len() > VOTES_BYTES_MAX {
                return Err(fault(FIELD, format!("have more than {VOTES_BYTES_MAX} bytes")));
            }
        }
    }
    if form.block_signature {
        // An empty one: the node signs a block that pays a key of its wallet.
        end.push(0);
    }
    Ok(end)
}

/// BIP23: the node checks blocks that have no proof of work yet.
fn takes_proposals(raw: Option<&RawValue>) -> Result<bool, TemplateError> {
    let capabilities: Vec<String> = optional("capabilities", raw)?.unwrap_or_default();
    Ok(capabilities.iter().any(|capability| capability == "proposal"))
}

/// Nodes write the header's version as a signed number; its 32 bits are what counts.
fn version(raw: Option<&RawValue>, form: &ChainForm) -> Result<u32, TemplateError> {
    let version: i64 = required("version", raw)?;
    let version = u32::try_from(version)
        .or_else(|_| i32::try_from(version).map(i32::cast_unsigned))
        .map_err(|_| fault("version", "does not fit 32 bits"))?;
    let AlgorithmBits { mask, value } = form.algorithm_bits;
    if version & mask != value {
        let what = format!(
            "is {version:08x}, which is for another algorithm: of its bits {mask:08x}, {value:08x} should be set; start \
             the node with the algorithm that is mined (such as `algo=skein`), or name it in the coin's \
             `template_algorithm`"
        );
        return Err(fault("version", what));
    }
    Ok(version)
}

fn coinbase_value(raw: Option<&RawValue>) -> Result<u64, TemplateError> {
    optional("coinbasevalue", raw)?.ok_or_else(|| {
        fault("coinbasevalue", "is missing; nodes that hand out a finished coinbase (`coinbasetxn`) are not supported")
    })
}

/// `bits` and `target` say the same thing twice: a node whose two answers differ means something
/// this daemon does not know about, and a wrong target loses blocks.
fn network_target(bits: Option<&RawValue>, target: Option<&RawValue>) -> Result<(u32, Target), TemplateError> {
    let text: &str = required("bits", bits)?;
    let bits = hex::decode_u32(text.as_bytes()).ok_or_else(|| fault("bits", "is not 8 hexadecimal digits"))?;
    let from_bits = Target::from_compact(bits).ok_or_else(|| fault("bits", "is not a target above zero"))?;
    if let Some(text) = optional::<&str>("target", target)? {
        let target = parse_display_hash(text).ok_or_else(|| fault("target", "is not 64 hexadecimal digits"))?;
        if target != from_bits.0.to_le_bytes() {
            return Err(fault("target", format!("is not the target that `bits` {bits:08x} stands for")));
        }
    }
    Ok((bits, from_bits))
}

/// All members in the order of their names: the order is free (BIP22), but must not vary.
fn coinbase_aux(raw: Option<&RawValue>) -> Result<Vec<u8>, TemplateError> {
    let members: std::collections::BTreeMap<String, String> = optional("coinbaseaux", raw)?.unwrap_or_default();
    let mut aux = Vec::new();
    for value in members.values() {
        aux.extend(
            hex::decode(value.as_bytes())
                .ok_or_else(|| fault("coinbaseaux", "has a member that is not hexadecimal"))?,
        );
    }
    if aux.len() > COINBASE_AUX_BYTES_MAX {
        return Err(fault("coinbaseaux", format!("has more than {COINBASE_AUX_BYTES_MAX} bytes")));
    }
    Ok(aux)
}

/// The transactions, and what they pay together.
fn transactions(
    raw: Option<&RawValue>,
    form: &ChainForm,
) -> Result<(Vec<TemplateTransaction>, Option<u64>), TemplateError> {
    let text = raw.map(RawValue::get).ok_or_else(|| fault("transactions", "is missing"))?;
    // Nearly always all is well, and one pass over megabytes is enough; else a second finds the culprit.
    if let Ok(list) = serde_json::from_str::<Vec<RawTransaction<'_>>>(text) {
        checked_count(list.len())?;
        let read: Result<Vec<_>, _> =
            list.iter().enumerate().map(|(index, raw)| transaction(index, raw, form)).collect();
        let read = read?;
        let fees = read.iter().try_fold(0u64, |sum, transaction| sum.checked_add(transaction.fee?));
        return Ok((read, fees));
    }
    let list: Vec<&RawValue> = required("transactions", raw)?;
    checked_count(list.len())?;
    let read = |(index, raw): (usize, &RawValue)| {
        let parsed: RawTransaction<'_> = serde_json::from_str(raw.get())
            .map_err(|error| fault(format!("transactions[{index}]"), format!("cannot be read: {error}")))?;
        transaction(index, &parsed, form)
    };
    let read: Result<Vec<_>, _> = list.into_iter().enumerate().map(read).collect();
    Ok((read?, None))
}

fn checked_count(count: usize) -> Result<(), TemplateError> {
    if count > TRANSACTIONS_MAX {
        return Err(fault("transactions", format!("has more than {TRANSACTIONS_MAX} entries")));
    }
    Ok(())
}

/// Bytes of a transaction's version, and of the time behind it on coins that have one there.
const VERSION_BYTES: usize = 4;
const TIME_BYTES: usize = 4;

fn transaction(index: usize, raw: &RawTransaction<'_>, form: &ChainForm) -> Result<TemplateTransaction, TemplateError> {
    let at = |member: &str| format!("transactions[{index}]{member}");
    let data = hex::decode(raw.data.as_bytes()).ok_or_else(|| fault(at(".data"), "is not hexadecimal"))?;
    if data.len() < TRANSACTION_BYTES_MIN {
        return Err(fault(at(".data"), "is shorter than any transaction"));
    }
    let read = |member: &str, text: Option<&str>| {
        text.map(|text| parse_display_hash(text).ok_or_else(|| fault(at(member), "is not 64 hexadecimal digits")))
            .transpose()
    };
    let (txid, wtxid) = (read(".txid", raw.txid)?, read(".hash", raw.hash)?);
    // Nodes from before segwit know one hash and call it `hash`; some name none at all. With a
    // witness (a zero where the count of inputs would be) neither is the transaction's id.
    let inputs_at = VERSION_BYTES + if form.transaction_time { TIME_BYTES } else { 0 };
    let extended = data.get(inputs_at) == Some(&0);
    if txid.is_none() && extended {
        return Err(fault(at(".txid"), "is missing, and the transaction has a witness"));
    }
    if wtxid.is_none() && txid.is_none() && form.own_transaction_hash {
        return Err(fault(at(".hash"), "is missing, and the coin names transactions by another hash than sha256d"));
    }
    // Without a witness both are one.
    let wtxid = wtxid.or(txid.filter(|_| form.own_transaction_hash && !extended)).unwrap_or_else(|| sha256d(&data));
    let txid = txid.unwrap_or(wtxid);
    // Without a witness every byte weighs the same.
    let weight = raw.weight.or_else(|| (txid == wtxid).then_some(4 * data.len() as u64));
    let fee = raw.fee.and_then(|fee| u64::try_from(fee).ok());
    Ok(TemplateTransaction { data, txid, wtxid, fee, weight })
}

/// The commitment script, compared with what the transactions make of it (BIP141).
///
/// Nodes name one before segwit is active, too. A block then must not carry a witness, and with no
/// transaction that has one it needs no commitment, active or not: so it is left out.
fn witness_commitment(
    raw: Option<&RawValue>,
    segwit: bool,
    transactions: &[TemplateTransaction],
) -> Result<Option<Vec<u8>>, TemplateError> {
    const FIELD: &str = "default_witness_commitment";
    let witnesses = transactions.iter().any(|transaction| transaction.txid != transaction.wtxid);
    let script = bytes(FIELD, raw)?;
    if script.as_ref().is_some_and(|script| script.len() > COMMITMENT_BYTES_MAX) {
        return Err(fault(FIELD, format!("has more than {COMMITMENT_BYTES_MAX} bytes")));
    }
    let Some(script) = script else {
        return if witnesses { Err(fault(FIELD, "is missing, but transactions have witnesses")) } else { Ok(None) };
    };
    if !segwit && !witnesses {
        return Ok(None);
    }
    let wtxids: Vec<Hash> = transactions.iter().map(|transaction| transaction.wtxid).collect();
    let expected = merkle::witness_commitment(&wtxids);
    // Further commitments may follow the 32 bytes of this one.
    if !script.starts_with(&expected) {
        let expected = hex::encode(&expected);
        return Err(fault(FIELD, format!("does not commit to the transactions; expected {expected}")));
    }
    Ok(Some(script))
}
