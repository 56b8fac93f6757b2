//! Why a block was credited as it was, or was not.

use super::{Account, Crons, MposBlock, OurBlock, ShareAt};

/// MPOS looks for blocks every minute or so; after so long it should have found one.
pub const FINDBLOCK_SECS: u64 = 600;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As it should be, or explained.
    Note,
    /// Somebody has to look at it.
    Problem,
}

/// Something that an audit says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    /// How bad it is.
    pub weight: Weight,
    /// Its kind, for programs.
    pub kind: &'static str,
    /// In words.
    pub text: String,
}

impl Remark {
    /// A remark that calls for somebody.
    pub fn problem(kind: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Problem, kind, text: text.into() }
    }

    /// A remark that explains.
    pub fn note(kind: &'static str, text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, kind, text: text.into() }
    }
}

/// Everything that is known about a candidate.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Our record of it.
    pub ours: &'a OurBlock,
    /// MPOS's block of that name.
    pub mpos: Option<&'a MposBlock>,
    /// Its share's row; true: archived.
    pub row: Option<(ShareAt, bool)>,
    /// The row that MPOS matched the block to, where that is another one.
    pub matched: Option<ShareAt>,
    /// The block that the node has at its height; the text says why that is not known.
    pub in_chain: Result<String, String>,
    /// The worker's account.
    pub account: Option<&'a Account>,
    /// What MPOS's cron jobs say.
    pub crons: &'a Crons,
    /// Whether the wallet owns the payout address; `None`: nobody says.
    pub owned: Option<bool>,
    /// Up to this share id everything was paid and removed.
    pub paid_id: u64,
    /// The present second.
    pub now: u64,
}

/// Explains a candidate, from its share to its payout.
pub fn explain(facts: &Facts<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let lost = is_lost(facts, &mut remarks);
    the_row(facts, lost, &mut remarks);
    the_account(facts, lost, &mut remarks);
    match facts.mpos {
        Some(block) => the_match(facts, block, &mut remarks),
        None if lost => {}
        None => the_absence(facts, &mut remarks),
    }
    remarks
}

/// Whether the block did not make it into the chain, which nobody has to be credited for.
fn is_lost(facts: &Facts<'_>, remarks: &mut Vec<Remark>) -> bool {
    let ours = facts.ours;
    let is_there = facts.in_chain.as_ref().is_ok_and(|hash| hash.eq_ignore_ascii_case(ours.name()));
    let verdict = ours.verdict.as_str();
    match &facts.in_chain {
        Ok(_) if is_there && matches!(verdict, "rejected" | "orphaned") => {
            let text = format!(
                "the node's chain has it, though it was taken for {verdict} ({}): its row says so",
                ours.reason
            );
            remarks.push(Remark::problem("verdict_wrong", text));
        }
        Ok(_) if is_there => {}
        Ok(other) => {
            let text = match verdict {
                "accepted" => format!("it lost its place in the chain: {other} is at its height"),
                "rejected" => format!("the nodes refused it ({}): {other} is at its height", ours.reason),
                _ => format!("it is not in the chain: {other} is at its height"),
            };
            remarks.push(Remark::note("not_in_chain", text));
            return true;
        }
        Err(why) if matches!(verdict, "rejected" | "orphaned") => {
            remarks
                .push(Remark::note("not_in_chain", format!("the nodes said {verdict} ({}); now: {why}", ours.reason)));
            return true;
        }
        Err(why) => {
            remarks.push(Remark::note("node_silent", format!("the node does not say whether it has it: {why}")))
        }
    }
    false
}

fn the_row(facts: &Facts<'_>, lost: bool, remarks: &mut Vec<Remark>) {
    let (ours, id) = (facts.ours, facts.ours.share_id);
    match &facts.row {
        Some((row, false)) if !lost => {
            let solution = row.solution.as_deref().unwrap_or_default();
            if !solution.eq_ignore_ascii_case(ours.name()) {
                let text = format!(
                    "share {id} has solution {solution:?}, not the block's hash {}: MPOS cannot match it by hash and takes any \
                     share after the block's time (it swaps rows of blocks found out of order)",
                    ours.name()
                );
                remarks.push(Remark::problem("solution", text));
            }
        }
        Some(_) => {}
        None if id <= facts.paid_id => {
            remarks.push(Remark::note("row_paid", format!("share {id} was paid and deleted by MPOS")));
        }
        None => {
            let text = format!(
                "share {id}, its row, is neither in shares nor in shares_archive, and not in a paid round: it was deleted by hand or lost with a restored backup"
            );
            remarks.push(Remark::problem("row_gone", text));
        }
    }
}

