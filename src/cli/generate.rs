//! `mpos-stratum generate`: manual pages and completions out of what they are about, the command line and the
//! annotated example of the configuration, so that they cannot say anything else.

mod layout;
mod settings;

use std::fs::{create_dir_all, write};
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::say::say;
use super::{Cli, import};
use crate::exit::Exit;

/// The section of the manual where commands for administrators stand.
const COMMANDS_SECTION: &str = "8";
/// What the pages name as their source.
const SOURCE: &str = concat!("mpos-stratum ", env!("CARGO_PKG_VERSION"));

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to write them; it is made if it is not there
    directory: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let directory = &arguments.directory;
    match generate(directory) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            say(&mut std::io::stderr(), format_args!("{} cannot be filled: {error}", directory.display()));
            Exit::Unavailable
        }
    }
}

fn generate(directory: &Path) -> io::Result<()> {
    create_dir_all(directory)?;
    for (name, page) in pages()? {
        write(directory.join(name), page)?;
    }
    write(directory.join("mpos-stratum.toml.5"), settings::page(SOURCE))?;
    for (shell, file) in
        [(Shell::Bash, "mpos-stratum.bash"), (Shell::Zsh, "_mpos-stratum"), (Shell::Fish, "mpos-stratum.fish")]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "mpos-stratum", &mut script);
        write(directory.join(file), if shell == Shell::Bash { one_name(&script) } else { script })?;
    }
    Ok(())
}

/// The generator has two names for a program with a dash in its own: one where it notes which command the line has got
/// to, another where it looks that up, so that no command's words were ever found.
fn one_name(script: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(script).replace("mpos__subcmd__stratum", "mpos__stratum").into_bytes()
}

/// The pages of the program and of every command, with their file names.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    // `help` has nothing to say that the pages do not.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut found = Vec::new();
    render(program, &mut found)?;
    Ok(found)
}

