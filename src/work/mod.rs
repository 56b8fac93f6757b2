//! From template to judged share: pure functions and values.

pub mod template;
