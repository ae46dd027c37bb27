//! The line that one process has to PostgreSQL or to Telegram. A test cuts it, mends it, and makes it slow.
//!
//! While it is cut, no byte passes and no connection is closed, as with a cable that was pulled. What was sent meanwhile arrives
//! when it is mended, as TCP repeats it: a statement may reach the database long after its sender gave it up. Or it is lost with
//! its connection, as behind a router that has forgotten it: so a message is not sent by two processes.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How many pieces of data are on their way in one direction.
const PIECES: usize = 256;
const PIECE_BYTES: usize = 16 * 1024;

/// Where a line ends.
#[derive(Clone, Debug)]
pub enum Target {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

/// What becomes of the bytes that were sent while a line was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    Arrives,
    /// Their connection is closed when the line is mended.
    IsLost,
}

pub struct Link {
    /// Where its beginning listens.
    pub addr: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    is_cut: bool,
    /// How long each piece is on its way.
    delay: Duration,
}

impl Link {
    pub async fn to(target: Target, late: Late) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let state = watch::Sender::new(State::default());
        let states = state.subscribe();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, target.clone(), late, states.clone()));
            }
        });
        Ok(Self { addr, state, accepting })
    }

    pub fn cut(&self) {
        self.state.send_modify(|state| state.is_cut = true);
    }

    pub fn mend(&self) {
        self.state.send_modify(|state| state.is_cut = false);
    }

    /// Every byte is on its way for this long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn join(client: TcpStream, target: Target, late: Late, mut states: watch::Receiver<State>) {
    if states.wait_for(|state| !state.is_cut).await.is_err() {
        return;
    }
    // A small message must not wait for the confirmation of the one before.
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    match target {
        Target::Tcp(addr) => {
            let Ok(server) = TcpStream::connect(addr).await else { return };
            let _ = server.set_nodelay(true);
            let (from_server, to_server) = server.into_split();
            let up = pass(from_client, to_server, late, states.clone());
            both(up, pass(from_server, to_client, late, states), late).await;
        }
        Target::Socket(path) => {
            let Ok(server) = UnixStream::connect(&path).await else { return };
            let (from_server, to_server) = server.into_split();
            let up = pass(from_client, to_server, late, states.clone());
            both(up, pass(from_server, to_client, late, states), late).await;
        }
    }
}

async fn both(up: impl Future<Output = ()>, down: impl Future<Output = ()>, late: Late) {
    match late {
        Late::Arrives => {
            tokio::join!(up, down);
        }
        // The end of one direction closes both.
        Late::IsLost => tokio::select! {
            () = up => {}
            () = down => {}
        },
    }
}

/// Passes one direction on, piece by piece, to its end.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    late: Late,
    mut states: watch::Receiver<State>,
) {
    let (sender, mut pieces) = mpsc::channel::<(Instant, Vec<u8>)>(PIECES);
    let delays = states.clone();
    let read = async move {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delays.borrow().delay;
            if sender.send((due, buffer[..read].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = pieces.recv().await {
            sleep_until(due).await;
            let was_cut = states.borrow().is_cut;
            if states.wait_for(|state| !state.is_cut).await.is_err()
                || (was_cut && late == Late::IsLost)
                || to.write_all(&piece).await.is_err()
            {
                return;
            }
        }
        if states.wait_for(|state| !state.is_cut).await.is_ok() {
            let _ = to.shutdown().await;
        }
    };
    tokio::pin!(write);
    tokio::select! {
        () = read => write.await,
        () = &mut write => {}
    }
}
