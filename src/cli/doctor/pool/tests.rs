use super::*;
use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};

fn values(all: &[(&str, &str)]) -> Values {
    all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn severity(words: &Words) -> Option<Severity> {
    assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()), "{words:?}");
    words.iter().map(|word| word.severity).max()
}

#[test]
fn versions_of_mpos_are_weighed() {
    for (text, expected) in [
        ("1.0.3", None),
        ("1.1.0", None),
        ("1.0.2", Some(Warning)),
        ("0.0.8", Some(Warning)),
        ("0.0.7", Some(Fault)),
        ("x", Some(Note)),
    ] {
        assert_eq!(severity(&version(&values(&[("DB_VERSION", text)]), true)), expected, "{text}");
    }
    assert_eq!(severity(&version(&values(&[]), true)), Some(Warning));
}

#[test]
fn cron_jobs_that_fail_or_stop_are_told() {
    let good = values(&[
        ("findblock_disabled", "0"),
        ("findblock_status", "0"),
        ("findblock_endtime", "10000"),
        ("findblock_active", "1"),
    ]);
    assert_eq!([cron_disabled(&good), cron_failed(&good), cron_late(&good, 10_900)].concat(), Words::new());
    assert_eq!(severity(&cron_late(&good, 10_901)), Some(Warning));
    assert!(cron_late(&good, 20_000)[0].saw.contains("marked as running"));
    assert_eq!(severity(&cron_late(&values(&[]), 1)), Some(Note));
    for (cron, expected) in [("findblock", Fault), ("pplns_payout", Fault), ("tickerupdate", Warning)] {
        let name = |suffix: &str| format!("{cron}_{suffix}");
        let state = values(&[(&name("disabled"), "1"), (&name("status"), "1"), (&name("message"), "E0081")]);
        let words = cron_disabled(&state);
        assert!(severity(&words) == Some(expected) && words[0].saw.contains("E0081") && words[0].mend.contains(cron));
        assert_eq!(cron_failed(&state), Words::new(), "said once");
    }
    assert_eq!(severity(&cron_failed(&values(&[("statistics_status", "1")]))), Some(Warning));
    assert_eq!(severity(&maintenance(&values(&[("maintenance", "1")]))), Some(Warning));
    assert_eq!(severity(&maintenance(&values(&[("disable_ap", "1"), ("maintenance", "0")]))), Some(Note));
    assert_eq!(maintenance(&values(&[("maintenance", "0")])), Words::new());
}

#[test]
fn blocks_that_mpos_lacks_or_leaves_are_told() {
    let none = Counted::default();
    assert_eq!([unmatched(&none), unpaid(&none)].concat(), Words::new());
    let some = Counted { count: 2, first_height: 77 };
    assert!(unmatched(&some)[0].mend.contains("--block 77") && unpaid(&some)[0].saw.contains("height 77"));
    let candidate = |verdict: &str, age_secs, booked| Candidate {
        height: 9,
        hash: "ff".into(),
        verdict: verdict.into(),
        age_secs,
        booked,
    };
    for (block, lost, pending) in [
        (candidate("accepted", 601, true), 0, 0),
        (candidate("accepted", 600, false), 0, 0),
        (candidate("accepted", 601, false), 1, 0),
        (candidate("pending", 601, false), 0, 1),
        (candidate("pending", 30, false), 0, 0),
    ] {
        let all = [block];
        assert_eq!((lost_blocks(&all).len(), pending_blocks(&all).len()), (lost, pending), "{all:?}");
    }
    assert_eq!(payout_mark(&values(&[("last_accounted_block_id", "7")]), 7), Words::new());
    assert_eq!(severity(&payout_mark(&values(&[("last_accounted_block_id", "8")]), 7)), Some(Fault));
}

#[test]
fn a_factor_is_judged_by_several_rounds() {
    let rounds = |count: usize, shares: f64| vec![Round { height: 1, difficulty: 2.0, shares }; count];
    // A class of 16 bits: 65536 shares a unit of network difficulty.
    assert_eq!(share_factor(&rounds(8, 131_072.0), 16), Words::new());
    assert_eq!(share_factor(&rounds(8, 131_072.0 * 15.0), 16), Words::new());
    assert_eq!(share_factor(&rounds(7, 2.0), 16), Words::new());
    assert!(share_factor(&rounds(8, 131_072.0 * 256.0), 16)[0].saw.contains("(2^8)"));
    assert!(share_factor(&rounds(8, 2.0), 16)[0].saw.contains("(2^-16)"));
    assert_eq!(zero_rounds(&rounds(2, 1.0)), Words::new());
    assert!(zero_rounds(&rounds(2, 0.0))[0].saw.ends_with("1, 1"));
}
