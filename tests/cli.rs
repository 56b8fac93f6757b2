//! The commands as the shell and the service manager see them: exit codes and the two outputs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

fn mpos_stratum(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mpos-stratum")).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.toml");

#[test]
fn check_shows_how_a_good_configuration_was_understood() {
    let output = mpos_stratum(&["check", "--config", EXAMPLE]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let summary = stdout(&output);
    assert!(summary.starts_with(&format!("{EXAMPLE} is good: 1 coin, 1 port.")), "{summary}");
    for part in [
        "litecoin (scrypt, N = 1024, r = 1)",
        "0.0.0.0:3333, difficulty 16 at first, then 1 to 65536 for one share in 15 s",
        "mpos.shares at 127.0.0.1:3306 as mpos_stratum",
        "rows hold stratum difficulty x 1",
        "a share of difficulty 16 is stored as 16; one in 15 s is 69.9 kH/s",
    ] {
        assert!(summary.contains(part), "`{part}` is not in: {summary}");
    }
    assert!(!summary.contains("change me") && !stderr(&output).contains("change me"), "a password was shown");
}

#[test]
fn a_wrong_configuration_ends_every_command_with_78_and_all_problems() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.toml");
    std::fs::write(&path, "[[coin]]\nname = \"A\"\npreset = \"bitcoin\"\n").unwrap();
    for command in ["check", "run"] {
        let output = mpos_stratum(&[command, "--config", path.to_str().unwrap()]);
        assert_eq!(code(&output), 78);
        assert_eq!(stdout(&output), "");
        let lines = stderr(&output).lines().filter(|line| line.starts_with(path.to_str().unwrap())).count();
        assert!(stderr(&output).contains(&format!("\n{lines} problems; nothing was started")), "{}", stderr(&output));
        for part in
            [":2:8: coin[0].name = \"A\"", ".payout_address", ".fallback_worker", ".port", ".node", ".mpos.user"]
        {
            assert!(stderr(&output).contains(part), "`{part}` is not in: {}", stderr(&output));
        }
    }
}

#[test]
fn a_password_may_be_a_credential_of_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.toml");
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let credential = "password_file = \"$CREDENTIALS_DIRECTORY/mysql-password\"";
    std::fs::write(
        &path,
        text.replace("\npassword = \"change me\"", &format!("\n{credential}"))
            .replace("#state_dir = \"/var/lib/mpos-stratum\"", "state_dir = \"state\""),
    )
    .unwrap();
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let secret = credentials.join("mysql-password");
    std::fs::write(&secret, "secret\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let ended = |arguments: &[&str], directory: Option<&std::path::Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        command.args(arguments).args(["--config", path.to_str().unwrap()]).env_remove("CREDENTIALS_DIRECTORY");
        command.envs(directory.map(|directory| ("CREDENTIALS_DIRECTORY", directory))).output().unwrap()
    };
    let good = ended(&["check"], Some(&credentials));
    assert_eq!(code(&good), 0, "{}", stderr(&good));
    assert!(!stderr(&good).contains("mysql-password"), "{}", stderr(&good));
    // Who only looks does without: the operator, and the reload of a service, which Debian 12 does not let see them.
    for elsewhere in [None, Some(folder.path())] {
        let looked = ended(&["check"], elsewhere);
        assert_eq!(code(&looked), 0, "{}", stderr(&looked));
        for part in ["warning: ", "the password cannot be read from", "/mysql-password", "set CREDENTIALS_DIRECTORY to"]
        {
            assert!(stderr(&looked).contains(part), "{}", stderr(&looked));
        }
        for asking in [&["run"][..], &["check", "--online"]] {
            assert_eq!(code(&ended(asking, elsewhere)), 78, "{asking:?} needs it");
        }
        // What can be told by files is told, and the rest is not asked with a password that is none.
        for looking in [&["spool", "status"][..], &["spool", "verify"], &["audit"]] {
            let looked = ended(looking, elsewhere);
            assert_eq!(code(&looked), 69, "{looking:?}: {}", stderr(&looked));
            assert!(stderr(&looked).contains("makes the spool when it starts"), "{}", stderr(&looked));
        }
        let seen = ended(&["doctor", "--json"], elsewhere);
        assert_eq!(code(&seen), 1, "{}", stderr(&seen));
        let seen: serde_json::Value = serde_json::from_str(stdout(&seen)).unwrap();
        let finding = |id: &str| {
            let of_id = |finding: &&serde_json::Value| finding["id"] == id;
            seen["findings"].as_array().unwrap().iter().find(of_id).unwrap_or_else(|| panic!("{id} in {seen}")).clone()
        };
        assert_eq!(finding("config.loads")["severity"], "fine");
        let unread = "not asked: the password cannot be read from";
        for (id, why) in [("db.reachable", unread), ("db.version", "not asked: see"), ("node.reachable", unread)] {
            let (severity, saw) = (finding(id)["severity"].clone(), finding(id)["saw"].to_string());
            assert_eq!(severity, "could-not-look", "{id}");
            assert!(saw.contains(why), "{saw}");
        }
    }
}

