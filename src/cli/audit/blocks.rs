//! Our block candidates beside MPOS's blocks and the node.

use std::collections::BTreeMap;

use mysql_async::Conn;
use serde_json::Value;

use super::View;
use super::report::Report;
use crate::bytes::display_hash;
use crate::cli::quantity::utc;
use crate::exit::Exit;
use crate::ledger::inspect::Step;
use crate::ledger::record::Event;
use crate::mpos::audit::block::{Facts, Remark, account_of, explain, unmatched};
use crate::mpos::audit::{self, Account, Crons, MposBlock, OurBlock};
use crate::node::lookup::hash_at;
use crate::node::nodes::Nodes;
use crate::node::payout::check_payout;

/// Largest dossier that is read.
const DOSSIER_BYTES_MAX: u64 = 1024 * 1024;

/// What is asked once for all blocks.
struct Known {
    nodes: Nodes,
    crons: Crons,
    owned: Option<bool>,
    paid_id: u64,
    mpos: Vec<MposBlock>,
    accounts: BTreeMap<String, Account>,
    dossiers: BTreeMap<String, String>,
}

pub(super) async fn compare(
    view: &View,
    conn: &mut Conn,
    wanted: Option<&str>,
    report: &mut Report,
) -> Result<(), Exit> {
    let database = view.database();
    let since = if wanted.is_some() { 0 } else { view.since };
    let is_wanted = |height: u32, hash: &str| {
        wanted.is_none_or(|text| text == height.to_string() || text.eq_ignore_ascii_case(hash))
    };
    let mut ours = audit::our_blocks(conn, since).await.map_err(&database)?;
    // A block's own time may lie before the second in which it was found.
    let mpos = audit::mpos_blocks(conn, since.saturating_sub(7200)).await.map_err(&database)?;
    let nodes = Nodes::new(&view.coin.nodes);
    let names: Vec<String> = ours.iter().map(|block| account_of(&block.worker).to_owned()).collect();
    let own = view.coin.payout.script(&view.coin.profile.form.addresses).ok();
    let known = Known {
        owned: check_payout(&nodes, &view.coin.payout_address, own.as_deref()).await.ok().and_then(|check| check.owned),
        nodes,
        crons: audit::crons(conn).await.map_err(&database)?,
        paid_id: audit::paid_id(conn).await.map_err(&database)?,
        accounts: audit::accounts(conn, &view.coin.mpos, &names).await.map_err(&database)?,
        dossiers: dossiers(view),
        mpos,
    };
    if wanted.is_some() {
        report.show_all_blocks();
    }
    known.general(report);
    report.count("block candidates", ours.len() as u64);
    let strangers =
        known.mpos.iter().filter(|block| !ours.iter().any(|our| our.name().eq_ignore_ascii_case(&block.hash)));
    for block in strangers.filter(|block| is_wanted(block.height, &block.hash) && block.time >= since) {
        stranger(view, &known, block, report);
    }
    ours.retain(|block| is_wanted(block.height, block.name()) || is_wanted(block.height, &block.hash));
    for block in &ours {
        one(view, &known, block, conn, report).await?;
    }
    only_in_spool(view, &known, &ours, &is_wanted, since, conn, report).await
}

impl Known {
    fn general(&self, report: &mut Report) {
        for (name, message) in &self.crons.disabled {
            if name == "findblock" || name.ends_with("_payout") {
                let text = format!(
                    "MPOS's cron job {name} is disabled (last message: {message:?}): blocks are not credited until it is enabled"
                );
                report.say(Remark::problem("cron_disabled", text));
            }
        }
        if self.crons.maintenance {
            report.say(Remark::problem("maintenance", "MPOS is in maintenance mode: its cron jobs do nothing"));
        }
        if self.owned == Some(false) {
            let text =
                "the node's wallet does not own the payout address: MPOS never sees the blocks that are paid to it";
            report.say(Remark::problem("not_owned", text));
        }
    }
}

/// A block of MPOS that is no candidate of ours.
fn stranger(view: &View, known: &Known, block: &MposBlock, report: &mut Report) {
    let mut remarks = Vec::new();
    if block.share_id.is_none() && block.confirmations >= 0 {
        unmatched(&known.crons, block.time, view.now, &mut remarks);
    }
    remarks.push(Remark::note(
        "not_ours",
        "this daemon has no candidate of that hash: it was found by another program that mines to MPOS's wallet, or before",
    ));
    report.block(format!("block {} {} at {}", block.height, block.hash, utc(block.time)), remarks);
}

