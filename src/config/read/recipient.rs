//! `[[coin.recipient]]`: who has a share of every reward.

use toml::de::DeValue;

use crate::chain::address::AddressError;
use crate::chain::destination::{Destination, WHOLE_PPM};
use crate::coin::profile::Profile;
use crate::config::Recipient;
use crate::config::problem::{Place, Report};
use crate::config::section::Section;
use crate::config::value::{Wrong, nonempty, number, wrong};

/// Most recipients: each costs every miner bytes in every job.
const RECIPIENTS_MAX: usize = 16;

/// Reads a coin's recipients. `None` if one is wrong.
pub(super) fn read_all(
    report: &Report,
    coin: &Section<'_>,
    payout: Option<&(String, Destination)>,
    profile: Option<&Profile>,
) -> Option<Vec<Recipient>> {
    let sections = coin.tables("recipient");
    if sections.len() > RECIPIENTS_MAX {
        let remedy = format!("keep {RECIPIENTS_MAX} at most");
        report.problem(&coin.place("recipient"), "are too many recipients", remedy);
        return None;
    }
    let mut seen: Vec<Destination> = payout.iter().map(|(_, to)| to.clone()).collect();
    let mut whole: u64 = 0;
    let read = |section: Section<'_>| {
        let (place, share_place) = (section.place("address"), section.place("percent"));
        let example = "address = \"where the share goes\"";
        let to = section.required("address", example, destination);
        let share_ppm = section.required("percent", "percent = 1.5", share_ppm);
        section.finish();
        let (to, share_ppm) = (to?, share_ppm?);
        judge(report, &place, &to, profile);
        if seen.contains(&to.1) {
            let remedy = "name every recipient once, and never the pool's own address: a wallet that gets two outputs of \
                          a coinbase stops MPOS's `findblock`";
            report.problem(&place, "is paid by another output already", remedy);
        }
        seen.push(to.1.clone());
        whole += u64::from(share_ppm);
        if whole >= u64::from(WHOLE_PPM) {
            report.problem(&share_place, "makes all shares together 100 % or more", "leave the pool some");
        }
        Some(Recipient { written: to.0, to: to.1, share_ppm })
    };
    sections.into_iter().map(read).collect::<Vec<_>>().into_iter().collect()
}

/// Says what is wrong with a destination as far as the coin's own forms tell. Those may be incomplete, and then the node
/// decides: so only what is mistyped beyond doubt, and what anybody could spend, is a problem.
pub(super) fn judge(
    report: &Report,
    place: &Place<'_>,
    (written, to): &(String, Destination),
    profile: Option<&Profile>,
) {
    let Some(form) = profile.map(|profile| &profile.form) else { return };
    let Err(error) = to.script(&form.addresses) else { return };
    // Beside a list the value is not shown by itself.
    let of = if place.shown { String::new() } else { format!(" with {written:?}") };
    // Coins that name transactions by another hash have it in their addresses' checksums, too.
    if error.is_mistyped(written, form.own_transaction_hash) {
        let remedy = "copy the address anew from the wallet; if it is right and the coin has checksums of its own, write the \
                      hash of its key as 40 hexadecimal digits";
        report.problem(place, format!("is mistyped{of}: {error}"), remedy);
    } else if matches!(error, AddressError::Open { .. }) {
        report.problem(place, format!("cannot be paid{of}: {error}"), "take an address of another kind");
    } else {
        let remedy = "write an address of the coin's wallet; if it is one, the coin's `addresses` are incomplete, and its \
                      node decides at the start: `mpos-stratum check --online` asks it";
        report.warning(place, format!("is no address of the coin as far as is known here{of}: {error}"), remedy);
    }
}

/// Where a coinbase pays to, with the text it was written as.
pub(super) fn destination(value: &DeValue<'_>) -> Result<(String, Destination), Wrong> {
    let text = nonempty(value)?;
    match Destination::parse(&text) {
        Ok(to) => Ok((text, to)),
        Err(error) => wrong(format!("cannot be paid: {error}"), "write an address of the coin, or a key or script so"),
    }
}

/// A percentage of four decimals at most, in millionths.
pub(super) fn share_ppm(value: &DeValue<'_>) -> Result<u32, Wrong> {
    const REMEDY: &str = "write a number from 0.0001 to 99.9999, with four decimals at most";
    let Some(percent) = number(value).filter(|percent| (0.0001..100.0).contains(percent)) else {
        return wrong("is not a share of the reward", REMEDY);
    };
    let ppm = percent * 10_000.0;
    if (ppm - ppm.round()).abs() > 1e-6 {
        return wrong("has more than four decimals", REMEDY);
    }
    // In bounds and whole: the text of such a number is that of an integer.
    match format!("{:.0}", ppm.round()).parse() {
        Ok(ppm) => Ok(ppm),
        Err(_) => wrong("is not a share of the reward", REMEDY),
    }
}
