//! What integration tests share.

pub mod mariadb;
