//! A loopback port that nobody else is given while a test has it. It is bound, and not listened on: whoever is told to listen
//! there can, again and again, and the system gives it to no other listener and to no connection that goes out. A port that was
//! only free a moment ago may be somebody's by then, where many tests run at a time.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// One port; dropping it gives it back.
pub struct Port {
    pub addr: SocketAddr,
    _bound: TcpSocket,
}

impl Port {
    pub fn reserve() -> std::io::Result<Self> {
        let bound = TcpSocket::new_v4()?;
        // As everybody who listens does: without it they would be refused.
        bound.set_reuseaddr(true)?;
        bound.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { addr: bound.local_addr()?, _bound: bound })
    }
}

#[tokio::test]
async fn a_reserved_port_is_listened_on_again_and_again_and_given_to_nobody_else() {
    let port = Port::reserve().unwrap();
    for _ in 0..2 {
        let listener = tokio::net::TcpListener::bind(port.addr).await.unwrap();
        let (client, served) = tokio::join!(tokio::net::TcpStream::connect(port.addr), listener.accept());
        client.unwrap();
        served.unwrap();
    }
    let without_reuse = TcpSocket::new_v4().unwrap();
    without_reuse.set_reuseaddr(false).unwrap();
    assert!(without_reuse.bind(port.addr).is_err());
}
