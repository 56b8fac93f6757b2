//! Doors for programs on this machine: one line in, one answer out.
//!
//! | file | job |
//! | --- | --- |
//! | `socket` | accepts, reads a line and answers it, within bounds; knows nothing of what is said |
//! | `notify` | what may be said at `notify.sock`, and what NOMP's tools say |
//!
//! `notify.sock` is open to every user of the machine, because a coin daemon's `blocknotify` command runs
//! as that daemon's user: all that can be done there is to make the daemon look at its nodes. Whatever may
//! do more gets a socket of its own: [`super::control`].

mod notify;
pub mod socket;

pub use notify::{Notify, NotifyRequest, SOCKET_NAME};
