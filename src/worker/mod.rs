//! Who may mine: names, passwords, and the directory that remembers the answers.

pub mod cache;
pub mod difficulties;
pub mod directory;
pub mod lookup;
pub mod name;
pub mod source;
