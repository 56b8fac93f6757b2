//! Workers and accounts.

use super::report::{Check, Words, fault, note, warning};
use crate::config::Coin;
use crate::mpos::doctor::pool::examples;
use crate::mpos::doctor::workers::Named;

pub(super) static FALLBACK: Check = Check {
    id: "workers.fallback",
    means: "The worker that earns blocks which nobody authorised has found does not count for MPOS: it would take \
            somebody else's share for such a block.",
};
pub(super) static ODD: Check = Check {
    id: "workers.odd_names",
    means: "MPOS's pages find shares by `account.worker`: workers named otherwise are counted wrongly or not at all.",
};
pub(super) static HOMELESS: Check = Check {
    id: "workers.without_account",
    means: "MPOS credits the text before the dot: the shares of these workers would earn nothing, so they are refused.",
};
pub(super) static FOREIGN: Check = Check {
    id: "workers.of_others",
    means: "These workers belong to one account, but MPOS credits the account that their name begins with.",
};
pub(super) static LOCKED: Check = Check {
    id: "workers.locked",
    means: "MPOS does not count the shares of accounts that an administrator has locked.",
};

/// Everything that is looked at here.
pub(super) static ALL: [&Check; 5] = [&FALLBACK, &ODD, &HOMELESS, &FOREIGN, &LOCKED];

pub(super) fn fallback(coin: &Coin, worker: &Named) -> Words {
    let name = &coin.fallback_worker;
    let mend = "create account and worker in MPOS, or name an existing one as fallback_worker";
    match worker {
        Named { account_locked: None, .. } => vec![fault(format!("{name}: there is no such account"), mend)],
        Named { account_locked: Some(2), .. } => vec![fault(format!("{name}: its account is locked"), mend)],
        Named { exists: false, .. } => vec![warning(format!("{name}: the account exists, the worker does not"), mend)],
        Named { exists: true, .. } => Words::new(),
    }
}

pub(super) fn odd(names: &[String]) -> Words {
    told(names, |names| {
        warning(names, "rename them in MPOS to account.worker, with letters, digits, - and _; others cannot log in")
    })
}

pub(super) fn homeless(names: &[String]) -> Words {
    told(names, |names| warning(names, "rename or delete them: DELETE FROM pool_worker WHERE username = '...';"))
}

pub(super) fn foreign(names: &[String]) -> Words {
    told(names, |names| warning(names, "rename them in MPOS, so that they begin with their own account's name"))
}

/// `refused`: they cannot log in.
pub(super) fn locked(names: &[String], refused: bool) -> Words {
    told(names, |names| match refused {
        true => note(names, "nothing has to be done: they are refused (refuse_locked)"),
        false => warning(names, "set refuse_locked = true in [coin.workers]: they mine for nothing"),
    })
}

fn told(names: &[String], word: impl Fn(String) -> super::report::Word) -> Words {
    if names.is_empty() { Words::new() } else { vec![word(examples(names))] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Severity;

    #[test]
    fn names_are_told_and_silence_is_good() {
        let names = ["a.b".to_owned(), "c".to_owned()];
        for judge in [odd, homeless, foreign] {
            assert_eq!(judge(&[]), Words::new());
            let words = judge(&names);
            assert!(words[0].severity == Severity::Warning && words[0].saw == "a.b, c" && !words[0].mend.is_empty());
        }
        assert_eq!(locked(&[], true), Words::new());
        assert_eq!(locked(&names, true)[0].severity, Severity::Note);
        assert_eq!(locked(&names, false)[0].severity, Severity::Warning);
    }
}
