//! A chain of Peercoin's kind, in which mined and staked blocks take turns, as its nodes tell of it.

use serde_json::{Value, json};

use super::super::miner::hash::display;

/// How its nodes speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staking {
    /// As the first ones did: blocks have `flags`, and their time is a text. No `getblockheader`.
    InFlags,
    /// As later ones do: nothing says whether a block was staked, and the time is a number.
    Unsaid,
}

/// Whether the block at a height is staked.
pub fn is_staked(height: usize) -> bool {
    height % 2 == 1
}

impl Staking {
    /// What `getblock` says of a block at a height, with so many confirmations.
    pub fn block(
        self,
        hash: &str,
        header: &[u8],
        (height, confirmations): (usize, usize),
        below: Option<&str>,
    ) -> Option<Value> {
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let root: [u8; 32] = header.get(36..68)?.try_into().ok()?;
        let time = number(68)?;
        let mut says = json!({
            "hash": hash, "confirmations": confirmations, "height": height, "version": number(0)?,
            "merkleroot": display(&root), "time": time, "nonce": number(76)?, "bits": format!("{:08x}", number(72)?),
            "mint": 0.0, "previousblockhash": below, "tx": [],
        });
        if self == Self::InFlags {
            let kind = if is_staked(height) { "proof-of-stake stake-modifier" } else { "proof-of-work" };
            (says["flags"], says["time"]) = (json!(kind), json!(text(u64::from(time))));
        }
        Some(says)
    }
}

/// A second as the first nodes write it: `2014-01-27 21:49:23 UTC`.
fn text(unix_secs: u64) -> String {
    let (mut days, secs) = (unix_secs / 86_400, unix_secs % 86_400);
    let mut year = 1970;
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", days + 1)
}
