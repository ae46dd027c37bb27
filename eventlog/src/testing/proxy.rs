//! A proxy between the service and a server, like a virtual address. It can stop passing bytes on, and leave every
//! connection open.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// A TCP proxy before a private cluster's socket. It ends with the test's runtime.
#[derive(Debug)]
pub struct Proxy {
    /// How the database is reached through it.
    pub url: SecretString,
    /// Where it listens.
    pub addr: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// Connections that were made before this many changes are silent.
    epoch: u32,
    /// So are new ones.
    away: bool,
}

impl Proxy {
    /// Before the server of this URL.
    ///
    /// # Panics
    /// The URL names no socket.
    pub async fn before(url: &SecretString) -> Self {
        let text = url.expose_secret();
        let part = |name: &str| {
            let mut parts = text.split(['?', '&']).filter_map(|part| part.strip_prefix(name));
            parts.next().expect("the URL of a private cluster").to_owned()
        };
        let socket = format!("{}/.s.PGSQL.5432", part("host="));
        let database = text.trim_start_matches("postgresql:///").split('?').next().unwrap_or_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("it is bound");
        let state = watch::Sender::new(State { epoch: 0, away: false });
        let url = format!("postgresql://{}@{addr}/{database}", part("user=")).into();
        let states = state.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                join(client, server, states.clone());
            }
        });
        Self { url, addr, state }
    }

    /// The server falls silent, and another one answers in its place: new connections are led there.
    pub fn moves(&self) {
        self.state.send_modify(|state| state.epoch += 1);
    }

    /// The server falls silent, and nobody answers.
    pub fn goes_away(&self) {
        self.state.send_modify(|state| *state = State { epoch: state.epoch + 1, away: true });
    }

    /// New connections are answered again.
    pub fn comes_back(&self) {
        self.state.send_modify(|state| state.away = false);
    }
}

fn join(client: TcpStream, server: UnixStream, states: watch::Receiver<State>) {
    let state = *states.borrow();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    if state.away {
        tokio::spawn(async move {
            let _open = (from_client, to_client, from_server, to_server);
            std::future::pending::<()>().await;
        });
        return;
    }
    tokio::spawn(pass(from_client, to_server, state.epoch, states.clone()));
    tokio::spawn(pass(from_server, to_client, state.epoch, states));
}

/// Passes bytes on until silence falls; then keeps both ends open, and nothing more.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    epoch: u32,
    mut states: watch::Receiver<State>,
) {
    let ended = tokio::select! {
        biased;
        Ok(_) = states.wait_for(|state| state.epoch != epoch) => false,
        _ = tokio::io::copy(&mut from, &mut to) => true,
    };
    if !ended {
        std::future::pending::<()>().await;
    }
}
