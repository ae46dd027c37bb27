//! Faults on demand: for the next calls, and of the whole connection.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a call meets instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 with this `retry_after`, in seconds. Nothing is done.
    TooManyRequests(u32),
    /// 500. Nothing is done.
    ServerError,
    /// The request is taken and never answered. Nothing is done.
    Hang,
    /// The request is carried out, and the connection breaks before the answer is there.
    LostAnswer,
    /// The request is carried out, and the answer waits for `BotApi::release_answers`.
    HeldAnswer,
    /// The request itself waits for `BotApi::release_answers`, as on a slow line, and is carried out then.
    HeldRequest,
}

/// Which calls meet a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The next one of this method (any case).
    Method(String),
    /// The next one that is not `getUpdates`, which is under way nearly always.
    Any,
}

impl From<&str> for Which {
    fn from(method: &str) -> Self {
        Self::Method(method.to_ascii_lowercase())
    }
}

/// The faults that wait for their call.
#[derive(Debug, Default)]
pub(super) struct Faults(VecDeque<(Which, Fault)>);

impl Faults {
    pub fn add(&mut self, which: Which, fault: Fault) {
        self.0.push_back((which, fault));
    }

    /// The fault that this call (in lower case) meets.
    pub fn take(&mut self, method: &str) -> Option<Fault> {
        let met = |which: &Which| match which {
            Which::Method(name) => name == method,
            Which::Any => method != "getupdates",
        };
        let at = self.0.iter().position(|(which, _)| met(which))?;
        self.0.remove(at).map(|(_, fault)| fault)
    }
}

/// A listener whose connections all break, and that takes no new one, while `cut` is true.
pub(super) struct Line {
    pub listener: TcpListener,
    pub cut: watch::Receiver<bool>,
}

impl Listener for Line {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if *self.cut.borrow() {
                continue;
            }
            // Answers are small and awaited: without this the kernel holds them back for 40 ms.
            let _ = stream.set_nodelay(true);
            let mut cut = self.cut.clone();
            let broken = Box::pin(async move {
                let _ = cut.wait_for(|cut| *cut).await;
            });
            return (Wire { stream, broken }, peer);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks when the line is cut.
pub(super) struct Wire {
    stream: TcpStream,
    broken: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.broken.as_mut().poll(context).is_ready() {
            // Polled to its end: put one in its place that can be polled again.
            self.broken = Box::pin(std::future::ready(()));
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
