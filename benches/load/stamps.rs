//! When bytes arrived, as the kernel stamps them.
//!
//! A miner in the field does not share his machine with attackers. Here the generator does, and would often be
//! late to notice what has arrived: that delay is its own and no server's, so it is not measured.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Has the kernel stamp what arrives from now on.
pub fn turn_on(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

/// Reads what has arrived, and when the last of it did.
pub fn read(socket: &impl AsRawFd, bytes: &mut [u8]) -> io::Result<(usize, Instant)> {
    let mut space = nix::cmsg_space!(TimeSpec);
    let mut slices = [IoSliceMut::new(bytes)];
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::empty())?;
    let now = (Instant::now(), SystemTime::now());
    let stamp = got.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(SystemTime::UNIX_EPOCH + Duration::from(stamp)),
        _ => None,
    });
    let age = stamp.and_then(|stamp| now.1.duration_since(stamp).ok()).unwrap_or_default();
    Ok((got.bytes, now.0.checked_sub(age).unwrap_or(now.0)))
}