fn the_account(facts: &Facts<'_>, lost: bool, remarks: &mut Vec<Remark>) {
    let name = account_of(&facts.ours.worker);
    match facts.account {
        _ if lost => {}
        None => {
            let text = format!("its finder's account {name:?} does not exist: MPOS cannot credit it");
            remarks.push(Remark::problem("account_unknown", text));
        }
        Some(account) if account.locked == 2 => {
            let text =
                format!("its finder's account {name:?} is locked by an administrator: MPOS leaves it out of payouts");
            remarks.push(Remark::problem("account_locked", text));
        }
        Some(_) => {}
    }
}

fn the_match(facts: &Facts<'_>, block: &MposBlock, remarks: &mut Vec<Remark>) {
    let ours = facts.ours;
    if block.confirmations < 0 {
        remarks.push(Remark::note("orphaned", "MPOS has marked it as orphaned: its credits are void"));
    }
    let Some(share_id) = block.share_id else {
        return unmatched(facts.crons, block.time, facts.now, remarks);
    };
    if share_id != ours.share_id {
        let other = facts.matched.as_ref();
        let is_swapped = other.is_some_and(|row| row.solution.as_deref() == Some(ours.name()));
        let whose = other.map_or("a share that is gone".to_owned(), |row| format!("a share of {:?}", row.username));
        let remark = match is_swapped {
            true => Remark::note(
                "swapped",
                format!("MPOS swapped rows of blocks found out of order: its row is share {share_id} now"),
            ),
            false => Remark::problem(
                "wrong_share",
                format!(
                    "MPOS matched it to share {share_id}, {whose}, and not to share {} of {:?}: wrong finder, and the round is cut \
                 at the wrong share",
                    ours.share_id, ours.worker
                ),
            ),
        };
        remarks.push(remark);
    }
    if let (Some(account), Some(credited)) = (facts.account, block.account_id)
        && account.id != credited
    {
        let text =
            format!("MPOS names account {credited} as its finder, but {:?} is account {}", ours.worker, account.id);
        remarks.push(Remark::problem("wrong_finder", text));
    }
    if block.account_id.is_none() {
        remarks.push(Remark::problem("no_finder", "MPOS has matched it, but names no account as its finder"));
    }
    if !block.accounted && facts.now.saturating_sub(block.time) > FINDBLOCK_SECS {
        let why = cron(facts.crons, |name| name.ends_with("_payout"));
        remarks.push(match why {
            Some(why) => Remark::problem("not_paid", format!("it is matched but not paid out: {why}")),
            None => Remark::note("not_paid", "it is matched and waits for MPOS's payout cron"),
        });
    }
}

/// A block of MPOS that has no share.
pub fn unmatched(crons: &Crons, time: u64, now: u64, remarks: &mut Vec<Remark>) {
    let why = cron(crons, |name| name == "findblock");
    let late = now.saturating_sub(time) > FINDBLOCK_SECS;
    remarks.push(match why {
        Some(why) => Remark::problem("no_share", format!("MPOS knows the block but has matched no share to it: {why}")),
        None if late => Remark::problem(
            "no_share",
            "MPOS knows the block but has matched no share to it for more than 10 minutes: payouts wait (E0062). No share has \
             its hash: mined by somebody else to MPOS's wallet, or its row is missing",
        ),
        None => Remark::note("no_share_yet", "MPOS knows the block and will match a share with its next findblock run"),
    });
}

fn the_absence(facts: &Facts<'_>, remarks: &mut Vec<Remark>) {
    if facts.owned == Some(false) {
        let text = "MPOS does not list it: its wallet does not own the payout address, so it never sees the block";
        remarks.push(Remark::problem("not_owned", text));
    } else if let Some(why) = cron(facts.crons, |name| name == "findblock") {
        remarks.push(Remark::problem("not_listed", format!("MPOS does not list it: {why}")));
    } else if facts.now.saturating_sub(facts.ours.time) > FINDBLOCK_SECS {
        let text = "MPOS does not list it after 10 minutes: its findblock cron does not run, or asks another wallet than the one \
                    that is paid";
        remarks.push(Remark::problem("not_listed", text));
    } else {
        remarks.push(Remark::note("not_listed_yet", "MPOS's findblock cron has not seen it yet"));
    }
}

/// Why a cron job does nothing, if it says so.
fn cron(crons: &Crons, which: impl Fn(&str) -> bool) -> Option<String> {
    if let Some((name, message)) = crons.disabled.iter().find(|(name, _)| which(name)) {
        return Some(format!(
            "its cron job {name} is disabled (last message: {message:?}); enable it in MPOS's admin panel"
        ));
    }
    crons.maintenance.then(|| "MPOS is in maintenance mode".to_owned())
}

/// The account that MPOS credits: the text before the first dot.
pub fn account_of(worker: &str) -> &str {
    worker.split('.').next().unwrap_or_default()
}
