//! `server.json` beside the spool: which of the database's servers the running daemon writes to. After a
//! fail-over another one may be back without what was stored since, and commands must not ask that one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::ledger::files;
use crate::ledger::inspect::SpoolFiles;
use crate::mpos::hosts::InUse;

const FILE: &str = "server.json";

#[derive(Serialize, Deserialize)]
struct Note {
    /// The server's name.
    server: String,
    /// The daemon's process: what an earlier one wrote means nothing, because every start begins with
    /// the first server of the configuration.
    process: u32,
}

/// Keeps the note in `dir` up to date as long as somebody writes.
pub async fn keep(dir: PathBuf, mut in_use: InUse) {
    loop {
        let note = Note { server: in_use.borrow_and_update().to_string(), process: std::process::id() };
        let place = dir.clone();
        match tokio::task::spawn_blocking(move || files::put(&place, FILE, &note)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, dir = %dir.display(), "the server in use could not be noted"),
            Err(_) => return,
        }
        if in_use.changed().await.is_err() {
            return;
        }
    }
}

/// The server that the daemon which holds the spool writes to; `None` if none does, or it did not say.
pub fn of_daemon(files: &SpoolFiles) -> Option<String> {
    let holder = files.holder().ok()??;
    let note: Note = read(files.dir())?;
    (note.process == holder).then_some(note.server)
}

fn read(dir: &Path) -> Option<Note> {
    files::get(dir, FILE).ok()?
}