async fn one(view: &View, known: &Known, ours: &OurBlock, conn: &mut Conn, report: &mut Report) -> Result<(), Exit> {
    let database = view.database();
    let mpos = known.mpos.iter().find(|block| block.hash.eq_ignore_ascii_case(ours.name()));
    let other = mpos.and_then(|block| block.share_id).filter(|id| *id != ours.share_id);
    let matched = match other {
        Some(id) => audit::share_at(conn, id).await.map_err(&database)?.map(|found| found.0),
        None => None,
    };
    let facts = Facts {
        ours,
        mpos,
        row: audit::share_at(conn, ours.share_id).await.map_err(&database)?,
        matched,
        in_chain: hash_at(&known.nodes, ours.height).await.map(|hash| display_hash(&hash)),
        account: known.accounts.get(&account_of(&ours.worker).to_lowercase()),
        crons: &known.crons,
        owned: known.owned,
        paid_id: known.paid_id,
        now: view.now,
    };
    let mut remarks = explain(&facts);
    if let Some(dossier) = known.dossiers.get(&ours.hash).filter(|_| !remarks.is_empty()) {
        remarks.push(Remark::note("dossier", dossier.clone()));
    }
    let title = format!(
        "block {} {} of {:?} at {}: event {}, share {}, verdict {}",
        ours.height,
        ours.name(),
        ours.worker,
        utc(ours.time),
        ours.seq,
        ours.share_id,
        ours.verdict
    );
    report.block(title, remarks);
    Ok(())
}

/// Candidates that the database has not got yet.
async fn only_in_spool(
    view: &View,
    known: &Known,
    ours: &[OurBlock],
    is_wanted: &impl Fn(u32, &str) -> bool,
    since: u64,
    conn: &mut Conn,
    report: &mut Report,
) -> Result<(), Exit> {
    let unreadable = view.unreadable();
    let spool = view.files.spool().to_string();
    let mark = audit::mark(conn).await.map_err(view.database())?;
    let stored = mark.cursor.filter(|(writer, _)| *writer == spool).map_or(0, |(_, seq)| seq);
    let mut walk = view.files.walk(stored + 1).map_err(&unreadable)?;
    while let Some(step) = walk.step().map_err(&unreadable)? {
        let Step::Event(entry, _) = step else { continue };
        let Event::Share(share) = &entry.event else { continue };
        let Some(facts) = share.candidate else { continue };
        let hash = display_hash(&facts.hash);
        let is_new = entry.seq > stored && entry.time >= since && !ours.iter().any(|our| our.hash == hash);
        if is_new && is_wanted(share.height, &hash) {
            let text = "its row is not in the database yet: the drain is behind or stopped (see `spool status`). If MPOS's findblock \
                        runs before, it takes another share";
            let mut remarks = vec![Remark::problem("not_drained", text)];
            remarks.extend(known.dossiers.get(&hash).map(|dossier| Remark::note("dossier", dossier.clone())));
            report.block(
                format!(
                    "block {} {hash} of {:?} at {}: event {}",
                    share.height,
                    share.worker,
                    utc(entry.time),
                    entry.seq
                ),
                remarks,
            );
        }
    }
    Ok(())
}

/// What the dossiers beside the spool say, by hash. They are the daemon's own, so that one which
/// cannot be read is left out.
fn dossiers(view: &View) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let files = std::fs::read_dir(view.files.dir().join("blocks")).into_iter().flatten().flatten();
    for path in files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "json")) {
        let small = std::fs::metadata(&path).is_ok_and(|file| file.len() <= DOSSIER_BYTES_MAX);
        let text = if small { std::fs::read(&path).ok() } else { None };
        let Some(dossier) = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else { continue };
        let Some(hash) = dossier["hash"].as_str() else { continue };
        let state = dossier["state"].as_str().unwrap_or("unknown");
        found.insert(hash.to_owned(), format!("its dossier says {state}: {}", path.display()));
    }
    found
}
