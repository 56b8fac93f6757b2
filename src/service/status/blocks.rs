//! The newest found blocks, from their dossiers.

use std::path::{Path, PathBuf};

use super::BlockStatus;
use crate::service::blocks::dossier::Dossier;

/// Most dossiers that are opened for one answer: coins may share a folder.
const DOSSIERS_READ_MAX: usize = 64;

/// The newest `most` blocks of a coin, by height. Reads files. What is no dossier is passed over: the daemon
/// told so when it started.
pub fn newest(dir: &Path, coin: &str, most: usize) -> Vec<BlockStatus> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let is_dossier = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_dossier).collect();
    // Their names begin with the height.
    paths.sort_unstable_by(|one, other| other.cmp(one));
    let dossiers = paths.iter().take(DOSSIERS_READ_MAX).filter_map(|path| Dossier::read(path).ok());
    dossiers.filter(|dossier| dossier.coin == coin).take(most).map(|dossier| of(&dossier)).collect()
}

fn of(dossier: &Dossier) -> BlockStatus {
    BlockStatus {
        height: dossier.height,
        hash: dossier.node_hash.clone().unwrap_or_else(|| dossier.hash.clone()),
        state: dossier.state.name().to_owned(),
        confirmations: dossier.confirmations,
        worker: dossier.share.worker.clone(),
        found: dossier.found_ms() / 1000,
    }
}
