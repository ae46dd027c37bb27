//! TCP keepalive: the kernel probes idle connections, and closes one whose peer confirms no bytes. sqlx has no setting for
//! this, so the connections are found among this process's sockets, by the port of the peer. Each statement has a deadline
//! besides.

use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::net::{SocketType, getpeername, sockopt};

/// An idle connection is probed after this, three times.
const IDLE_FOR: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(3);
const PROBES: u32 = 3;
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
    sockopt::set_tcp_keepintvl(socket, PROBE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
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
