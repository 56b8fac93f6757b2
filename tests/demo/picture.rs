//! The live picture: miners, the newest rows of MPOS's table, the node's best block.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Instant;

use super::Arguments;
use super::crew::Crew;
use super::stage::{GUEST, PASSWORD, Stage};
use super::support::mariadb::ShareRow;

/// Rows of `shares` shown.
const ROWS_SHOWN: usize = 10;
/// Moves to the top left and wipes what follows.
const WIPE: &str = "\x1b[H\x1b[J";
/// Bold, green, and back.
const STRONG: [&str; 2] = ["\x1b[1;32m", "\x1b[0m"];

/// Draws into the terminal, or prints a line a second where there is none.
pub struct Picture {
    started: Instant,
    terminal: bool,
    head: String,
}

impl Picture {
    /// A picture that begins now.
    pub fn new(stage: &Stage, arguments: &Arguments) -> Self {
        let end = if arguments.keep { "Ctrl-C ends it".to_owned() } else { format!("{} s", arguments.secs) };
        let mut head = format!("mpos-stratum demo: litecoin regtest, stratum+tcp://{}, {end}\n", stage.port);
        if let Some(port) = stage.guest_port {
            let _written =
                writeln!(head, "your miner: minerd -a scrypt -o stratum+tcp://{port} -u {GUEST} -p {PASSWORD}");
        }
        let terminal = std::io::stdout().is_terminal();
        if !terminal {
            print!("{head}");
        }
        Self { started: Instant::now(), terminal, head }
    }

    /// Draws how things stand.
    pub async fn draw(&self, stage: &Stage, crew: &Crew) {
        let (told, rows, best) = (crew.told(), stage.newest_rows(ROWS_SHOWN).await, stage.best_block().await);
        let secs = self.started.elapsed().as_secs();
        let sum = |of: fn(&super::crew::Told) -> u64| told.iter().map(of).sum::<u64>();
        let connected = told.iter().filter(|miner| miner.connected).count();
        let blocks: usize = told.iter().map(|miner| miner.blocks.len()).sum();
        let sums = format!(
            "{secs:>3} s  {connected} miners, {} shares accepted, {} refused, {blocks} blocks found",
            sum(|miner| miner.accepted),
            sum(|miner| miner.refused)
        );
        if !self.terminal {
            println!("{sums}, best block {best}");
            return;
        }
        let mut text = format!("{WIPE}{}\n{sums}\n\n", self.head);
        for miner in &told {
            let newest = miner.blocks.last().map_or("", String::as_str);
            let _written = writeln!(
                text,
                "  {:<12}{:>5} accepted{:>4} refused {:<24}{:>3} blocks  {newest}",
                miner.worker,
                miner.accepted,
                miner.refused,
                quote(&miner.refusal),
                miner.blocks.len()
            );
        }
        let _written = writeln!(text, "\nthe newest rows of MPOS's table `shares`:\n{}", table(&rows, &best));
        let _written = writeln!(text, "best block of litecoind: {best}");
        print!("{text}");
    }
}

fn quote(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("({text})") }
}

/// The rows; the one with the node's best block stands out.
fn table(rows: &[ShareRow], best: &str) -> String {
    let mut text = format!("  {:>6}  {:<12} our upstream {:<22} solution\n", "id", "username", "reason");
    for row in rows {
        let [on, off] = if row.solution == best { STRONG } else { ["", ""] };
        let _written = writeln!(
            text,
            "  {on}{:>6}  {:<12} {:^3} {:^8} {:<22} {}{off}",
            row.id,
            row.username,
            row.our_result,
            row.upstream_result.as_deref().unwrap_or("-"),
            row.reason.as_deref().unwrap_or(""),
            row.solution
        );
    }
    text
}
