//! The newest headers of a node's chain, with the names the node gives them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::RpcError;
use super::nodes::Nodes;
use super::rpc::{Call, Rpc, TEMPLATE_BYTES_MAX};
use crate::bytes::{Hash, display_hash, hex, parse_display_hash};
use crate::chain::form::ChainForm;
use crate::chain::header::{Extra, Header, HeaderForm};
use crate::coin::proof::{MERGED_BIT, Sample};

/// Bytes of a header of the chains that others are mined with.
const PARENT_BYTES: usize = 80;

/// What a node says about a block in JSON, as far as the header goes.
#[derive(Deserialize)]
struct Fields {
    version: i64,
    previousblockhash: Option<String>,
    merkleroot: String,
    time: Value,
    bits: Value,
    nonce: Value,
    flags: Option<String>,
    /// LBRY's.
    nameclaimroot: Option<String>,
    /// Heavycoin's.
    vote: Option<u16>,
    /// Heavycoin's.
    reward: Option<u16>,
}

impl Fields {
    /// Whether it was staked; `None`: the node does not say, as some of Peercoin's.
    fn staked(&self) -> Option<bool> {
        self.flags.as_ref().map(|flags| flags.contains("proof-of-stake"))
    }

    /// The time, which the first of Peercoin's kind write as text.
    fn time(&self) -> Option<u32> {
        match &self.time {
            Value::String(text) => unix_secs(text),
            number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        }
    }
}

/// The second that `2014-01-27 21:49:23 UTC` names.
fn unix_secs(text: &str) -> Option<u32> {
    let digits: Vec<i64> = text
        .strip_suffix(" UTC")?
        .split(['-', ' ', ':'])
        .map(|part| part.parse().ok().filter(|number| (0..10_000).contains(number)))
        .collect::<Option<_>>()?;
    let &[year, month @ 1..=12, day @ 1..=31, hour @ 0..=23, minute @ 0..=59, second @ 0..=60] = &digits[..] else {
        return None;
    };
    // Years that begin with March end with the day that is sometimes there.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    u32::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok()
}

/// The newest `count` headers, oldest first, without the first block of the chain, whose proof of work
/// some coins never made.
///
/// # Errors
/// No node answers, or an answer makes no sense.
pub async fn headers(nodes: &Nodes, count: u32, form: &ChainForm) -> Result<Vec<Sample>, String> {
    let asked = nodes.ask(|node| async move { of_node(&node.rpc, count, form).await });
    match asked.await {
        Some(answer) => answer.map_err(|error| error.to_string()),
        None => Err("the coin has no node".to_owned()),
    }
}

async fn of_node(rpc: &Rpc, count: u32, form: &ChainForm) -> Result<Vec<Sample>, RpcError> {
    let tip: u32 = rpc.call_as(Call::new("getblockcount"), json!([])).await?;
    let mut samples = Vec::new();
    for height in tip.saturating_sub(count.saturating_sub(1)).max(1)..=tip {
        let name: String = rpc.call_as(Call::new("getblockhash"), json!([height])).await?;
        let hash = rpc.hash("getblockhash", &name)?;
        samples.push(block(rpc, height, hash, form).await?);
    }
    Ok(samples)
}

/// A block of this name, which is at this height.
pub(super) async fn block(rpc: &Rpc, height: u32, hash: Hash, form: &ChainForm) -> Result<Sample, RpcError> {
    let name = display_hash(&hash);
    // Whether one was staked, only the whole block tells; where none is, nothing need say so.
    let (header, staked) = match form.block_signature {
        true => from_block(rpc, &name, form.header).await?,
        false => (from_header(rpc, &name, form.header).await?.0, Some(false)),
    };
    let is_merged = header.first_chunk().is_some_and(|version| u32::from_le_bytes(*version) & MERGED_BIT != 0);
    let parent = if is_merged { parent(rpc, &name).await? } else { None };
    Ok(Sample { height, hash, header, parent, staked })
}

/// By the header's own bytes, where the node gives them.
async fn from_header(rpc: &Rpc, name: &str, form: HeaderForm) -> Result<(Vec<u8>, Option<bool>), RpcError> {
    const METHOD: &str = "getblockheader";
    let answer: Value = match rpc.call_as(Call::new(METHOD), json!([name, false])).await {
        Err(error) if error.is_method_missing() => return from_block(rpc, name, form).await,
        answer => answer?,
    };
    let Some(text) = answer.as_str() else { return rebuilt(rpc, METHOD, answer, form) };
    // Chains with merged mining put its proof behind the header.
    let header = hex::decode(text.as_bytes()).filter(|bytes| bytes.len() >= form.bytes());
    let mut header = header.ok_or_else(|| rpc.bad_answer(METHOD, "it is no block header".to_owned()))?;
    header.truncate(form.bytes());
    Ok((header, Some(false)))
}

