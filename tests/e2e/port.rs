//! A loopback port that stays reserved for a test. A socket is bound to it and does not listen, so a process that is given the
//! port can listen on it any number of times. The system gives it to no other listener and to no outgoing connection. A port
//! that was only free a moment ago may be taken when many tests run at once.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A reserved port. Dropping it frees the port.
pub struct Port {
    pub addr: SocketAddr,
    _bound: TcpSocket,
}

impl Port {
    pub fn reserve() -> std::io::Result<Self> {
        let bound = TcpSocket::new_v4()?;
        // Listeners set this option too. Without it here, the system would refuse them.
        bound.set_reuseaddr(true)?;
        bound.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { addr: bound.local_addr()?, _bound: bound })
    }
}

#[tokio::test]
async fn a_reserved_port_can_be_listened_on_again_and_is_given_to_no_other_socket() {
    // Another test may start a program at this moment: until that runs, it holds a copy of each socket, also of one that is closed here.
    async fn listen(addr: SocketAddr) -> tokio::net::TcpListener {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            match tokio::net::TcpListener::bind(addr).await {
                Ok(listener) => return listener,
                Err(error) => {
                    assert!(tokio::time::Instant::now() < until, "{error}");
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
            }
        }
    }

    let port = Port::reserve().unwrap();
    for _ in 0..2 {
        let listener = listen(port.addr).await;
        let (client, served) = tokio::join!(tokio::net::TcpStream::connect(port.addr), listener.accept());
        client.unwrap();
        served.unwrap();
    }
    let without_reuse = TcpSocket::new_v4().unwrap();
    without_reuse.set_reuseaddr(false).unwrap();
    assert!(without_reuse.bind(port.addr).is_err());
}
