//! Who may mine: names, passwords, and the directory that remembers the answers.

pub mod cache;
pub mod difficulties;
pub mod directory;
pub mod known;
pub mod known_file;
pub mod lookup;
pub mod memory;
pub mod name;
pub mod seal;
pub mod source;
