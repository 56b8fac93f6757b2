//! What of the package can be told without building or installing it: the unit, the scripts, the lists of files, the
//! manual pages and the completions.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may end at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "packaging/licences.rs"]
mod licences;

const BINARY: &str = env!("CARGO_BIN_EXE_mpos-stratum");
/// Ten times the exposure that `systemd-analyze security` may find in the unit.
const EXPOSURE_MAX: &str = "--threshold=15";

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(tree(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program that has to succeed; returns all that it printed.
fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("MANROFFSEQ", "").env("MANWIDTH", "80").output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `make deps` installs what tests need"));
    let told = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    told
}

/// The manual pages and completions, freshly made.
fn documents() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    must(BINARY, &["generate", dir.path().to_str().unwrap()]);
    dir
}

/// Names in a folder.
fn names(dir: &Path) -> BTreeSet<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(dir).unwrap().map(name).collect()
}

/// The lines of a list that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Values of a key in the unit.
fn values<'a>(unit: &'a str, key: &'a str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_is_sound_and_shuts_the_daemon_in() {
    let unit = tree("packaging/mpos-stratum.service");
    must("systemd-analyze", &["security", "--offline=true", EXPOSURE_MAX, "--no-pager", unit.to_str().unwrap()]);
    // `verify` wants the programs to be there; the example of credentials is verified with it, every line taken in.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("mpos-stratum.service");
    fs::write(&copy, read("packaging/mpos-stratum.service").replace("/usr/sbin/mpos-stratum", "/bin/true")).unwrap();
    let beside = dir.path().join("mpos-stratum.service.d");
    fs::create_dir(&beside).unwrap();
    let credentials = read("packaging/credentials.conf").replace("#LoadCredential", "LoadCredential");
    fs::write(beside.join("credentials.conf"), credentials).unwrap();
    let told = must("systemd-analyze", &["verify", "--man=no", copy.to_str().unwrap()]);
    assert_eq!(told.trim(), "");
}

#[test]
fn the_unit_says_what_the_program_and_the_scripts_know() {
    let unit = read("packaging/mpos-stratum.service");
    let one = |key| match values(&unit, key)[..] {
        [value] => value,
        ref several => panic!("{key}: {several:?}"),
    };
    for key in ["ExecStart", "ExecReload"] {
        let mut words = one(key).split(' ');
        assert_eq!(words.next(), Some("/usr/sbin/mpos-stratum"));
        let help = must(BINARY, &[words.next().unwrap(), "--help"]);
        let options = words.filter(|word| word.starts_with("--"));
        assert!(options.clone().count() > 0 && options.clone().all(|option| help.contains(option)), "{key}: {help}");
    }
    let pages = documents();
    for page in one("Documentation").split(' ') {
        let (name, section) = page.strip_prefix("man:").unwrap().strip_suffix(')').unwrap().split_once('(').unwrap();
        assert!(pages.path().join(format!("{name}.{section}")).exists(), "{page}");
    }
    let (user, state) = (one("User"), format!("/var/lib/{}", one("StateDirectory")));
    let made = read("packaging/debian/mpos-stratum.sysusers");
    let made: Vec<&str> = lines(&made).flat_map(str::split_whitespace).collect();
    assert_eq!((made[1], *made.last().unwrap(), one("Group")), (user, state.as_str(), user));
    // The folder of log files, and the signal at which they are opened again.
    let (logs, rotation) =
        (format!("/var/log/{}", one("LogsDirectory")), read("packaging/debian/mpos-stratum.logrotate"));
    let rotation: Vec<&str> = lines(&rotation).collect();
    assert_eq!(rotation[0], format!("{logs}/*.log {{"));
    assert!(rotation.iter().any(|line| line.contains("--signal=SIGUSR1 mpos-stratum.service")), "{rotation:?}");
    assert!(must(BINARY, &["run", "--help"]).contains("opens again at SIGUSR1"));
    assert!(read("packaging/debian/mpos-stratum.postrm").contains(&format!("rm -rf {logs}\n")));
    for script in ["prerm", "postrm"] {
        let script = read(&format!("packaging/debian/mpos-stratum.{script}"));
        assert!(script.contains(&format!("state={state}\n")), "{script}");
    }
    // All that only an operator can mend; the program's help says what the numbers mean.
    let help = must(BINARY, &["run", "--help"]);
    for code in one("RestartPreventExitStatus").split(' ') {
        assert!(help.contains(&format!("{code} ")), "{code}: {help}");
    }
}

