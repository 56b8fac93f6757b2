//! Under which number the ledger has the share of a block that the last run left open.

use tracing::warn;

use super::dossier::{Dossier, Step, What};
use crate::ledger::handle::Ledger;

/// Makes sure of a dossier's number: without one the share is written down again, late. That must not be
/// where the disk took the share and then not the dossier's next step, so it is looked for first.
pub(super) fn check_number(ledger: &Ledger, dossier: &mut Dossier, now_ms: u64) {
    take_back_lost(ledger, dossier);
    let Some(own) = dossier.own_hash().filter(|_| dossier.seq.is_none()) else { return };
    let found = ledger.last_before(dossier.found_ms() / 1000).and_then(|after| ledger.find_candidate(&own, after));
    match found {
        Ok(Some(seq)) => dossier.add(Step { at_ms: now_ms, what: What::Recorded { seq } }),
        Ok(None) => {}
        Err(error) => {
            let Dossier { coin, height, hash, .. } = &*dossier;
            warn!(coin, height, hash, %error, "it cannot be seen whether the share of a block was written down");
        }
    }
}

/// Takes a number back that the ledger does not have the block under.
fn take_back_lost(ledger: &Ledger, dossier: &mut Dossier) {
    let (Some(seq), Some(own)) = (dossier.seq, dossier.own_hash()) else { return };
    if dossier.is_synced()
        || dossier.spool != ledger.spool().to_string()
        || ledger.is_candidate(seq, &own) != Some(false)
    {
        return;
    }
    let Dossier { coin, height, hash, .. } = &*dossier;
    warn!(
        coin,
        height, hash, seq, "the share of a block had not reached the disk before a power cut; it is written down again"
    );
    dossier.forget_number();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::dossier::tests::dossier;
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::ledger::error::AppendError;
    use crate::ledger::record::{Event, ShareRecord};
    use crate::ledger::tests::config as ledger_config;

    /// The share was written down, and then the disk took no further step of the dossier, only the first.
    #[test]
    fn a_share_that_is_there_is_not_written_down_again() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(1_700_000_000));
        let ledger = Ledger::open(dir.path(), &ledger_config(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap().ledger;
        let spool = ledger.spool().to_string();
        let first = Dossier { seq: None, marked: None, spool, steps: Vec::new(), ..dossier() };
        let share = first.record().unwrap();
        let other = ShareRecord { worker: "bob.other".into(), solution: None, candidate: None, ..share.clone() };
        let fill = |count| {
            for _ in 0..count {
                while matches!(ledger.append(&[Event::Share(other.clone())]), Err(AppendError::Full)) {}
            }
        };
        fill(3000);
        clock.advance(Duration::from_secs(100));
        let found_ms = clock.unix_ms();
        let on_disk = || {
            let mut dossier = first.clone();
            dossier.add(Step { at_ms: found_ms, what: What::Found });
            dossier
        };
        let mut read = on_disk();
        check_number(&ledger, &mut read, found_ms);
        assert_eq!(read, on_disk(), "it is not there");
        let seq = ledger.append(&[Event::Share(share)]).unwrap().last_seq;
        clock.advance(Duration::from_secs(100));
        fill(3000);
        check_number(&ledger, &mut read, found_ms);
        assert_eq!((read.seq, read.share_id_query.is_empty()), (Some(seq), false));
    }
}
