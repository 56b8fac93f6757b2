//! Which coin it is, and by which algorithm: an answer that contradicts the old file is refused, and what no file says
//! is asked.

use crate::difficulties::{LITECOIN, with};
use crate::nomp::copy;
use crate::{Run, file, scratch};

#[test]
fn a_preset_of_another_algorithm_is_refused() {
    let refused = |run: &Run, algorithm: &str| {
        assert_eq!((run.code, run.text.as_str()), (64, ""), "its units would be written: {}", run.complaints);
        let what =
            format!("preset is bitcoin, a coin of another algorithm than the old file's, {algorithm}: answer one of");
        run.complains(&what);
    };
    let bitcoin = ["--answer", "preset=bitcoin"];
    refused(&with(&[], &bitcoin), "scrypt");
    refused(&Run::of(&["mpos", &file("global.inc.php"), bitcoin[0], bitcoin[1]]), "scrypt");
    let folder = copy("coins/litecoin.json", r#"{"name": "Oldcoin", "algorithm": "x11", "mposDiffMultiplier": 256}"#);
    let answers = ["--answer", "fallback_worker=p.f", "--answer", "oldcoin.preset=bitcoin"];
    refused(&Run::of(&[&["nomp", folder.path().to_str().unwrap()], &answers[..]].concat()), "x11");
    assert_eq!(with(&[], &LITECOIN).code, 0);
}

/// MPOS's file of a Bitcoin pool, which takes its algorithm from the environment.
fn computed() -> (tempfile::TempDir, std::path::PathBuf) {
    let text = std::fs::read_to_string(file("global.inc.php")).unwrap();
    let text = text.replace("= 'scrypt';", "= getenv('MPOS_ALGO');").replace("'Litecoin'", "'Bitcoin'");
    scratch("global.inc.php", &text)
}

#[test]
fn an_algorithm_that_mpos_computes_is_asked_for_and_not_taken_for_its_default() {
    let (_folder, path) = computed();
    let mpos = |answers: &[&str]| {
        let answers = answers.iter().flat_map(|answer| ["--answer", *answer]);
        Run::of(&["mpos", path.to_str().unwrap()].into_iter().chain(answers).collect::<Vec<_>>())
    };
    // An answer to what is asked later is no mistake.
    let run = mpos(&["block_hash=pow"]);
    assert_eq!(run.code, 1, "{}", run.complaints);
    run.complains("QUESTION coin.algorithm: by which algorithm is the coin mined? The old file does not say it.");
    assert!(run.text.contains("\nalgorithm = \"?\"\n") && !run.text.contains("mpos_bits"), "{}", run.text);
    assert!(mpos_stratum::config::parse(std::path::Path::new("x"), run.text.clone()).is_err());
    assert!(run.fate("algorithm").contains("needs an answer: algorithm; its value is computed"), "{}", run.text);
    assert_eq!(mpos(&["algorithm=scrypto"]).code, 64);

    let rest = ["payout_address=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "fallback_worker=p.f", "difficulty=1024"];
    for answers in [&["algorithm=sha256d", "preset=bitcoin"][..], &["preset=bitcoin"]] {
        let run = mpos(&[answers, &rest].concat());
        assert_eq!(run.config().coins[0].profile.mpos_bits, 32);
        assert!(run.text.contains("\nmpos_bits = 32\n"), "{}", run.text);
    }
}

#[test]
fn the_class_that_cannot_be_seen_is_asked_for() {
    let (_folder, path) = computed();
    let own = std::fs::read_to_string(file("global.inc.php")).unwrap().replace("'scrypt'", "'groestlcoin'");
    let (_other, own) = scratch("global.inc.php", &own);
    let arguments = |path: &std::path::Path| {
        let fixed = ["nomp", &file("nomp"), "--answer", "fallback_worker=p.f", "--mpos"].map(str::to_owned);
        fixed.into_iter().chain([path.to_str().unwrap().to_owned()]).collect::<Vec<_>>()
    };
    let import = |arguments: &[String]| Run::of(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let run = import(&arguments(&path));
    assert_eq!(run.code, 1, "{}", run.complaints);
    run.complains("QUESTION litecoin.mpos_bits");
    run.complains(
        "global.inc.php is computed, and nothing is executed here; MPOS's own class for this algorithm has 16",
    );
    assert!(!run.complaints.contains("names a class with"), "it names none: {}", run.complaints);
    let run = import(&arguments(&own));
    run.complains("QUESTION litecoin.mpos_bits");
    run.complains("MPOS's algorithm \"groestlcoin\" is a class of your own");
    let answered = ["--answer", "mpos_bits=16"].map(str::to_owned);
    assert_eq!(import(&[arguments(&path), answered.to_vec()].concat()).code, 0);
}

#[test]
fn an_algorithm_that_is_not_known_is_asked_for() {
    let unknown = ("'ltc_scrypt'", "'mycoin_scrypt'");
    let run = with(&[unknown], &LITECOIN);
    assert_eq!(run.code, 1, "a preset does not outweigh what the file says: {}", run.complaints);
    run.complains(
        "QUESTION litecoin.algorithm: by which algorithm is the coin mined? The old file calls it \"mycoin_scrypt\"",
    );
    assert!(run.fate("ALGO_NAME").contains("needs an answer: algorithm"), "{}", run.text);
    assert!(run.fate("POOL_TARGET").contains("needs an answer: algorithm"), "{}", run.text);
    assert!(run.text.contains("\nalgorithm = \"?\"\n") && run.text.contains("\ndifficulty = \"?\"\n"), "{}", run.text);
    let run = with(&[unknown], &[&LITECOIN[..], &["--answer", "litecoin.algorithm=scrypt"]].concat());
    assert_eq!(run.config().coins[0].ports[0].difficulty.get(), 8.0);
    assert!(run.fate("ALGO_NAME").contains("adapted as preset or algorithm: scrypt, as answered"), "{}", run.text);
    let run = with(&[unknown], &["--answer", "algorithm=mycoin", "--answer", "old_difficulty_bits=16"]);
    assert_eq!(run.code, 64);
    run.complains("the answer to coin.algorithm is not an algorithm of this version");
}

#[test]
fn a_file_without_an_algorithm_is_a_file() {
    let none = ("ALGO_NAME = 'ltc_scrypt'", "# none");
    let run = with(&[none], &[]);
    assert_eq!(run.code, 1, "{}", run.complaints);
    run.complains("QUESTION coin.algorithm: by which algorithm is the coin mined? The old file does not say it.");
    // The preset says it, as nothing contradicts it.
    assert_eq!(with(&[none], &LITECOIN).config().coins[0].profile.mpos_bits, 16);
    let custom = ("CUSTOM_DIFF1 =", "CUSTOM_DIFF2 =");
    let run = with(&[none, custom], &LITECOIN);
    run.complains("QUESTION litecoin.old_difficulty_bits");
    run.complains("The version is not known; without CUSTOM_DIFF1 the later one demanded 2^32");
    // Set, but not readable: the older option is another version's.
    let computed = ("ALGO_NAME = 'ltc_scrypt'", "ALGO_NAME = os.environ['ALGO']\nCOINDAEMON_ALGO = 'quark'");
    with(&[computed], &[]).complains("QUESTION coin.algorithm");
}

#[test]
fn portals_ask_too() {
    let folder = copy("coins/litecoin.json", r#"{"name": "Oldcoin", "algorithm": "oldhash", "mposDiffMultiplier": 1}"#);
    let import = |extra: &[&str]| {
        let fixed = ["nomp", folder.path().to_str().unwrap(), "--answer", "fallback_worker=p.f"];
        Run::of(&[&fixed, extra].concat())
    };
    let run = import(&["--answer", "oldcoin.preset=none"]);
    assert_eq!(run.code, 1, "{}", run.complaints);
    run.complains(
        "QUESTION oldcoin.algorithm: by which algorithm is the coin mined? The old file calls it \"oldhash\"",
    );
    assert!(run.fate("ports.3008.diff").contains("needs an answer: algorithm"), "{}", run.text);
    let run = import(&["--answer", "oldcoin.algorithm=scrypt", "--answer", "oldcoin.preset=none"]);
    run.complains("QUESTION oldcoin.addresses.pubkey_hash");
    assert!(run.text.contains("\nalgorithm = \"scrypt\"\n"), "{}", run.text);
}