/// Root alone is told of it: whoever else checks may not read the file either.
#[test]
fn a_check_by_root_tells_what_the_daemon_s_user_may_not_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let mode = |name: &str, mode| {
        let path = folder.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.canonicalize().unwrap().display().to_string()
    };
    mode("", 0o755);
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let text = text
        .replacen("\npassword = \"change me\"", "\npassword_file = \"secret\"", 1)
        .replacen("\npassword = \"change me\"", "\npassword_file = \"$CREDENTIALS_DIRECTORY/mysql\"", 1)
        .replace("#state_dir = \"/var/lib/mpos-stratum\"", "state_dir = \"state\"");
    std::fs::write(folder.path().join("pool.toml"), text).unwrap();
    std::fs::write(folder.path().join("secret"), "s").unwrap();
    for name in ["state", "credentials"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("credentials/mysql"), "s").unwrap();
    mode("credentials/mysql", 0o600);
    mode("credentials", 0o700);
    let (config, secret) = (mode("pool.toml", 0o600), mode("secret", 0o640));
    if is_root {
        // Whoever owns the state is the daemon's user.
        chown(folder.path().join("state"), Some(65_534), Some(65_534)).unwrap();
    }
    let check = |credentials: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
        if credentials {
            command.env("CREDENTIALS_DIRECTORY", folder.path().join("credentials"));
        }
        let output = command.args(["check", "--config", &config]).output().unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let barred = stderr(&output).lines().filter(|line| line.contains("the daemon's user; "));
        barred.map(str::to_owned).collect::<Vec<_>>()
    };
    for credentials in [false, true] {
        let told = check(credentials);
        if !is_root {
            assert_eq!(told, [""; 0]);
            continue;
        }
        let line = |path: &str, mode: &str, open: &str| {
            format!(
                "warning: {path} belongs to root:root with mode {mode}: it cannot be read by nobody, the daemon's user; \
                 chgrp nogroup {path}{open}"
            )
        };
        assert_eq!(told, [line(&config, "0600", &format!(" && chmod g+r {config}")), line(&secret, "0640", "")]);
    }
    if is_root {
        for path in [&config, &secret] {
            chown(path, None, Some(65_534)).unwrap();
        }
        assert_eq!(check(false).len(), 1, "the configuration is not its group's yet");
        mode("pool.toml", 0o640);
        assert_eq!(check(false), [""; 0]);
    }
}

#[test]
fn a_doctor_tells_of_mpos_s_file_and_wallet_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let credential = "\npassword_file = \"$CREDENTIALS_DIRECTORY/none\"";
    std::fs::write(path("pool.toml"), text.replace("\npassword = \"change me\"", credential)).unwrap();
    let wallet = "<?php\n$config['db']['name'] = 'mpos';\n$config['wallet']['type'] = 'http';\n\
                  $config['wallet']['host'] = '127.0.0.1:1';\n$config['wallet']['username'] = 'u';\n\
                  $config['wallet']['password'] = 'p';\n";
    std::fs::write(path("wallet.php"), wallet).unwrap();
    for (file, id, severity) in [
        ("wallet.php", "wallet.reachable", "fault"),
        ("wallet.php", "mpos.file", "fine"),
        ("missing.php", "mpos.file", "could-not-look"),
    ] {
        let arguments = ["doctor", "--json", "--config", &path("pool.toml"), "--mpos", &path(file)];
        let seen: serde_json::Value = serde_json::from_str(stdout(&mpos_stratum(&arguments))).unwrap();
        let of_id = |finding: &&serde_json::Value| finding["id"] == id;
        let found = seen["findings"].as_array().unwrap().iter().find(of_id).unwrap_or_else(|| panic!("{id} in {seen}"));
        assert_eq!(found["severity"], severity, "{file}: {found}");
    }
}

