//! The pair in which the miners' sockets wait between two lives of the daemon. Each message holds the number of its
//! first socket and some sockets, so that what is taken out can be held against what was put in.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Sockets in a message; the kernel takes 253.
const MESSAGE_SOCKETS: usize = 250;

/// The two ends.
#[derive(Debug)]
pub struct Pair {
    /// Where sockets are put in.
    pub inlet: OwnedFd,
    /// Where they are taken out.
    pub outlet: OwnedFd,
}

/// Puts sockets into a new pair, and says how many there was room for.
///
/// # Errors
/// The system gives no pair.
pub fn queue(sockets: &[OwnedFd]) -> io::Result<(Pair, usize)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (inlet, outlet) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let mut queued = 0;
    for some in sockets.chunks(MESSAGE_SOCKETS) {
        let number = u32::try_from(queued).unwrap_or(u32::MAX).to_le_bytes();
        let borrowed: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            break;
        }
        if let Err(problem) = sendmsg(&inlet, &[IoSlice::new(&number)], &mut control, SendFlags::empty()) {
            tracing::warn!(%problem, queued, of = sockets.len(), "the system lets no more connections wait for the restart");
            break;
        }
        queued += some.len();
    }
    Ok((Pair { inlet, outlet }, queued))
}

/// Takes out what is in a pair, at most so many sockets.
///
/// # Errors
/// Something else is in it than was put in.
pub fn take(outlet: &OwnedFd, most: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    while sockets.len() < most {
        let mut number = [0; 4];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let got = match recvmsg(outlet, &mut [IoSliceMut::new(&mut number)], &mut control, flags) {
            Ok(got) => got,
            Err(rustix::io::Errno::AGAIN) => break,
            Err(problem) => return Err(problem.into()),
        };
        if got.bytes == 0 {
            break;
        }
        let expected = u32::try_from(sockets.len()).unwrap_or(u32::MAX).to_le_bytes();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                sockets.extend(rights);
            }
        }
        if number != expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "sockets are missing"));
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_come_out_as_they_were_put_in() {
        let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).unwrap().st_ino;
        let make = |_| OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let sockets: Vec<OwnedFd> = (0..2 * MESSAGE_SOCKETS + 3).map(make).collect();
        let (pair, queued) = queue(&sockets).unwrap();
        assert_eq!(queued, sockets.len());
        let taken = take(&pair.outlet, usize::MAX).unwrap();
        assert!(taken.iter().map(inode).eq(sockets.iter().map(inode)));
        assert!(take(&pair.outlet, usize::MAX).unwrap().is_empty());
    }
}