#[test]
fn every_script_is_sound_and_minds_its_first_error() {
    let folders =
        [("packaging", ".sh"), ("tests/setup", ".sh"), ("packaging/debian", "inst"), ("packaging/debian", "rm")];
    let in_folder = |(folder, end): (&str, &str)| {
        let ours = |name: &String| name.ends_with(end);
        names(&tree(folder)).into_iter().filter(ours).map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let mut scripts: Vec<String> = folders.into_iter().flat_map(in_folder).collect();
    scripts.push("packaging/debian/tests/smoke".to_owned());
    assert!(scripts.len() >= 9, "{scripts:?}");
    for script in scripts {
        let text = read(&script);
        let shell = text.lines().next().and_then(|line| line.strip_prefix("#!/bin/")).unwrap_or_default();
        assert!(["sh", "bash"].contains(&shell), "{script}: {shell:?}");
        assert!(text.lines().any(|line| line.starts_with("set -e")), "{script} goes on after an error");
        let path = tree(&script);
        must(shell, &["-n", path.to_str().unwrap()]);
        must("shellcheck", &["--shell", shell, path.to_str().unwrap()]);
        let is_of_the_package = script.starts_with("packaging/debian/mpos-stratum.");
        assert_eq!(text.contains("\n#DEBHELPER#\n"), is_of_the_package, "{script}");
    }
}

#[test]
fn every_file_of_the_lists_is_there_and_no_document_is_left_out() {
    let build = read("packaging/build-deb.sh");
    let copied = build.lines().find_map(|line| line.strip_prefix("cp -r packaging/config.toml ")).unwrap();
    let copied: Vec<&str> = std::iter::once("packaging/config.toml").chain(copied.split(' ')).collect();
    let documents = documents();
    let (mut left, mut seen) = (names(documents.path()), 0);
    for list in ["install", "manpages", "docs", "examples"] {
        let text = read(&format!("packaging/debian/mpos-stratum.{list}"));
        for line in lines(&text) {
            seen += 1;
            let source = line.split(' ').next().unwrap();
            if let Some(name) = source.strip_prefix("built/documents/") {
                let fits = |file: &String| name.strip_prefix('*').map_or(file == name, |end| file.ends_with(end));
                let before = left.len();
                left.retain(|file| !fits(file));
                assert!(left.len() < before, "{list}: nothing is {source}");
            } else if source == "presets/*.toml" {
                assert!(build.contains("cp src/coin/presets/*.toml") && tree("src/coin/presets").exists());
            } else if source == "THIRD-PARTY" {
                assert!(build.contains("packaging/third-party.sh >\"$work/THIRD-PARTY\""));
            } else if source != "built/mpos-stratum" {
                // Laid out without `packaging/` in front.
                let first = source.split('/').next().unwrap();
                let origin = copied.iter().find(|path| path.rsplit('/').next() == Some(first));
                let origin = origin.unwrap_or_else(|| panic!("{list}: {source} is not laid out by build-deb.sh"));
                let rest = source.strip_prefix(first).unwrap();
                let path = tree(&format!("{origin}{}", rest.trim_end_matches("/*")));
                assert!(path.exists() && (!path.is_dir() || !names(&path).is_empty()), "{list}: {source}");
            }
        }
    }
    assert!(seen >= 15 && left.is_empty(), "made, but in no list: {left:?}");
    for path in copied {
        assert!(path == "\"$work/\"" || tree(path).exists(), "build-deb.sh copies {path}");
    }
}

#[test]
fn the_configuration_with_passwords_is_nobody_else_s_wherever_its_mode_is_said() {
    for (file, words) in [
        ("rules", "chmod 0640 debian/mpos-stratum/etc/mpos-stratum/config.toml"),
        ("mpos-stratum.lintian-overrides", "non-standard-file-perm 0640 != 0644 [etc/mpos-stratum/config.toml]"),
        ("mpos-stratum.install", "config.toml etc/mpos-stratum"),
        ("mpos-stratum.postinst", "mode=0640\n"),
        ("mpos-stratum.postinst", " /etc/mpos-stratum/config.toml;"),
        ("mpos-stratum.dirs", "etc/mpos-stratum/conf.d"),
    ] {
        assert!(read(&format!("packaging/debian/{file}")).contains(words), "{file}: {words}");
    }
}

#[test]
fn every_manual_page_is_set_without_a_warning() {
    let documents = documents();
    let pages: Vec<String> =
        names(documents.path()).into_iter().filter(|name| name.ends_with(".8") || name.ends_with(".5")).collect();
    assert!(pages.len() > 20, "{pages:?}");
    for page in &pages {
        let path = documents.path().join(page);
        // Not the page itself: only what is to be complained about.
        let told = must(
            "sh",
            &["-c", "man --warnings -E UTF-8 -l -Tutf8 \"$1\" 2>&1 >/dev/null", "sh", path.to_str().unwrap()],
        );
        assert_eq!(told, "", "{page}");
    }
}

/// Every command below `path` with its long options, as `--help` has them.
fn commands(path: &[&str], found: &mut Vec<(String, BTreeSet<String>)>) {
    let help = must(BINARY, &[path, &["--help"]].concat());
    let mut section = "";
    let (mut below, mut options) = (Vec::new(), BTreeSet::new());
    for line in help.lines().filter(|line| !line.is_empty()) {
        if !line.starts_with(' ') {
            section = line.trim();
            continue;
        }
        // Two spaces before a command, and before or behind the short form of an option.
        match section {
            "Commands:" if line.starts_with("  ") && !line.starts_with("   ") => {
                below.extend(line.split_whitespace().next().filter(|name| *name != "help"));
            }
            "Options:" => {
                let is_option = line.trim_start().starts_with('-');
                let long = line.split([' ', ',', '=', '[']).find(|word| word.starts_with("--"));
                options.extend(long.filter(|_| is_option).map(str::to_owned));
            }
            _ => {}
        }
    }
    for name in below {
        commands(&[path, &[name]].concat(), found);
    }
    found.push((path.join(" "), options));
}

#[test]
fn completions_know_every_command_and_option_and_no_shell_refuses_them() {
    let documents = documents();
    let text = |name: &str| fs::read_to_string(documents.path().join(name)).unwrap();
    let mut found = Vec::new();
    commands(&[], &mut found);
    assert!(found.len() > 25 && found.iter().map(|(_, options)| options.len()).sum::<usize>() > 90, "{found:#?}");
    let script = documents.path().join("mpos-stratum.bash");
    let (zsh, fish) = (text("_mpos-stratum"), text("mpos-stratum.fish"));
    let offered = by_bash(&script, &found.iter().map(|(command, _)| command.as_str()).collect::<Vec<_>>());
    for ((command, options), offered) in found.iter().zip(offered) {
        for option in options {
            assert!(offered.contains(option.as_str()), "bash offers {offered:?} for {command:?}, without {option}");
            assert!(zsh.contains(option.as_str()), "zsh: {command} lacks {option}");
            let long = option.trim_start_matches('-');
            assert!(fish.contains(&format!(" -l {long}")), "fish: {command} lacks {option}");
        }
        let strange: Vec<_> =
            offered.iter().filter(|word| word.starts_with("--") && !options.contains(*word)).collect();
        assert!(strange.is_empty(), "bash: {command} has no {strange:?}");
        for name in command.split(' ').filter(|name| !name.is_empty()) {
            let is_told =
                |text: &str| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == name);
            assert!(is_told(&zsh) && is_told(&fish), "{name}");
        }
    }
}

/// What bash offers behind each of the commands, when a dash stands there.
fn by_bash(script: &Path, commands: &[&str]) -> Vec<BTreeSet<String>> {
    let ask = |command: &&str| {
        let words = format!("mpos-stratum {command}").trim().to_owned();
        let count = words.split(' ').count();
        format!(
            "COMP_WORDS=({words} -); COMP_CWORD={count}; COMPREPLY=(); $f mpos-stratum - ''; echo \"${{COMPREPLY[*]}}\"\n"
        )
    };
    let questions: String = commands.iter().map(ask).collect();
    let line = format!(
        "set -e; . {}; f=$(complete -p mpos-stratum | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n{questions}",
        script.display()
    );
    let answers = must("bash", &["--norc", "-c", &line]);
    assert_eq!(answers.lines().count(), commands.len(), "{answers}");
    answers.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}
