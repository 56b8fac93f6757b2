//! What is decided from the cursor's row.

use super::*;

fn row(spool: &str, seq: u64, age_secs: i64) -> Standing {
    let (host, version) = ("h".to_owned(), "1".to_owned());
    let position = Position { spool: spool.into(), seq };
    Standing { position, host, version, age_secs, token: "t".into(), lease_at: "2026-11-21 14:00:00.000".into() }
}

const LEASE: Duration = Duration::from_secs(60);

fn me(kept: Option<u64>, confirmed: u64) -> Facts<'static> {
    Facts { spool: "me", host: "h", kept, confirmed, watched: Duration::ZERO, takeover_after: LEASE }
}

#[test]
fn first_use_and_a_lost_row() {
    assert_eq!(decide(None, &me(None, 0)), Ok(Decision::Create));
    assert!(decide(None, &me(None, 7)).unwrap_err().contains("up to 7"));
    assert!(decide(None, &me(Some(9), 0)).unwrap_err().contains("up to 9"));
}

#[test]
fn the_own_row_is_resumed_at_once_unless_it_is_behind() {
    for age in [-5, 0, 3600] {
        assert_eq!(decide(Some(&row("me", 7, age)), &me(None, 7)), Ok(Decision::Resume(7)));
    }
    assert_eq!(decide(Some(&row("me", 9, 0)), &me(None, 7)), Ok(Decision::Resume(9)), "an ambiguous commit");
    assert!(decide(Some(&row("me", 6, 0)), &me(None, 7)).unwrap_err().contains("up to 6 only"));
}

#[test]
fn a_copy_of_the_spool_is_a_stranger_until_its_lease_has_ended() {
    let copy = Facts { host: "copy", ..me(None, 7) };
    for age in [-5, 0, 59] {
        let stop = decide(Some(&row("me", 7, age)), &copy).unwrap_err();
        assert!(stop.contains("from \"h\", this is \"copy\""), "{stop}");
    }
    assert_eq!(decide(Some(&row("me", 7, 60)), &copy), Ok(Decision::Resume(7)));
}

#[test]
fn only_a_position_that_can_be_explained_is_gone_on_from() {
    for (position, explained, attached) in [
        (7, vec![7..=7, 9..=9], Attached::Writer(7)),
        (9, vec![7..=7, 9..=9], Attached::Writer(9)),
        (8, vec![7..=7, 9..=9], Attached::Unexplained(8)),
        (8, vec![5..=8], Attached::Writer(8)),
        (9, vec![5..=8], Attached::Unexplained(9)),
    ] {
        assert_eq!(Decision::Resume(position).attached(&explained), attached);
        assert_eq!(Decision::TakeOver(position).attached(&explained), attached);
    }
}

#[test]
fn a_stranger_is_replaced_only_after_it_was_watched() {
    // However long ago its last sign of life is.
    for age in [-5, 0, 59, 60, 86_400] {
        for watched in [Duration::ZERO, LEASE - Duration::from_millis(1)] {
            let stop = decide(Some(&row("other", 7, age)), &Facts { watched, ..me(None, 0) }).unwrap_err();
            assert!(stop.contains("spool other on host \"h\""), "{stop}");
        }
    }
    let watched = |kept, confirmed| Facts { watched: LEASE, ..me(kept, confirmed) };
    let other = row("other", 7, 60);
    assert_eq!(decide(Some(&other), &watched(None, 0)), Ok(Decision::TakeOver(0)));
    assert_eq!(decide(Some(&other), &watched(Some(5), 5)), Ok(Decision::TakeOver(5)));
    assert!(decide(Some(&other), &watched(Some(4), 5)).is_err());
    assert!(decide(Some(&other), &watched(None, 5)).is_err());
}
