//! Wishes in a miner's password: rental services and many users can say a difficulty nowhere else.
//!
//! `d=` is a difficulty to start with and not to fall below, `fd=` one that stays, `th=` the hash rate
//! in terahashes a second. They stand for themselves or beside the password proper, separated by commas,
//! semicolons or blanks: `secret,d=4096`.

use std::borrow::Cow;

/// What a password says besides being one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wishes {
    /// `d=`: the difficulty to start with and the least.
    pub start: Option<f64>,
    /// `fd=`: the difficulty that stays.
    pub fixed: Option<f64>,
    /// `th=`: terahashes a second.
    pub terahashes: Option<f64>,
}

/// Takes the wishes out of a password and says what is left of it.
pub fn split(password: &str) -> (Cow<'_, str>, Wishes) {
    let mut wishes = Wishes::default();
    let mut rest = String::new();
    let mut found = false;
    for part in password.split_inclusive(is_separator) {
        let word = part.trim_end_matches(is_separator);
        if wish(word, &mut wishes).is_some() {
            found = true;
        } else {
            rest.push_str(part);
        }
    }
    if !found {
        return (Cow::Borrowed(password), wishes);
    }
    // The separator before a wish that stood last belonged to the wish.
    (Cow::Owned(rest.trim_end_matches(is_separator).to_owned()), wishes)
}

fn is_separator(c: char) -> bool {
    matches!(c, ',' | ';' | ' ' | '\t')
}

fn wish(word: &str, wishes: &mut Wishes) -> Option<()> {
    let (key, value) = word.split_once('=')?;
    let place = match key.to_ascii_lowercase().as_str() {
        "d" | "diff" => &mut wishes.start,
        "fd" => &mut wishes.fixed,
        "th" => &mut wishes.terahashes,
        _ => return None,
    };
    let value = value.parse::<f64>().ok().filter(|value| value.is_finite() && *value > 0.0)?;
    place.get_or_insert(value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wishes_are_taken_out_and_the_rest_is_the_password() {
        for (password, rest, [start, fixed, terahashes]) in [
            ("secret", "secret", [None, None, None]),
            ("d=512", "", [Some(512.0), None, None]),
            ("secret,d=4096", "secret", [Some(4096.0), None, None]),
            ("d=0.5;x", "x", [Some(0.5), None, None]),
            ("x fd=16 th=1.5", "x", [None, Some(16.0), Some(1.5)]),
            ("a,D=1,b", "a,b", [Some(1.0), None, None]),
            ("diff=7,d=8", "", [Some(7.0), None, None]),
            ("method=123,xd=4", "method=123,xd=4", [None, None, None]),
            ("d=", "d=", [None, None, None]),
            ("d=0,d=-1,d=nan,d=1e999", "d=0,d=-1,d=nan,d=1e999", [None, None, None]),
            ("a, ,b,", "a, ,b,", [None, None, None]),
        ] {
            let (left, wishes) = split(password);
            assert_eq!(left, rest, "{password}");
            assert_eq!(wishes, Wishes { start, fixed, terahashes }, "{password}");
        }
    }

    proptest! {
        #[test]
        fn a_password_without_wishes_stays_as_it_is(password in "[^=]{0,40}") {
            prop_assert_eq!(split(&password).0, password.as_str());
        }

        #[test]
        fn nothing_panics(password in "\\PC{0,60}") {
            let _ = split(&password);
        }
    }
}
