use std::path::Path;

use super::*;
use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};

fn severity(words: &Words) -> Option<Severity> {
    assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()), "{words:?}");
    words.iter().map(|word| word.severity).max()
}

/// The coin of the example: Litecoin, port 3333, 120 confirmations, database `mpos`.
fn coin() -> Coin {
    let text = include_str!("../../../../config.example.toml").to_owned();
    let config = crate::config::parse(Path::new("config.toml"), text).unwrap();
    Coin::clone(&config.coins[0])
}

fn settings() -> MposSettings {
    MposSettings {
        database: Some("mpos".into()),
        accounts: None,
        workers: None,
        algorithm: "scrypt".into(),
        bits: Some(16),
        wallet: None,
        confirmations: Some(120),
        stratum_port: Some(3333),
        payout_system: Some("pps".into()),
        hidden: Vec::new(),
    }
}

#[test]
fn the_wallet_of_mpos_has_the_last_word() {
    let says = |owned| ("w".to_owned(), owned);
    let of = |mpos: Option<Option<bool>>, nodes: &[Option<bool>]| {
        let nodes: Vec<Owned> = nodes.iter().copied().map(says).collect();
        severity(&payout_owned("addr", mpos.map(says).as_ref(), &nodes))
    };
    assert_eq!(of(Some(Some(true)), &[Some(false)]), None);
    assert_eq!(of(Some(Some(false)), &[Some(true)]), Some(Fault));
    assert_eq!(of(Some(None), &[Some(true)]), None);
    assert_eq!(of(None, &[Some(false), Some(true)]), None);
    assert_eq!(of(None, &[Some(false), None]), Some(Warning));
    assert_eq!(of(None, &[None]), Some(Note));
    assert_eq!(one_output("r", &[], false), Words::new());
    assert_eq!(severity(&one_output("r", &["w".into()], false)), Some(Fault));
    assert_eq!(severity(&one_output("r", &[], true)), Some(Fault));
    assert_eq!(severity(&unlocked("w", WalletState::Locked, true, false)), Some(Fault));
    assert_eq!(severity(&unlocked("w", WalletState::Locked, false, true)), Some(Note));
    assert_eq!(unlocked("w", WalletState::Locked, false, false), Words::new());
    assert_eq!(unlocked("w", WalletState::Open, true, true), Words::new());
}

#[test]
fn both_files_must_agree() {
    let (coin, good) = (coin(), settings());
    for words in [
        algorithm(&coin, &good),
        database(&coin, &good),
        confirmations(&coin, &good),
        stratum_port(&coin, &good),
        pps(&good),
    ] {
        assert_eq!(words, Words::new());
    }
    let other = |change: fn(&mut MposSettings)| {
        let mut settings = settings();
        change(&mut settings);
        settings
    };
    assert!(algorithm(&coin, &other(|it| it.bits = Some(24)))[0].mend.starts_with("mpos_bits = 24"));
    assert_eq!(severity(&algorithm(&coin, &other(|it| it.bits = None))), Some(Note));
    assert_eq!(database(&coin, &other(|it| it.database = Some("pool".into()))).len(), 3);
    assert_eq!(
        database(&coin, &other(|it| it.workers = Some("shared".into())))[0].mend,
        "workers_database = \"shared\" in [coin.mpos]"
    );
    assert_eq!(severity(&database(&coin, &other(|it| it.database = None))), Some(Note));
    assert_eq!(severity(&confirmations(&coin, &other(|it| it.confirmations = Some(121)))), Some(Warning));
    assert_eq!(severity(&stratum_port(&coin, &other(|it| it.stratum_port = Some(1)))), Some(Note));
    assert_eq!(severity(&pps(&other(|it| it.bits = Some(32)))), Some(Warning));
}

#[test]
fn difficulties_that_mpos_cannot_show_are_told() {
    let with = |mpos_bits| {
        let mut coin = coin();
        coin.profile.mpos_bits = mpos_bits;
        coin
    };
    assert_eq!(low_difficulty(&with(16), true), Words::new());
    assert_eq!(severity(&low_difficulty(&with(17), true)), Some(Warning));
    assert_eq!(low_difficulty(&with(17), false), Words::new());
    assert_eq!(severity(&low_difficulty(&with(32), false)), Some(Warning));
}
