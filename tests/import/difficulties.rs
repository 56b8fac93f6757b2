//! What one unit of difficulty stood for differed between servers and versions: nothing is copied blindly.

use mpos_stratum::config::Grid;

use crate::{Run, file, scratch};

/// The fixture with some lines put in another's place.
pub(super) fn with(changes: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut text = std::fs::read_to_string(file("config.py")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let (_folder, path) = scratch("config.py", &text);
    let fixed = ["stratum-mining", path.to_str().unwrap(), "--answer", "fallback_worker=pool.fallback"];
    Run::of(&[&fixed, arguments].concat())
}

pub(super) const LITECOIN: [&str; 2] = ["--answer", "preset=litecoin"];
const BITCOIN: [&str; 2] = ["--answer", "preset=bitcoin"];
/// Scrypt, and the version's own idea of difficulty 1.
const NO_DIFF1: (&str, &str) = ("CUSTOM_DIFF1 =", "CUSTOM_DIFF2 =");
/// A sha256d coin of the version of 2015, paid to an address of Bitcoin's.
const SHA256D: [(&str, &str); 2] = [
    ("ALGO_NAME = 'ltc_scrypt'", "COINDAEMON_ALGO = 'sha256d'"),
    ("LcPdXyShLWpSxbAoJsJyGu5V4AaSfh8evS", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
];

#[test]
fn scrypt_without_a_difficulty_one_is_asked_for() {
    let run = with(&[NO_DIFF1], &LITECOIN);
    assert_eq!(run.code, 1);
    run.complains("QUESTION litecoin.old_difficulty_bits");
    run.complains("16 makes 8 of the old 8, 32 makes 524288 of the old 8");
    assert!(run.text.contains("\ndifficulty = \"?\"\n"), "the daemon must not start with a guess");
    assert!(mpos_stratum::config::parse(std::path::Path::new("x"), run.text).is_err());

    for (answer, difficulty) in [("16", 8.0), ("32", 524288.0)] {
        let answer = format!("old_difficulty_bits={answer}");
        let run = with(&[NO_DIFF1], &[&LITECOIN[..], &["--answer", &answer]].concat());
        // Rows of the one kind agree with MPOS's class, those of the other do not.
        if difficulty > 8.0 {
            assert_eq!(run.code, 1);
            run.complains("QUESTION litecoin.mpos_bits");
            run.complains("MPOS's own class for this algorithm has 16; the old server wrote rows by 32");
            assert!(run.text.contains("\nmpos_bits = \"?\"\n"));
            let answers = ["--answer", &answer, "--answer", "mpos_bits=16"];
            let run = with(&[NO_DIFF1], &[&LITECOIN[..], &answers].concat());
            assert_eq!(run.config().coins[0].ports[0].difficulty.get(), difficulty);
        } else {
            assert_eq!(run.config().coins[0].ports[0].difficulty.get(), difficulty);
        }
    }
}

#[test]
fn a_known_miner_measures_it() {
    // 1 MH/s at difficulty 16 by scrypt's unit: a share in 1.05 s.
    let run = with(&[NO_DIFF1], &[&LITECOIN[..], &["--known-miner", "1M,16,1.05"]].concat());
    assert_eq!(run.config().coins[0].ports[0].difficulty.get(), 8.0);
    let run = with(&[NO_DIFF1], &[&LITECOIN[..], &["--known-miner", "litecoin=1M,16,40"]].concat());
    assert_eq!(run.code, 64, "neither 16 nor 32");
    run.complains("is none of 2^[16, 32]");
    let both = ["--known-miner", "litecoin=1M,16,1.05", "--known-miner", "nowhere=1M,16,1.05"];
    let run = with(&[NO_DIFF1], &[&LITECOIN[..], &both].concat());
    assert_eq!(run.code, 64);
    run.complains("--known-miner \"nowhere\": no difficulty of such a coin is measured here");
}

#[test]
fn the_version_that_took_every_coin_for_scrypt_is_not_believed() {
    let changes = [SHA256D[0], SHA256D[1], NO_DIFF1];
    let run = with(&changes, &BITCOIN);
    assert_eq!(run.code, 1);
    run.complains(
        "One version counted every coin as scrypt. 16 makes 0.0001220703125 of the old 8, 32 makes 8 of the old 8",
    );
    let run = with(&changes, &[&BITCOIN[..], &["--answer", "old_difficulty_bits=32"]].concat());
    let coin = &run.config().coins[0];
    assert_eq!((coin.ports[0].difficulty.get(), coin.profile.mpos_bits), (8.0, 32));
    let answers = ["--answer", "old_difficulty_bits=16", "--answer", "mpos_bits=32"];
    let run = with(&changes, &[&BITCOIN[..], &answers].concat());
    let vardiff = run.config().coins[0].ports[0].vardiff.clone().unwrap();
    assert_eq!((vardiff.min.get(), vardiff.max.get()), (8.0 / 65536.0, 1024.0 / 65536.0));
    assert!(run.fate("POOL_TARGET").contains("adapted as port.difficulty: times 0.0000152587890625"));
}

#[test]
fn coins_that_cannot_be_served_are_shown_as_comments() {
    let run = with(&[("'ltc_scrypt'", "'riecoin'")], &LITECOIN);
    assert_eq!(run.code, 1, "{}", run.complaints);
    run.complains("the algorithm \"riecoin\" is not in this version");
    assert!(run.text.contains("\n# [[coin]]\n") && !run.text.contains("\n[[coin]]"), "{}", run.text);
    assert!(
        run.text.lines().all(|line| line.is_empty()
            || line.starts_with('#')
            || line == "[daemon]"
            || line.starts_with("log_level"))
    );
}

#[test]
fn blocks_with_parts_of_their_own_are_what_the_preset_says_or_are_described() {
    let (staked, texts) = (
        ("COINDAEMON_REWARD = 'POW'", "COINDAEMON_REWARD = 'POS'"),
        ("COINDAEMON_TX = False", "COINDAEMON_TX = 'yes'"),
    );
    let run = with(&[staked, texts], &LITECOIN);
    run.complains("COINDAEMON_REWARD = \"POS\": LOOK AT THIS: the preset litecoin has no transaction_time");
    run.complains("COINDAEMON_TX = \"yes\": LOOK AT THIS: the preset litecoin has no transaction_messages");
    let answers = ["preset=none", "block_hash=pow", "addresses.pubkey_hash=48", "addresses.script_hash=5"];
    let answers: Vec<&str> = answers.iter().flat_map(|answer| ["--answer", answer]).collect();
    let profile = with(&[staked, texts], &answers).config().coins[0].profile.clone();
    assert!(profile.form.transaction_time && profile.form.block_signature && profile.pays_public_key);
    assert!(profile.form.message.is_some());
}

#[test]
fn defaults_of_the_old_server_go_on_counting() {
    let none = |name: &'static str| -> (&'static str, &'static str) { (name, "# none\n") };
    let absent = [
        none("VDIFF_X2_TYPE = True\n"),
        none("VDIFF_FLOAT = False\n"),
        none("ENABLE_WORKER_BANNING = True\n"),
        none("WORKER_CACHE_TIME = 600\n"),
        none("WORKER_BAN_TIME = 300\n"),
        none("INVALID_SHARES_PERCENT = 50\n"),
    ];
    let run = with(&absent, &LITECOIN);
    let port = run.config().coins[0].ports[0].clone();
    let vardiff = port.vardiff.as_ref().unwrap();
    assert_eq!((vardiff.double_steps, vardiff.grid), (true, Grid::Integer));
    assert_eq!((port.rules.invalid_ratio_max, port.transport.limits.ban.as_secs()), (0.33, 300));
    assert_eq!(port.transport.limits.ban_closes, 1, "it banned at once");
    assert!(run.text.contains("\ninvalid_window_secs = 600\n"), "{}", run.text);
    for (option, fate) in [
        ("VDIFF_X2_TYPE", "not set: VDIFF_X2_TYPE: adapted as vardiff.double_steps: True, the old server's default"),
        ("VDIFF_FLOAT", "adapted as vardiff.grid = \"integer\": False, the old server's default"),
        ("ENABLE_WORKER_BANNING", "adapted as port.ban_closes: True, the old server's default"),
        ("WORKER_BAN_TIME", "adapted as port.ban_secs: 300, the old server's default"),
        ("WORKER_CACHE_TIME", "adapted as port.invalid_window_secs: 600, the old server's default"),
        ("INVALID_SHARES_PERCENT", "adapted as port.invalid_percent_max: 33"),
    ] {
        assert!(run.fate(option).contains(fate), "{}", run.fate(option));
    }
    let run = with(&[absent[2]], &LITECOIN);
    assert!(run.fate("WORKER_BAN_TIME").contains("taken as ban_secs"), "{}", run.fate("WORKER_BAN_TIME"));
    let run = with(&[("VARIABLE_DIFF = True\n", "# none\n")], &LITECOIN);
    assert!(run.config().coins[0].ports[0].vardiff.is_none());
    assert!(run.fate("VARIABLE_DIFF").contains("adapted"), "{}", run.fate("VARIABLE_DIFF"));
    // The oldest version had none of these.
    let oldest = [("COINDAEMON_TRUSTED", "LITECOIN_TRUSTED"), ("ALGO_NAME = 'ltc_scrypt'", "# none")];
    let run = with(&[&absent[..3], &oldest].concat(), &LITECOIN);
    let vardiff = run.config().coins[0].ports[0].vardiff.clone().unwrap();
    assert_eq!((vardiff.double_steps, vardiff.grid), (false, Grid::Off));
    assert!(run.fate("WORKER_BAN_TIME").contains("dropped: this version banned nobody"));
    assert!(
        !run.text.contains("VDIFF_X2_TYPE")
            && !run.text.contains("invalid_percent_max")
            && !run.text.contains("ban_closes"),
        "{}",
        run.text
    );
    let run =
        with(&[("COINDAEMON_TRUSTED", "LITECOIN_TRUSTED"), ("VDIFF_X2_TYPE = True", "VDIFF_X2_TYPE = 'x'")], &LITECOIN);
    assert!(run.fate("VDIFF_X2_TYPE").contains("dropped: this version had no such switch"), "{}", run.text);
}
