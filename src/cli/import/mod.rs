//! `mpos-stratum import`: the configuration of an older stratum server as one of ours. Old files are read,
//! never executed; every option of theirs gets a line that says what became of it.
//!
//! | file | job |
//! | --- | --- |
//! | `value`, `python`, `json`, `php` | old files into values with their lines, within bounds |
//! | `stratum_mining/`, `nomp/`, `mpos` | what the options of a format mean |
//! | `difficulty` | the traps between old difficulties and ours |
//! | `identity`, `database`, `port` | what the formats have in common |
//! | `settings`, `wallet` | what MPOS's file says, for other commands too |
//! | `answers`, `history`, `draft`, `write` | what the operator adds, what became of each option, the new file |

mod answers;
mod database;
mod difficulty;
mod draft;
mod file;
mod history;
mod identity;
mod json;
mod mpos;
mod nomp;
mod php;
mod port;
mod python;
pub(super) mod settings;
mod stratum_mining;
#[cfg(test)]
mod tests;
mod value;
mod wallet;
mod write;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::answers::Answers;
use self::draft::Draft;
use self::file::Unusable;
use self::history::{Context, Fate};
use self::mpos::MposFacts;
use super::say;
use crate::config::Config;
use crate::exit::Exit;
use crate::mpos::schema_files;

pub(super) const LONG_ABOUT: &str = "\
Write a configuration out of that of an older stratum server.

Old files are read and never executed. At the end of the new configuration stands what became of every old option:
taken, adapted or dropped, each with the reason. What no old file says is asked: by `QUESTION` in the new file, and
on standard error, with the --answer that answers it. Some questions come only once the algorithm is known: answer that
one first, if the old files name it in a way that is not known here. A preset of another algorithm is refused.

A unit of difficulty stood for different amounts of work in different servers. Where that is not known it is
asked, or measured by a miner whose hash rate you know:

  mpos-stratum import stratum-mining conf/config.py --known-miner 1.2M,16,0.9

means 1.2 MH/s, which at difficulty 16 had an accepted share every 0.9 s.";

const AFTER_HELP: &str = "\
Moving over in ten minutes:
  1. mpos-stratum import nomp /srv/nomp --mpos /srv/mpos/include/config/global.inc.php \\
       --answer fallback_worker=pool.fallback --output config.toml
  2. mysql mpos < /usr/share/mpos-stratum/schema/mpos-stratum.sql
     mysql < /usr/share/mpos-stratum/schema/grants.sql
     the daemon's own small tables beside MPOS's `shares`, and the rights of its database user: read grants.sql
     first; its names and password are examples, and the configuration must have the same
  3. mpos-stratum check --online --config config.toml
     mpos-stratum doctor --config config.toml --mpos /srv/mpos/include/config/global.inc.php
  4. stop the old server, mpos-stratum run --config config.toml

Exit codes: 0 complete, 1 questions are open, 64 command line, 69 the output cannot be written, 78 an old file
is broken.";

/// For the manual page alone: there is nothing to import, but somebody may look for it.
const ABOUT_HSTRATUM: &str = "\
hstratum has no file to import: it takes its options on the command line of its node, and Handshake, its coin, is not
mined by this version. What its options are called here:

  --stratum-host, --stratum-port           adapted: listen in [[coin.port]], as \"ADDRESS:PORT\"; no host name
  --stratum-public-host, ...-public-port   adapted: advertise in [[coin.port]], as \"HOST:PORT\"
  --stratum-max-inbound                    taken: connections_max in [[coin.port]], and for all ports in [daemon]
  --stratum-difficulty                     adapted: difficulty in [[coin.port]]; units differ between coins
  --stratum-dynamic                        adapted: min and max in [coin.port.vardiff]
  --stratum-password                       dropped: what an administrator may do goes through control.sock in
                                           runtime_dir of [daemon], whose mode decides who may";

/// Arguments of `import`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    source: Source,
}

