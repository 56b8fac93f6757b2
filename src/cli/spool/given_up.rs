//! Block candidates that are lost with damage that an operator gives up: their dossiers still have them.

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;

use crate::cli::say::complain;
use crate::ledger::decision::GivenUp;
use crate::ledger::inspect::{SpoolFiles, Step};
use crate::ledger::record::Event;
use crate::service::blocks::dossier::Dossier;
use crate::service::blocks_dir;

/// The candidates among `events` that cannot be read in the spool and have a dossier; each is named, with
/// what becomes of it.
pub(super) fn candidates(files: &SpoolFiles, events: RangeInclusive<u64>) -> io::Result<Vec<GivenUp>> {
    let mut lost = dossiers(files, &events)?;
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let readable = readable(files, &events)?;
    lost.retain(|(seq, _)| !readable.contains(seq));
    let mut given_up = Vec::new();
    for (seq, dossier) in lost {
        let Dossier { height, hash, share, .. } = &dossier;
        let who =
            format!("block candidate {seq} is among them: height {height}, hash {hash}, worker {:?}", share.worker);
        let again = dossier.record().and_then(|share| GivenUp::of(seq, share, dossier.verdict(seq)));
        match &again {
            Some(_) => complain(format_args!("{who}. Its dossier has it: its row is put in again, at the end, once")),
            None => complain(format_args!(
                "{who}. Its dossier was changed and cannot be used: enter its row into `shares` by hand, with the hash as \
                 solution"
            )),
        }
        given_up.extend(again);
    }
    Ok(given_up)
}

/// Dossiers of the spool whose shares were among `events`.
fn dossiers(files: &SpoolFiles, events: &RangeInclusive<u64>) -> io::Result<Vec<(u64, Dossier)>> {
    let entries = match std::fs::read_dir(blocks_dir(files.dir())) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let (spool, mut found) = (files.spool().to_string(), Vec::new());
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match Dossier::read(&path) {
            Ok(dossier) if dossier.spool == spool => {
                let seq = dossier.seq.filter(|seq| events.contains(seq));
                found.extend(seq.map(|seq| (seq, dossier)));
            }
            Ok(_) => {}
            Err(error) => complain(format_args!("{}: {error}", path.display())),
        }
    }
    found.sort_by_key(|(seq, _)| *seq);
    Ok(found)
}

/// The numbers of the candidates among `events` that can be read.
fn readable(files: &SpoolFiles, events: &RangeInclusive<u64>) -> io::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    let mut walk = files.walk(*events.start())?;
    while let Some(step) = walk.step()? {
        match step {
            Step::Event(entry, _) if entry.seq > *events.end() => break,
            Step::Event(entry, _) => {
                let is_candidate = matches!(&entry.event, Event::Share(share) if share.candidate.is_some());
                numbers.extend(is_candidate.then_some(entry.seq));
            }
            _ => {}
        }
    }
    Ok(numbers)
}
