//! From the JSON answer to a checked [`Template`].

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{COINBASE_AUX_BYTES_MAX, HANDLE_BYTES_MAX, TRANSACTIONS_MAX, Template, TemplateError, TemplateTransaction};
use crate::bytes::sha256::sha256d;
use crate::bytes::{Hash, hex, parse_display_hash};
use crate::chain::merkle;
use crate::difficulty::Target;

/// Bytes of a serialised transaction that are always there: version, two counts, lock time.
const TRANSACTION_BYTES_MIN: usize = 10;

/// The members that are read, not yet looked into: each is parsed under its own name, so that an
/// error can say which one it was.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    rules: Option<&'a RawValue>,
    #[serde(borrow)]
    previousblockhash: Option<&'a RawValue>,
    #[serde(borrow)]
    transactions: Option<&'a RawValue>,
    #[serde(borrow)]
    coinbaseaux: Option<&'a RawValue>,
    #[serde(borrow)]
    coinbasevalue: Option<&'a RawValue>,
    #[serde(borrow)]
    longpollid: Option<&'a RawValue>,
    #[serde(borrow)]
    workid: Option<&'a RawValue>,
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    #[serde(borrow)]
    bits: Option<&'a RawValue>,
    #[serde(borrow)]
    mintime: Option<&'a RawValue>,
    #[serde(borrow)]
    curtime: Option<&'a RawValue>,
    #[serde(borrow)]
    height: Option<&'a RawValue>,
    #[serde(borrow)]
    default_witness_commitment: Option<&'a RawValue>,
    #[serde(borrow)]
    mweb: Option<&'a RawValue>,
}

/// A transaction of the answer. Its strings are hexadecimal, which never needs an escape in JSON, so
/// they can be borrowed.
#[derive(Deserialize)]
struct RawTransaction<'a> {
    data: &'a str,
    txid: Option<&'a str>,
    hash: Option<&'a str>,
}

fn fault(field: impl Into<String>, problem: impl Into<String>) -> TemplateError {
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

pub(super) fn template(json: &str, known_rules: &[String]) -> Result<Template, TemplateError> {
    let raw: Raw<'_> = serde_json::from_str(json).map_err(|error| TemplateError::Json(error.to_string()))?;
    let segwit = rules(raw.rules, known_rules)?;
    let (bits, target) = network_target(raw.bits, raw.target)?;
    let transactions = transactions(raw.transactions)?;
    let witness_commitment = witness_commitment(raw.default_witness_commitment, segwit, &transactions)?;
    let curtime = number("curtime", raw.curtime)?;
    // A node that names no least time gets none below its own present.
    let mintime = optional("mintime", raw.mintime)?.unwrap_or(curtime);
    let previous: &str = required("previousblockhash", raw.previousblockhash)?;
    Ok(Template {
        height: number("height", raw.height)?,
        version: version(raw.version)?,
        previous: parse_display_hash(previous)
            .ok_or_else(|| fault("previousblockhash", "is not 64 hexadecimal digits"))?,
        bits,
        target,
        curtime: curtime.max(mintime),
        mintime,
        coinbase_value: coinbase_value(raw.coinbasevalue)?,
        coinbase_aux: coinbase_aux(raw.coinbaseaux)?,
        witness_commitment,
        transactions,
        mweb: bytes("mweb", raw.mweb)?.filter(|block| !block.is_empty()),
        longpoll_id: handle("longpollid", raw.longpollid)?,
        work_id: handle("workid", raw.workid)?,
    })
}

/// Refuses mandatory rules that are not known; true if segwit is active.
fn rules(raw: Option<&RawValue>, known: &[String]) -> Result<bool, TemplateError> {
    let rules: Vec<String> = optional("rules", raw)?.unwrap_or_default();
    for rule in &rules {
        if let Some(name) = rule.strip_prefix('!')
            && !known.iter().any(|known| known == name)
        {
            return Err(TemplateError::UnknownRule(name.chars().take(64).collect()));
        }
    }
    Ok(rules.iter().any(|rule| rule.trim_start_matches('!') == "segwit"))
}

/// Nodes write the header's version as a signed number; its 32 bits are what counts.
fn version(raw: Option<&RawValue>) -> Result<u32, TemplateError> {
    let version: i64 = required("version", raw)?;
    u32::try_from(version)
        .or_else(|_| i32::try_from(version).map(i32::cast_unsigned))
        .map_err(|_| fault("version", "does not fit 32 bits"))
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

fn transactions(raw: Option<&RawValue>) -> Result<Vec<TemplateTransaction>, TemplateError> {
    let list: Vec<&RawValue> = required("transactions", raw)?;
    if list.len() > TRANSACTIONS_MAX {
        return Err(fault("transactions", format!("has more than {TRANSACTIONS_MAX} entries")));
    }
    list.into_iter().enumerate().map(|(index, raw)| transaction(index, raw)).collect()
}

fn transaction(index: usize, raw: &RawValue) -> Result<TemplateTransaction, TemplateError> {
    let at = |member: &str| format!("transactions[{index}]{member}");
    let raw: RawTransaction<'_> =
        serde_json::from_str(raw.get()).map_err(|error| fault(at(""), format!("cannot be read: {error}")))?;
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
    let extended = data.get(4) == Some(&0);
    if txid.is_none() && extended {
        return Err(fault(at(".txid"), "is missing, and the transaction has a witness"));
    }
    let wtxid = wtxid.unwrap_or_else(|| sha256d(&data));
    Ok(TemplateTransaction { data, txid: txid.unwrap_or(wtxid), wtxid })
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
    let Some(script) = bytes(FIELD, raw)? else {
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
