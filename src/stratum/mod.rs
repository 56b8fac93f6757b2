//! Stratum v1: lines and JSON on one side, judged shares on the other.
//!
//! [`session`] decides and does no I/O: lines, time and answers go in, bytes and effects come out.
//! [`connection`] puts a stream around it, [`listener`] accepts the sockets, [`arrival`] makes streams of
//! them with what [`wire`] knows of proxies and TLS, and [`guard`] says who may come in. What becomes of a
//! judged share is behind the [`desk`]. When the daemon stops, [`leaving`] has what goes over to its next life.

pub mod alarm;
pub mod arrival;
pub mod backlog;
pub mod codec;
pub mod connection;
pub mod context;
pub mod counters;
pub mod desk;
pub mod gate;
pub mod guard;
pub mod lanes;
pub mod leaving;
pub mod listener;
pub mod outgoing;
pub mod password;
pub mod reply;
pub mod request;
pub mod roster;
pub mod session;
pub mod standing;
pub mod stop;
pub mod update_block;
pub mod wire;