#[test]
fn what_is_left_in_a_state_directory_is_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let left = || mpos_stratum(&["spool", "left", "--state-dir", folder.path().to_str().unwrap()]);
    assert_eq!(code(&left()), 0);
    let spool = folder.path().join("spool/pool-00000000");
    std::fs::create_dir_all(&spool).unwrap();
    std::fs::write(spool.join("spool.id"), "damaged").unwrap();
    assert_eq!(code(&left()), 1);
    assert!(stdout(&left()).contains("not all of it can be read, so it may hold shares"), "{}", stdout(&left()));
    // Who mistypes the folder must not hear that nothing would be lost with it.
    let mistyped = mpos_stratum(&["spool", "left", "--state-dir", folder.path().join("stat").to_str().unwrap()]);
    assert_eq!((code(&mistyped), stdout(&mistyped)), (69, ""));
    assert!(
        stderr(&mistyped).contains("/stat: there is no such directory; name the state_dir"),
        "{}",
        stderr(&mistyped)
    );
}

#[test]
fn a_missing_configuration_is_told_with_its_path() {
    let output = mpos_stratum(&["check", "--config", "/nowhere/pool.toml"]);
    assert_eq!(code(&output), 78);
    assert!(stderr(&output).starts_with("/nowhere/pool.toml: the file cannot be read"), "{}", stderr(&output));
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_64() {
    for arguments in [&[][..], &["mine"], &["check", "--confg", "x"], &["check", "--config"]] {
        let output = mpos_stratum(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(!stderr(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let version = mpos_stratum(&["--version"]);
    assert_eq!((code(&version), stdout(&version)), (0, concat!("mpos-stratum ", env!("CARGO_PKG_VERSION"), "\n")));
    let help = mpos_stratum(&["--help"]);
    assert_eq!(code(&help), 0);
    for part in ["First steps:", "config.example.toml", "Exit codes:", "check", "run"] {
        assert!(stdout(&help).contains(part), "`{part}` is not in: {}", stdout(&help));
    }
}

#[test]
fn commands_say_how_they_are_used_and_how_they_end() {
    for command in ["run", "check", "notify", "audit"] {
        let help = mpos_stratum(&[command, "--help"]);
        assert_eq!(code(&help), 0);
        for part in ["Examples:\n", &format!("mpos-stratum {command}"), "Exit codes: 0 ", ", 64 command line"] {
            assert!(stdout(&help).contains(part), "{part} is not in: {}", stdout(&help));
        }
    }
    // No daemon ends with 70: a bug aborts it.
    for command in [&[][..], &["run"]] {
        let help = mpos_stratum(&[command, &["--help"]].concat());
        assert!(stdout(&help).contains("SIGABRT") && !stdout(&help).contains(" 70 "), "{}", stdout(&help));
    }
    let spools =
        ["status", "verify", "left", "dump", "adopt", "rewind", "resume", "replay"].map(|name| ["spool", name]);
    for command in spools.iter().chain(&[["algo", "hash"]]) {
        let help = mpos_stratum(&[&command[..], &["--help"]].concat());
        let told = stdout(&help).split("\nExit codes: 0 ").nth(1).unwrap_or_else(|| panic!("{command:?}"));
        assert!(told.contains(" 64 ") && told.contains(" 69 "), "{command:?}: {told}");
    }
}

#[test]
fn a_value_that_makes_no_sense_is_refused_before_anybody_is_asked() {
    for (arguments, told) in [
        (&["audit", "--block", "zz"][..], "a hash of 64 hexadecimal digits"),
        (&["miners", "set-difficulty", "alice", "nan"], "a number from 1e-12 to 1e30"),
        (&["miners", "set-difficulty", "alice", "1e300"], "a number from 1e-12 to 1e30"),
    ] {
        let output = mpos_stratum(arguments);
        assert_eq!((code(&output), stdout(&output)), (64, ""), "{arguments:?}");
        assert!(stderr(&output).contains(told) && stderr(&output).len() < 400, "{}", stderr(&output));
    }
    let known = ["2750001", &"aB".repeat(32)];
    for block in known {
        assert_eq!(code(&mpos_stratum(&["audit", "--block", block, "--config", "/nowhere.toml"])), 78, "{block}");
    }
}

#[test]
fn what_is_no_block_hash_is_the_callers_mistake() {
    for hash in ["%s", "ab", &"ab".repeat(33)] {
        let output = mpos_stratum(&["notify", "litecoin", hash, "--socket", "/nowhere/notify.sock"]);
        assert_eq!(code(&output), 64, "{hash}");
        assert!(stderr(&output).contains("is not a block hash of 64 hexadecimal digits"), "{}", stderr(&output));
    }
    let away = mpos_stratum(&["notify", "litecoin", &"ab".repeat(32), "--socket", "/nowhere/notify.sock"]);
    assert_eq!(code(&away), 69, "{}", stderr(&away));
}

#[test]
fn algo_hash_prints_the_hash_of_a_header_as_explorers_do() {
    // Dash's and Litecoin's: the hash of the first is its block id, that of the second is not.
    let vectors: Vec<serde_json::Value> = serde_json::from_str(include_str!("data/pow-vectors.json")).unwrap();
    for coin in ["Dash", "Litecoin"] {
        let vector = vectors.iter().find(|vector| vector["coin"] == coin).unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let output = mpos_stratum(&["algo", "hash", text("algorithm"), text("header_hex")]);
        assert_eq!((code(&output), stdout(&output).trim_end()), (0, text("pow_hash_hex")), "{coin}");
    }
    let header = "00".repeat(80);
    for (arguments, told) in [
        (&["algo", "hash", "x12", header.as_str()][..], "x12 is not a known algorithm"),
        (&["algo", "hash", "x11", "0g"], "hexadecimal"),
        (&["algo", "hash", "scrypt", &header, "--param", "N=1000"], "N = \"1000\": must be a power of two"),
        (&["algo", "hash", "scrypt", &header, "--param", "2048"], "NAME=VALUE"),
        (&["algo", "hash", "x11"], "required arguments"),
    ] {
        let output = mpos_stratum(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert!(stderr(&output).contains(told) && stdout(&output).is_empty(), "{}", stderr(&output));
    }
    let set = mpos_stratum(&["algo", "hash", "scrypt", &header, "--param", "N=2048", "--param", "r=1"]);
    let usual = mpos_stratum(&["algo", "hash", "scrypt", &header]);
    assert_eq!((code(&set), code(&usual)), (0, 0));
    assert_ne!(set.stdout, usual.stdout);
}

#[test]
fn algo_list_says_of_each_what_it_costs_here_and_what_proves_it() {
    let output = mpos_stratum(&["algo", "list"]);
    assert_eq!(code(&output), 0);
    let text = stdout(&output);
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        "name us per hash class proof also called; proven by"
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    for row in &rows {
        let [name, micros, class, proof, ..] = row[..] else { panic!("{row:?}") };
        assert!(micros.parse::<f64>().is_ok_and(|micros| micros > 0.0), "{row:?}");
        assert!(["cheap", "heavy", "expensive"].contains(&class), "{row:?}");
        assert_eq!(proof == "chain", row.join(" ").contains("headers of"), "{row:?}");
        assert_eq!(proof == "unproven", row.join(" ").contains("agrees with"), "{row:?}");
        // What the list names can be asked for by that name.
        assert_eq!(code(&mpos_stratum(&["algo", "hash", name, &"00".repeat(80)])), 0, "{name}");
    }
    let row = |name: &str| rows.iter().find(|row| row[0] == name).map(|row| row[2..].join(" ")).unwrap_or_default();
    for (name, class, other_name) in
        [("sha256d", "cheap chain", "sha256"), ("scrypt", "heavy chain", "ltc_scrypt"), ("bcrypt", "expensive", "")]
    {
        assert!(row(name).starts_with(class) && row(name).contains(other_name), "{name}: {}", row(name));
    }
}

/// Lines that somebody could send who wants to do harm, and what the answer to each says; `None`: a hash.
fn hostile_lines() -> Vec<(String, Option<&'static str>)> {
    let header = "00".repeat(80);
    let with = |algorithm: &str, params: &str| {
        format!(r#"{{"algorithm":"{algorithm}","header_hex":"{header}","params":{params}}}"#)
    };
    let of = |header: &str| format!(r#"{{"algorithm":"x11","header_hex":"{header}"}}"#);
    let too_large = "is not supported";
    let mut lines = vec![
        (of(""), None),
        (of("00"), None),
        (of(&"ff".repeat(4096)), None),
        (of(&"ff".repeat(4097)), Some("4096 bytes at most")),
        (of("0"), Some("hexadecimal digits in pairs")),
        (of("zz"), Some("hexadecimal digits in pairs")),
        (of("\\u0000"), Some("hexadecimal digits in pairs")),
        ("x".to_owned(), Some("not a vector")),
        ("{}".to_owned(), Some("missing field")),
        ("[".repeat(9000), Some("not a vector")),
        (" ".repeat(70_000), Some("longer than 65536 bytes")),
        (with("", "{}"), Some("is not a known algorithm")),
        (with(&"x".repeat(1000), "{}"), Some("is not a known algorithm")),
        (with("x11", "[]"), Some("not a vector")),
        (with("x11", r#"{"N":1}"#), Some("x11 has no parameter N")),
        (with("scrypt", r#"{"N":32768}"#), None),
        (with("scrypt", r#"{"r":4294967295}"#), Some(too_large)),
        (with("scrypt", r#"{"r":4294967296}"#), Some("r = 4294967296")),
        (with("odocrypt", r#"{"epoch_secs":0}"#), Some("epoch_secs = 0")),
        (with("odocrypt", r#"{"epoch_secs":1}"#), None),
        (with("yescryptr32", r#"{"N":1}"#), Some("has no parameter N")),
        (with("argon2d-dyn", r#"{"lanes":0}"#), Some("lanes = 0")),
        (with("scrypt-jane", r#"{"nfactor":19}"#), Some(too_large)),
        (with("scrypt-jane", r#"{"nfactor":31}"#), Some("nfactor = 31")),
        (format!(r#"{{"algorithm":"x11","header_hex":"{header}","time":4294967296}}"#), Some("not a vector")),
    ];
    for n in ["1048576", "9223372036854775808", "0", "1", "1000", "-2", "1e3", "2.5", "null", "[]", "\"\""] {
        let told = if n.len() > 6 { too_large } else { "must be a power of two" };
        lines.push((with("scrypt", &format!(r#"{{"N":{n}}}"#)), Some(told)));
        lines.push((with("scrypt-n", &format!(r#"{{"N":{n}}}"#)), Some(told)));
    }
    lines
}

#[test]
fn algo_hash_answers_every_line_whatever_is_in_it_and_stays_small() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mpos-stratum"));
    command.args(["algo", "hash", "--jsonl"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(output).lines();
    for (line, told) in hostile_lines() {
        writeln!(input, "{line}").unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let line: String = line.chars().take(300).collect();
        match told {
            None => assert_eq!(answer["pow_hash_hex"].as_str().map(str::len), Some(64), "{line}: {answer}"),
            Some(told) => assert!(answer["error"].as_str().unwrap().contains(told), "{line}: {answer}"),
        }
    }
    // The most it ever had in memory: the largest pad a hash may have, and the program itself.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < (64 + 64) << 10, "{kib} KiB");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(64), "some lines were wrong");
}