#[derive(Subcommand)]
enum Source {
    /// stratum-mining (Python): its conf/config.py
    StratumMining {
        /// The file with the settings
        file: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// NOMP, node-open-mining-portal: its folder with config.json, pool_configs and coins
    Nomp {
        /// The folder
        dir: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// MPOS's own include/config/global.inc.php, if there is no old stratum server
    Mpos {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Args)]
struct Options {
    /// MPOS's global.inc.php, to compare database, wallet and difficulty with; with several coins one for each
    #[arg(long, value_name = "FILE")]
    mpos: Vec<PathBuf>,
    /// The answer to a question, such as fallback_worker=pool.fallback; COIN. before it for one coin only
    #[arg(long, value_name = "[COIN.]QUESTION=VALUE")]
    answer: Vec<String>,
    /// A miner that tells what the old difficulties meant: its hash rate as in 1.2M, its difficulty, seconds per share
    #[arg(long, value_name = "[COIN=]HASHRATE,DIFFICULTY,SECONDS")]
    known_miner: Vec<String>,
    /// Where to write the configuration, readable by its owner only; it must not exist. Without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What stands behind the options on the manual page.
pub(super) fn after_help_on_the_page() -> String {
    AFTER_HELP.replace("\n\nExit codes:", &format!("\n\n{ABOUT_HSTRATUM}\n\nExit codes:"))
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let (Source::StratumMining { options, .. } | Source::Nomp { options, .. } | Source::Mpos { options, .. }) =
        &arguments.source;
    let cx = Context::new(Answers::new(&options.answer, &options.known_miner));
    let draft = match import(&cx, &arguments.source, options) {
        Ok(draft) => draft,
        Err(unusable) => {
            let (_, _, remarks) = cx.into_parts();
            for remark in remarks {
                complain(&remark);
            }
            complain(&format!("{unusable}\n\nNothing was written."));
            return Exit::Config;
        }
    };
    let imported = Imported::new(cx, &draft);
    if !imported.mistakes.is_empty() {
        for mistake in &imported.mistakes {
            complain(mistake);
        }
        return Exit::Usage;
    }
    let exit = put(options.output.as_deref(), &imported.text);
    if exit != Exit::Ok {
        return exit;
    }
    imported.tell(&draft, options.output.as_deref())
}

/// What is left to do with a complete configuration.
fn next_steps(config: &Config, path: &Path) -> String {
    let databases: BTreeSet<&str> = config.coins.iter().map(|coin| coin.mpos.database.as_str()).collect();
    let tables = schema_files::own_tables();
    let load: String = databases.iter().map(|name| format!("  mysql {name} < {tables}\n")).collect();
    let (config, grants) = (path.display(), schema_files::grants());
    format!(
        "{config} is complete. Next, our own tables, and the rights of our user (read that file first: its names and \
         password are examples):\n{load}  mysql < {grants}\nThen look at everything:\n  \
         mpos-stratum check --online --config {config}\n  mpos-stratum doctor --config {config} --mpos \
         .../include/config/global.inc.php\nand stop the old server before this one is started."
    )
}

fn import(cx: &Context, source: &Source, options: &Options) -> Result<Draft, Unusable> {
    let facts = |path: &PathBuf, alone: bool| {
        let settings = file::php(path)?;
        Ok(MposFacts::read(cx, &path.display().to_string(), &settings, alone))
    };
    match source {
        Source::Mpos { file, options } => {
            if !options.mpos.is_empty() {
                cx.answers.refuse("--mpos goes with the import of a stratum server; here the file itself is MPOS's");
            }
            Ok(facts(file, true)?.into_draft(cx))
        }
        Source::Nomp { dir, .. } => {
            let facts: Vec<MposFacts> = options.mpos.iter().map(|path| facts(path, false)).collect::<Result<_, _>>()?;
            nomp::import(cx, dir, &facts)
        }
        Source::StratumMining { file, .. } => {
            if options.mpos.len() > 1 {
                cx.answers.refuse("one --mpos file is enough: stratum-mining served one coin");
            }
            let settings = file::python(file)?;
            let facts = options.mpos.first().map(|path| facts(path, false)).transpose()?;
            Ok(stratum_mining::import(cx, &file.display().to_string(), &settings, facts.as_ref()))
        }
    }
}

/// An import that is done.
struct Imported {
    text: String,
    became: Vec<history::Became>,
    remarks: Vec<String>,
    /// Of the command line.
    mistakes: Vec<String>,
}

impl Imported {
    fn new(cx: Context, draft: &Draft) -> Self {
        let (answers, became, remarks) = cx.into_parts();
        let text = write::write(draft, &became, &remarks);
        Self { text, became, remarks, mistakes: answers.mistakes() }
    }

    /// Tells what is left to do. The new file is read as `run` would read it, so that nothing that is wrong
    /// with it comes as a surprise.
    fn tell(&self, draft: &Draft, output: Option<&Path>) -> Exit {
        let attention = self.became.iter().filter(|line| matches!(line.fate, Fate::Attention(_)));
        for line in attention {
            complain(&format!("{}: {}", line.file, write::told(line)));
        }
        for remark in &self.remarks {
            complain(remark);
        }
        let blocked = draft.coins.iter().filter(|coin| !coin.blocked.is_empty());
        let mut open = 0;
        for coin in blocked {
            open += 1;
            complain(&format!("{}: cannot be served by this version: {}", coin.name, coin.blocked.join("; ")));
        }
        for question in write::questions(draft) {
            open += 1;
            let example = match question.example.as_str() {
                "" => "to be filled in".to_owned(),
                example => format!("--answer {}={example}", question.id),
            };
            complain(&format!("QUESTION {}: {} ({example})", question.id, question.asks));
        }
        if open > 0 {
            return Exit::Findings;
        }
        match crate::config::parse(Path::new("the new file"), self.text.clone()) {
            Ok(config) => {
                if let Some(path) = output {
                    complain(&next_steps(&config, path));
                }
                Exit::Ok
            }
            Err(error) => {
                complain(&error.to_string());
                Exit::Findings
            }
        }
    }
}

fn put(output: Option<&Path>, text: &str) -> Exit {
    let Some(path) = output else {
        // A reader that went away is no reason to fail.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Exit::Ok;
    };
    match file::create(path, text) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            complain(&format!("{}: cannot be written: {error}", path.display()));
            Exit::Unavailable
        }
    }
}

/// Writes to standard error what may hold anything, as it is from old files.
fn complain(what: &str) {
    let lines: Vec<String> = what.lines().map(write::printable).collect();
    say::complain(lines.join("\n"));
}