async fn from_block(rpc: &Rpc, name: &str, form: HeaderForm) -> Result<(Vec<u8>, Option<bool>), RpcError> {
    const METHOD: &str = "getblock";
    let answer = rpc.call_as(Call::new(METHOD).bytes_max(TEMPLATE_BYTES_MAX), json!([name])).await?;
    rebuilt(rpc, METHOD, answer, form)
}

/// The other chain's header in which a block of merged mining has its proof of work; `None`: the node does not show it.
async fn parent(rpc: &Rpc, name: &str) -> Result<Option<Vec<u8>>, RpcError> {
    #[derive(Deserialize)]
    struct Block {
        auxpow: Option<Auxiliary>,
    }
    #[derive(Deserialize)]
    struct Auxiliary {
        parentblock: Option<String>,
    }
    let call = Call::new("getblock").bytes_max(TEMPLATE_BYTES_MAX);
    let block: Block = match rpc.call_as(call, json!([name])).await {
        // In a form of its own.
        Err(RpcError::BadAnswer { .. }) => return Ok(None),
        answer => answer?,
    };
    let text = block.auxpow.and_then(|auxiliary| auxiliary.parentblock);
    let bytes = text.and_then(|text| hex::decode(text.as_bytes()));
    Ok(bytes.and_then(|bytes| bytes.get(..PARENT_BYTES).map(<[u8]>::to_vec)))
}

/// The header put together from the fields of an answer.
fn rebuilt(rpc: &Rpc, method: &str, answer: Value, form: HeaderForm) -> Result<(Vec<u8>, Option<bool>), RpcError> {
    let fields: Fields =
        serde_json::from_value(answer).map_err(|error| rpc.bad_answer(method, format!("the header in it: {error}")))?;
    let header =
        of_fields(&fields, form).map_err(|what| rpc.bad_answer(method, format!("its `{what}` cannot be read")))?;
    Ok((header.to_bytes().to_vec(), fields.staked()))
}

fn of_fields(fields: &Fields, form: HeaderForm) -> Result<Header, &'static str> {
    let hash = |name, text: &str| -> Result<Hash, &'static str> { parse_display_hash(text).ok_or(name) };
    let number = |name, value: &Value| -> Result<u32, &'static str> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.or_else(|| value.as_str().and_then(|text| hex::decode_u32(text.as_bytes()))).ok_or(name)
    };
    Ok(Header {
        version: u32::try_from(fields.version)
            .or_else(|_| i32::try_from(fields.version).map(i32::cast_unsigned))
            .map_err(|_| "version")?,
        previous: fields.previousblockhash.as_deref().map_or(Ok([0; 32]), |text| hash("previousblockhash", text))?,
        merkle_root: hash("merkleroot", &fields.merkleroot)?,
        time: fields.time().ok_or("time")?,
        bits: number("bits", &fields.bits)?,
        nonce: number("nonce", &fields.nonce)?,
        extra: match form {
            HeaderForm::Bitcoin => Extra::None,
            HeaderForm::Lbry => {
                Extra::Claims(hash("nameclaimroot", fields.nameclaimroot.as_deref().unwrap_or_default())?)
            }
            HeaderForm::Heavycoin => {
                Extra::Vote { vote: fields.vote.ok_or("vote")?, reward: fields.reward.ok_or("reward")? }
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(changes: &Value) -> Fields {
        let mut block =
            json!({ "version": 1, "merkleroot": "22".repeat(32), "time": 1, "bits": "1d00ffff", "nonce": 0 });
        block.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(block).unwrap()
    }

    #[test]
    fn whether_a_block_was_staked_is_said_or_not() {
        assert_eq!(fields(&json!({ "flags": "proof-of-stake stake-modifier" })).staked(), Some(true));
        assert_eq!(fields(&json!({ "flags": "proof-of-work" })).staked(), Some(false));
        assert_eq!(fields(&json!({})).staked(), None, "as some of Peercoin's nodes");
    }

    #[test]
    fn the_time_is_a_number_or_a_text() {
        let time = |time: Value| fields(&json!({ "time": time })).time();
        assert_eq!(time(json!(1_390_859_363)), Some(1_390_859_363));
        assert_eq!(time(json!("2014-01-27 21:49:23 UTC")), Some(1_390_859_363));
        assert_eq!(time(json!("2012-02-29 23:59:59 UTC")), Some(1_330_559_999));
        assert_eq!(time(json!("1970-01-01 00:00:00 UTC")), Some(0));
        for wrong in [
            "",
            "2014-01-27 21:49:23",
            "2014-13-27 21:49:23 UTC",
            "-1-1-1 0:0:0 UTC",
            "1-1-1 0:0 UTC",
            "1969-12-31 23:59:59 UTC",
        ] {
            assert_eq!(time(json!(wrong)), None, "{wrong}");
        }
        assert_eq!(time(json!(5_000_000_000_u64)), None);
    }
}
