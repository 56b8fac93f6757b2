//! Who may mine: names, passwords, and the directory that remembers the answers.

pub mod source;
