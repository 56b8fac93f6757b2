//! `[[coin.fixed_output]]`: whom the coin's rules demand to be paid, and whom its nodes do not name.

use std::ops::RangeInclusive;

use toml::de::DeValue;

use super::recipient::{destination, judge, share_ppm};
use crate::chain::destination::{Destination, WHOLE_PPM};
use crate::chain::due::Due;
use crate::coin::profile::Profile;
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::{Wrong, list, nonempty, sized, wrong};
use crate::config::{FixedOutput, Recipient};

/// Most of them, for the bytes that each costs every miner in every job.
const FIXED_OUTPUTS_MAX: usize = 16;
/// Most addresses that one may take turns between: each is asked about at the start.
const ADDRESSES_MAX: usize = 64;
/// Most members of a template that one may be named by.
const MEMBERS_MAX: usize = 16;
/// Every height there can be.
const HEIGHTS: RangeInclusive<u64> = 0..=u32::MAX as u64;

/// Reads a coin's fixed outputs. `None` if one is wrong.
pub(super) fn read_all(
    report: &Report,
    coin: &Section<'_>,
    payout: Option<&(String, Destination)>,
    recipients: Option<&[Recipient]>,
    profile: Option<&Profile>,
) -> Option<Vec<FixedOutput>> {
    let sections = coin.tables("fixed_output");
    if sections.len() > FIXED_OUTPUTS_MAX {
        let remedy = format!("keep {FIXED_OUTPUTS_MAX} at most");
        report.problem(&coin.place("fixed_output"), "are too many fixed outputs", remedy);
        return None;
    }
    let mut shares: Vec<(RangeInclusive<u32>, u32)> = Vec::new();
    let read = |section: Section<'_>| {
        let (place, share_place) = (section.place("addresses"), section.place("percent"));
        let output = read(report, section)?;
        output.to.iter().for_each(|to| judge(report, &place, to, profile));
        let is_paid = |to: &Destination| {
            payout.is_some_and(|(_, payout)| payout == to)
                || recipients.is_some_and(|all| all.iter().any(|recipient| recipient.to == *to))
        };
        if output.to.iter().any(|(_, to)| is_paid(to)) {
            let remedy = "take the address out of [[coin.recipient]]; the pool's own cannot be one of them: a wallet that \
                          gets two outputs of a coinbase stops MPOS's `findblock`";
            report.problem(&place, "has an address that is paid by another output already", remedy);
        }
        if let Due::SharePpm(share_ppm) = output.due {
            shares.push((output.heights.clone(), share_ppm));
            if greatest_share(&shares) >= u64::from(WHOLE_PPM) {
                let what = "makes what fixed outputs take of one block 100 % or more";
                report.problem(&share_place, what, "leave the pool some, or part them by from_height and to_height");
            }
        }
        Some(output)
    };
    sections.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

fn read(report: &Report, section: Section<'_>) -> Option<FixedOutput> {
    let to = section.required("addresses", "addresses = [\"where it goes\"]", addresses);
    let due = match section.choose(&[&["percent"], &["amount"]]) {
        Some(0) => section.optional("percent", share_ppm).map(Due::SharePpm),
        Some(_) => section.optional("amount", sized(1..=i64::MAX.unsigned_abs())).map(Due::Amount),
        None => {
            section.missing("percent", "percent = 5` or `amount = 250000000");
            None
        }
    };
    let from: Option<u32> = section.or("from_height", "0", sized(HEIGHTS));
    let to_height: Option<u32> = section.optional("to_height", sized(HEIGHTS));
    if let (Some(from), Some(to)) = (from, to_height)
        && to < from
    {
        let what = "is below from_height: no block would pay it";
        report.problem(&section.place("to_height"), what, "make it the height of the last block that pays it");
    }
    let members = section.or("unless_members", "[]", members);
    section.finish();
    let heights = from?..=to_height.unwrap_or(u32::MAX);
    Some(FixedOutput { to: to?, due: due?, heights, members: members? })
}

/// The most that is taken of one block. Shares only grow where one begins.
fn greatest_share(shares: &[(RangeInclusive<u32>, u32)]) -> u64 {
    let at = |height: u32| {
        shares.iter().filter(|(heights, _)| heights.contains(&height)).map(|(_, share)| u64::from(*share)).sum()
    };
    shares.iter().map(|(heights, _)| at(*heights.start())).max().unwrap_or(0)
}

fn addresses(value: &DeValue<'_>) -> Result<Vec<(String, Destination)>, Wrong> {
    let addresses = list(destination)(value)?;
    match addresses.len() {
        0 => wrong("names nobody", "write at least one address"),
        1..=ADDRESSES_MAX => Ok(addresses),
        _ => wrong("has too many addresses", format!("keep {ADDRESSES_MAX} at most")),
    }
}

/// Names of members, in lower case as they are compared.
fn members(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    let members = list(nonempty)(value)?;
    match members.len() {
        0..=MEMBERS_MAX => Ok(members.iter().map(|member| member.to_ascii_lowercase()).collect()),
        _ => wrong("has too many members", format!("keep {MEMBERS_MAX} at most")),
    }
}
