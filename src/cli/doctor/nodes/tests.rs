use super::*;
use crate::cli::doctor::report::Severity::{self, Fault, Note, Warning};

fn chain() -> ChainState {
    ChainState {
        network: Some("main".into()),
        blocks: 100,
        headers: 100,
        is_catching_up: false,
        warnings: String::new(),
    }
}

fn severity(words: &Words) -> Option<Severity> {
    assert!(words.iter().all(|word| !word.saw.is_empty() && !word.mend.is_empty()), "{words:?}");
    words.iter().map(|word| word.severity).max()
}

#[test]
fn a_node_that_is_behind_is_a_fault_only_if_it_is_alone() {
    assert_eq!(synced("n", &chain(), true), Words::new());
    assert_eq!(synced("n", &ChainState { headers: 102, ..chain() }, true), Words::new());
    assert_eq!(severity(&synced("n", &ChainState { headers: 103, ..chain() }, true)), Some(Fault));
    assert_eq!(severity(&synced("n", &ChainState { is_catching_up: true, ..chain() }, false)), Some(Warning));
    let regtest = ChainState { is_catching_up: true, network: Some("regtest".into()), ..chain() };
    assert_eq!(synced("n", &regtest, true), Words::new());
    assert_eq!(severity(&template("n", &Err("no".into()), true)), Some(Fault));
    assert_eq!(template("n", &Ok(()), true), Words::new());
}

#[test]
fn peers_are_counted_but_on_test_chains() {
    for (count, expected) in
        [(Some(8), None), (Some(3), None), (Some(2), Some(Warning)), (Some(0), Some(Fault)), (None, Some(Note))]
    {
        assert_eq!(severity(&peers("n", count, Some(&chain()))), expected, "{count:?}");
    }
    let regtest = ChainState { network: Some("regtest".into()), ..chain() };
    assert_eq!(peers("n", Some(0), Some(&regtest)), Words::new());
    assert_eq!(severity(&warnings("n", &regtest)), Some(Note));
    assert_eq!(warnings("n", &chain()), Words::new());
    assert_eq!(severity(&warnings("n", &ChainState { warnings: "old".into(), ..chain() })), Some(Note));
}

#[test]
fn networks_and_branches_must_agree() {
    let (main, test) = (chain(), ChainState { network: Some("test".into()), ..chain() });
    let silent = ChainState { network: None, ..chain() };
    assert_eq!(networks(&[("a", &main), ("b", &silent), ("c", &main)]), Words::new());
    assert_eq!(severity(&networks(&[("a", &main), ("b", &test)])), Some(Fault));
    let at = |name: &str, hash: &str| (name.to_owned(), hash.to_owned());
    assert_eq!(branches(9, &[at("a", "00"), at("b", "00")]), Words::new());
    assert_eq!(severity(&branches(9, &[at("a", "00"), at("b", "11")])), Some(Fault));
    assert_eq!(branches(9, &[]), Words::new());
}

#[test]
fn publishers_are_compared_with_what_is_waited_for() {
    let one = |kind: &str| vec![Published { kind: kind.into(), address: "tcp://0.0.0.0:28332".into() }];
    let at = |port| Zmq::At("n".to_owned(), port);
    assert_eq!(zmq("n", &at(28332), Some(&one("pubhashblock"))), Words::new());
    assert_eq!(zmq("n", &at(28332), Some(&one("pubrawblock"))), Words::new());
    assert_eq!(severity(&zmq("n", &at(28332), Some(&one("pubrawtx")))), Some(Warning));
    assert_eq!(severity(&zmq("n", &at(1), Some(&one("pubhashblock")))), Some(Warning));
    assert_eq!(severity(&zmq("n", &at(1), None)), Some(Note));
    assert_eq!(severity(&zmq("n", &Zmq::Off, Some(&one("pubhashblock")))), Some(Note));
    assert_eq!([zmq("n", &Zmq::Off, None), zmq("n", &Zmq::Off, Some(&Vec::new()))].concat(), Words::new());
    assert_eq!([zmq("n", &Zmq::Asked, None), zmq("n", &Zmq::Asked, Some(&one("pubhashblock")))].concat(), Words::new());
}
