//! What the kernel does about a peer that is gone: it asks an idle connection whether it lives, and gives up one whose bytes
//! nobody confirms. sqlx has no setting for either, so the connections are found among this process's sockets, by the port
//! that they lead to. It is a second net: each statement has a deadline of its own.

use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::net::{SocketType, getpeername, sockopt};

/// An idle connection is asked after this, three times.
const IDLE_FOR: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_secs(3);
const ASK_TIMES: u32 = 3;
/// Bytes that are not confirmed by then end the connection.
const CONFIRMED_WITHIN_MS: u32 = 15_000;

/// Sets this for all connections to these ports.
pub(super) fn watch(ports: &[u16]) {
    if ports.is_empty() {
        return;
    }
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return };
    let descriptors = descriptors.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for socket in descriptors.filter_map(duplicate) {
        if leads_to(&socket, ports) && set(&socket).is_err() {
            tracing::debug!("a connection to the database goes without keepalive");
        }
    }
}

fn leads_to(socket: &OwnedFd, ports: &[u16]) -> bool {
    let peer = getpeername(socket).ok().flatten().and_then(|peer| SocketAddr::try_from(peer).ok());
    peer.is_some_and(|peer| ports.contains(&peer.port()))
        && sockopt::socket_type(socket) == Ok(SocketType::STREAM)
}

fn set(socket: &OwnedFd) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, IDLE_FOR)?;
    sockopt::set_tcp_keepintvl(socket, ASK_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, ASK_TIMES)?;
    sockopt::set_tcp_user_timeout(socket, CONFIRMED_WITHIN_MS)
}

/// A second descriptor of the same socket: the first may be closed by its owner at any moment.
fn duplicate(descriptor: RawFd) -> Option<OwnedFd> {
    #[expect(unsafe_code, reason = "a descriptor that we do not own can only be named by its number")]
    // SAFETY: the call takes numbers; what it answers is a descriptor of our own, or -1.
    unsafe {
        let own = libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0);
        (own >= 0).then(|| OwnedFd::from_raw_fd(own))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_to_the_port_is_watched_and_others_are_left_alone() {
        let [ours, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let to = |it: &TcpListener| TcpStream::connect(it.local_addr().unwrap()).unwrap();
        let (connection, stranger) = (to(&ours), to(&other));
        watch(&[ours.local_addr().unwrap().port()]);
        assert!(sockopt::socket_keepalive(&connection).unwrap());
        assert_eq!(sockopt::tcp_user_timeout(&connection).unwrap(), CONFIRMED_WITHIN_MS);
        assert!(!sockopt::socket_keepalive(&stranger).unwrap());
    }
}
