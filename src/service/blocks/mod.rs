//! Found blocks: from the candidate to its last confirmation.
//!
//! - `found` is a candidate as the desk hands it over.
//! - `pursuer` has a task per block that is not closed: to the nodes, then verdict into the ledger,
//!   then looked at again until it is buried.
//! - `rounds` is how it submits one, again and again until the nodes have settled it.
//! - `resume` takes up what the last run of the daemon left.
//! - `watch` is what it does after the verdict.
//! - `course` decides what a look at the nodes means: pure functions.
//! - `case` is one block in memory: its dossier, kept on disk as steps are added.
//! - `dossier` is the file that is written about each block, with its reader.
//! - `tally` counts what became of them.
//! - `shelf` is the folder with dossiers and with the bytes of blocks in flight.
//!
//! What is done at a step is known from the ledger or from the dossier, so a daemon that is killed
//! between any two of them goes on there when it starts again.

mod case;
mod course;
pub mod dossier;
mod found;
mod number;
mod pursuer;
mod resume;
mod rounds;
mod shelf;
mod tally;
mod watch;

pub use found::Found;
pub use pursuer::{Pursuer, Settings};
pub use resume::Estate;
pub use tally::Tally;