fn render(command: Command, found: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let below: Vec<Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).cloned().collect();
    // Whoever looks for an option of long ago reads the manual; the help is for what there is to be done.
    let command = match command.get_name() {
        "import" => command.after_help(import::after_help_on_the_page()),
        _ => command,
    };
    let page = Man::new(command).section(COMMANDS_SECTION).source(SOURCE).manual("System administration");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut text = layout::laid_out(&String::from_utf8_lossy(&text)).into_bytes();
    text.extend_from_slice(b".SH \"SEE ALSO\"\nmpos\\-stratum(8), mpos\\-stratum.toml(5)\n");
    found.push((page.get_filename(), text));
    below.into_iter().try_for_each(|command| render(command, found))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A page as its reader sees the letters, on one line.
    fn plain(page: &[u8]) -> String {
        let text = String::from_utf8(page.to_vec()).unwrap();
        let text =
            text.replace("\n.SH EXAMPLES\n", "\nExamples:\n").replace("\n.SH \"EXIT STATUS\"\n", "\nExit codes: ");
        let layout = ["\n.nf\n", "\n.fi\n", "\n.PP\n"];
        let text = layout.iter().fold(text, |text, command| text.replace(command, "\n"));
        let text = ["\\fB", "\\fI", "\\fR", "\\&"].iter().fold(text, |text, code| text.replace(code, ""));
        text.replace("\\-", "-")
            .replace("\\(aq", "'")
            .replace("\\*(Aq", "'")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Holds the page of a command, and of those below it, against the command; counts them.
    fn compare(command: &Command, pages: &[(String, Vec<u8>)]) -> usize {
        let name = format!("{}.8", command.get_display_name().unwrap_or(command.get_name()));
        let page = plain(&pages.iter().find(|(file, _)| *file == name).unwrap_or_else(|| panic!("no {name}")).1);
        // A page has the longer text, where there are two.
        let about = command.get_long_about().or(command.get_about());
        let texts = [about, command.get_after_help()].into_iter().flatten();
        let own = |argument: &&clap::Arg| !argument.is_hide_set();
        // What -h itself says differs between page and screen.
        let told = |argument: &&clap::Arg| own(argument) && argument.get_id() != "help";
        let helps = command.get_arguments().filter(told).filter_map(|argument| argument.get_help());
        for text in texts.chain(helps) {
            let text = text.to_string();
            let paragraph = text.split("\n\n").next().unwrap_or_default();
            let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            // Long texts are laid out anew: their first words show that they are there.
            let start: String = words.chars().take(40).collect();
            assert!(page.contains(&start), "{name} lacks `{start}`: {page}");
        }
        for argument in command.get_arguments().filter(own) {
            let shown = argument.get_long().map(|long| format!("--{long}"));
            assert!(shown.is_none_or(|long| page.contains(&long)), "{name}: {argument}");
        }
        let below = command.get_subcommands().filter(|below| !below.is_hide_set());
        1 + below.map(|below| compare(below, pages)).sum::<usize>()
    }

    #[test]
    fn every_command_has_its_page_with_everything_that_its_help_says() {
        let pages = pages().unwrap();
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        assert_eq!(compare(&program, &pages), pages.len());
        assert!(pages.len() > 10 && pages.iter().all(|(name, _)| !name.contains("generate")));
    }

    /// The long texts about commands that stand in the sources below a directory, as their readers see them.
    fn long_texts(directory: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(long_texts(&path));
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            let begun = source.split("LONG_ABOUT: &str = \"\\\n").skip(1);
            found.extend(begun.map(|text| words(&unescaped(text.split("\";\n").next().unwrap()))));
        }
        found
    }

    /// A text as it stands in a source, as the program has it.
    fn unescaped(text: &str) -> String {
        text.replace("\\\\", "\u{0}").replace("\\\n", " ").replace("\\\"", "\"").replace('\u{0}', "\\")
    }

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What `--help` says about a command and about those below it.
    fn helps(command: &mut Command) -> Vec<(String, String)> {
        let name = format!("{}.8", command.get_display_name().unwrap_or(command.get_name()));
        let help = words(&command.render_long_help().to_string());
        let below = command.get_subcommands_mut().flat_map(helps).collect::<Vec<_>>();
        std::iter::once((name, help)).chain(below).collect()
    }

    #[test]
    fn every_long_text_about_a_command_is_in_its_help_and_on_its_page() {
        let texts = long_texts(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli")));
        assert!(texts.len() > 14, "{texts:#?}");
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let helps = helps(&mut program);
        let pages = pages().unwrap();
        for text in texts {
            let (name, _) = helps.iter().find(|(_, help)| help.contains(&text)).unwrap_or_else(|| panic!("{text}"));
            let page = plain(&pages.iter().find(|(file, _)| file == name).unwrap().1);
            let page = page.replace("\\\\", "\\");
            assert!(page.contains(&text), "{name} lacks {text}: {page}");
        }
    }

    /// Looked at as the formatter gets it: blanks and line ends are what it is about.
    #[test]
    fn no_page_has_an_indented_block_that_is_filled_nor_a_head_that_says_nothing() {
        for (name, page) in pages().unwrap() {
            let page = String::from_utf8(page).unwrap();
            assert!(page.contains("\n.TH ") && page.lines().nth(3) == Some(".nh"), "{name}: {page}");
            let mut is_verbatim = false;
            for line in page.lines() {
                match line {
                    ".nf" | ".fi" => {
                        assert_ne!(is_verbatim, line == ".nf", "{name}: {page}");
                        is_verbatim = line == ".nf";
                    }
                    _ => assert_eq!(is_verbatim, line.starts_with("  "), "{name}: {line}"),
                }
            }
            let heads: Vec<&str> = page.lines().filter(|line| line.starts_with(".SH ")).collect();
            let own: BTreeSet<&&str> = heads.iter().collect();
            assert!(own.len() == heads.len() && !own.contains(&".SH EXTRA"), "{name}: {heads:?}");
            assert!(!page.contains("\nExamples:") && !page.contains("Exit codes:"), "{name}: {page}");
        }
        let pages = pages().unwrap();
        let page =
            |name: &str| String::from_utf8(pages.iter().find(|(file, _)| file == name).unwrap().1.clone()).unwrap();
        assert!(page("mpos-stratum-ban.8").contains("\n.SH EXAMPLES\n.nf\n  mpos\\-stratum ban list\n"));
        assert!(page("mpos-stratum-ban.8").contains("\n.fi\n.SH \"EXIT STATUS\"\n0 done"));
        assert!(
            page("mpos-stratum-import.8")
                .contains("\n  \\-\\-stratum\\-host, \\-\\-stratum\\-port           adapted: ")
        );
        assert!(
            page("mpos-stratum-doctor.8").contains("\n.nf\n  FAULT     costs shares, blocks or payouts\n  WARNING")
        );
    }

    #[test]
    fn everything_is_written_into_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("made/here");
        assert_eq!(run(&Arguments { directory: directory.clone() }), Exit::Ok);
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
        assert!(read("mpos-stratum-spool-status.8").starts_with(".ie"));
        assert!(read("mpos-stratum.toml.5").contains(".SS [coin.port.vardiff]"));
        for name in ["mpos-stratum.bash", "_mpos-stratum", "mpos-stratum.fish"] {
            assert!(read(name).contains("rewind"), "{name}");
        }
        assert_eq!(run(&Arguments { directory: directory.join("_mpos-stratum") }), Exit::Unavailable);
    }
}
