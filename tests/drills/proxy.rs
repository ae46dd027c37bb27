//! A TCP proxy that can stop passing bytes. Its connections then stay open for ever, without data. New ones wait until it goes
//! on.
//!
//! The kernel still confirms keepalives and accepts bytes. So only deadlines of the client notice the outage.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub struct Proxy {
    pub addr: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Connections of an earlier generation pass nothing.
    time: u32,
    is_silent: bool,
}

impl Proxy {
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let state = watch::Sender::new(State::default());
        let seen = state.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target, seen.clone()));
            }
        });
        Ok(Self { addr, state, accepting })
    }

    pub fn silence(&self) {
        self.state.send_modify(|state| *state = State { time: state.time + 1, is_silent: true });
    }

    /// New connections pass again.
    pub fn go_on(&self) {
        self.state.send_modify(|state| state.is_silent = false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut client: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let Ok(time) = state.wait_for(|state| !state.is_silent).await.map(|state| state.time) else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    // A small message must not wait for the confirmation of the one before.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let is_silent = tokio::select! {
        biased;
        silent = state.wait_for(|state| state.time != time) => silent.is_ok(),
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
    };
    if is_silent {
        // Both ends stay open until the proxy is dropped.
        let _ = state.wait_for(|_| false).await;
    }
}
