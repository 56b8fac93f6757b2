//! A spool that is damaged or cut at every byte, opened, written to and drained: no row is ever
//! skipped in silence, changed, or there twice.

use super::super::status::{DrainState, Recovered};
use super::recover::{Image, SYNCED, WRITTEN, image};
use super::*;

/// What came of a damaged spool.
struct Outcome {
    recovered: Recovered,
    /// Number of the event that was appended behind.
    appended: u64,
    rows: Vec<u64>,
    stopped: Option<String>,
}

impl Outcome {
    /// Opens the spool whose one segment holds `bytes`, appends an event and drains all that can be.
    async fn of(image: &Image, bytes: &[u8]) -> Self {
        std::fs::write(&image.file, bytes).unwrap();
        let copy = copy_spool_to_memory(image.dir.path());
        let Opened { ledger, recovered } = open_with(copy.path(), &config(), clock());
        let appended = append(&ledger, &[accepted(99)]).first_seq;
        let sink = MemorySink::new();
        let draining = Draining::start(&ledger, &sink);
        ledger.sync_now();
        let ended = |state: &DrainState| matches!(state, DrainState::Stopped(_));
        until(&ledger, |status| status.drained == appended || ended(&status.drain)).await;
        let stopped = match ledger.status().drain {
            DrainState::Stopped(why) => Some(why),
            _ => None,
        };
        draining.stop().await;
        for row in sink.rows() {
            let expected = if row.seq == appended { accepted(99) } else { accepted(row.seq) };
            assert_eq!(row.event, expected, "a row that nobody wrote");
        }
        Self { recovered, appended, rows: sink.rows().iter().map(|row| row.seq).collect(), stopped }
    }

    fn gaps(&self) -> Vec<(u64, u64)> {
        self.recovered.gaps.iter().map(|gap| (gap.first_seq, gap.last_seq)).collect()
    }
}

#[tokio::test]
async fn a_damaged_byte_anywhere_costs_nothing_in_silence() {
    let image = image().await;
    for at in 0..image.end {
        let mut bytes = image.bytes.clone();
        bytes[at] ^= 0x55;
        let outcome = Outcome::of(&image, &bytes).await;
        let hit = image.records.iter().find(|record| (record.1..record.2).contains(&at)).map_or(0, |record| record.0);
        let place = format!("byte {at}, event {hit}: {:?}, {:?}", outcome.recovered, outcome.stopped);
        if (1..=SYNCED).contains(&hit) {
            // It had reached the disk: the drain stays before it and says where it is.
            let named = format!("byte {}: events {hit} to {hit} had reached the disk", image.range(hit).start);
            assert_eq!((outcome.rows, outcome.recovered.damage.len()), ((1..hit).collect(), 1), "{place}");
            assert!(
                outcome.recovered.damage[0].contains(&named) && outcome.stopped.unwrap().contains(&named),
                "{place}"
            );
            assert!(outcome.appended > WRITTEN, "{place}");
            continue;
        }
        // A page that a power cut kept from the disk: told, and gone on from.
        let lost = if hit > SYNCED { hit } else { 0 };
        let gaps = outcome.gaps();
        let appended = if lost == WRITTEN { WRITTEN } else { WRITTEN + 1 };
        let expected: Vec<u64> = (1..appended).filter(|seq| *seq != lost).chain([appended]).collect();
        assert_eq!((outcome.rows, outcome.appended), (expected, appended), "{place}");
        assert_eq!((outcome.recovered.damage.len(), outcome.stopped), (0, None), "{place}");
        let told = gaps == [(lost, lost)] || lost == 0 && gaps.is_empty();
        // The last record of all may as well never have been written: its bytes are told.
        assert!(told || lost == WRITTEN && outcome.recovered.torn_bytes > 0, "{place}");
    }
}

#[tokio::test]
async fn a_file_cut_anywhere_costs_nothing_in_silence() {
    let image = image().await;
    for length in 0..image.end + 32 {
        let outcome = Outcome::of(&image, &image.bytes[..length]).await;
        let highest =
            image.records.iter().filter(|record| record.2 <= length).map(|record| record.0).max().unwrap_or(0);
        let place = format!("cut at {length}: {:?}, {:?}", outcome.recovered, outcome.stopped);
        assert_eq!(outcome.rows, (1..=highest).collect::<Vec<_>>(), "{place}");
        assert!(outcome.recovered.damage.len() == 1 && outcome.recovered.damage[0].contains("was cut"), "{place}");
        assert!(outcome.stopped.is_some_and(|why| why.contains(&format!("events {} to", highest + 1))), "{place}");
        assert!(outcome.appended > WRITTEN + 1000, "no number comes twice, {place}");
    }
}

#[tokio::test]
async fn zeros_from_anywhere_behind_the_last_marker_cost_what_never_reached_the_disk() {
    let image = image().await;
    for from in image.range(SYNCED + 1).start..image.end {
        let mut bytes = image.bytes.clone();
        bytes[from..].fill(0);
        let outcome = Outcome::of(&image, &bytes).await;
        let kept = image.records.iter().filter(|record| record.2 <= from).map(|record| record.0).max().unwrap();
        // The last bytes of a record are padding, so that the record may be whole without them.
        let kept = if outcome.appended == kept + 2 { kept + 1 } else { kept };
        assert_eq!(outcome.rows, (1..=kept + 1).collect::<Vec<_>>(), "zeros from {from}");
        assert_eq!((outcome.appended, outcome.stopped), (kept + 1, None), "zeros from {from}");
        assert!(kept == WRITTEN || image.range(kept + 1).end > from, "zeros from {from}");
    }
}

#[tokio::test]
async fn damage_in_several_places_costs_nothing_in_silence() {
    for seed in 1..=150_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut roll = |sides: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 20).unwrap() % sides
        };
        let image = image().await;
        let mut bytes = image.bytes.clone();
        for _ in 0..=roll(4) {
            let (at, fill) = (roll(image.end), [0, 0xff, 0xa7][roll(3)]);
            let to = (at + 1 + roll(600)).min(image.end);
            bytes[at..to].fill(fill);
        }
        let outcome = Outcome::of(&image, &bytes).await;
        let place = format!("seed {seed}: {:?}, {:?}, {:?}", outcome.recovered, outcome.rows, outcome.stopped);
        assert!(outcome.rows.is_sorted_by(|a, b| a < b), "{place}");
        let last = outcome.rows.last().copied().unwrap_or(0);
        let told = |seq: &u64| outcome.gaps().iter().any(|(first, last)| (*first..=*last).contains(seq));
        let missing: Vec<u64> = (1..last).filter(|seq| !outcome.rows.contains(seq)).collect();
        assert!(missing.iter().all(told), "{place}");
        match &outcome.stopped {
            Some(why) => assert!(why.contains(&format!("events {} to", last + 1)), "{place}"),
            None => assert_eq!(last, outcome.appended, "{place}"),
        }
    }
}
