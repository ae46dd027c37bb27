//! A node: its sockets, who is let in, and what goes wrong on demand. Nodes of one cluster share their streams; the first
//! is the leader.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::transport::server::{Connected, Router};
use tonic::{Response, Status};

use crate::features::Features;
use crate::protocol::event_store::client::gossip::gossip_server::GossipServer;
use crate::protocol::event_store::client::server_features::server_features_server::ServerFeaturesServer;
use crate::protocol::event_store::client::streams::streams_server::StreamsServer;
use crate::rules::{Deleted, Expected, Outcome, Recorded, Streams};
use crate::streams::tell;

/// How many bytes the real server takes in one append by default.
const MOST_APPEND_BYTES: usize = 1_048_576;

/// A fault of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before anything is taken.
    CutBefore,
    /// The events are taken, and the connection breaks before the answer.
    CutAfter,
    /// The events are taken, the connection stays open, and no answer comes.
    NeverAnswer,
    /// No answer comes, and the events are taken only as the next append arrives, before it.
    TakeLate,
    /// The server says that it is not ready.
    Refuse,
}

/// The settings of a node.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The required user and password; None lets all clients in.
    pub login: Option<(String, String)>,
    /// The largest append; None for that of the real server.
    pub most_append_bytes: Option<usize>,
    /// Whether it speaks TLS, by a certificate of its own making for `localhost`.
    pub tls: bool,
}

/// A running node. A cheap clone.
#[derive(Clone, Debug)]
pub struct Node {
    cluster: Arc<Cluster>,
    address: SocketAddr,
    running: Arc<Mutex<Option<Running>>>,
}

#[derive(Debug)]
struct Cluster {
    settings: Settings,
    leader: SocketAddr,
    tls: Option<Tls>,
    streams: Mutex<Streams>,
    /// The faults of the next appends; None for an append without one.
    faults: Mutex<VecDeque<Option<Fault>>>,
    late: Mutex<Vec<(String, Expected, Vec<Recorded>)>>,
    /// How many appends arrived, those that met a fault among them.
    arrived: watch::Sender<usize>,
    /// Changes with every append.
    changed: watch::Sender<()>,
}

/// A certificate of its own making.
struct Tls {
    /// As PEM.
    certificate: String,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Running {
    tasks: [JoinHandle<()>; 2],
    connections: Connections,
}

/// A second handle of every connection's socket, by who is at its other end.
type Connections = Arc<Mutex<HashMap<SocketAddr, std::net::TcpStream>>>;

impl Node {
    /// A node on a port of its own.
    ///
    /// # Panics
    /// Without a port, or a certificate.
    pub async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let tls = settings.tls.then(Tls::new);
        let cluster = Cluster {
            settings,
            leader: address,
            tls,
            streams: Mutex::default(),
            faults: Mutex::default(),
            late: Mutex::default(),
            arrived: watch::Sender::new(0),
            changed: watch::Sender::new(()),
        };
        let node = Self { cluster: Arc::new(cluster), address, running: Arc::default() };
        node.serve(listener);
        node
    }

    /// Another node of this one's cluster, which takes no appends.
    ///
    /// # Panics
    /// Without a port.
    pub async fn follower(&self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let node = Self { cluster: self.cluster.clone(), address, running: Arc::default() };
        node.serve(listener);
        node
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the one listens that takes appends.
    pub fn leader(&self) -> SocketAddr {
        self.cluster.leader
    }

    /// The certificate that it shows, as PEM.
    pub fn certificate(&self) -> Option<&str> {
        self.cluster.tls.as_ref().map(|tls| tls.certificate.as_str())
    }

    /// Sets the faults of the next appends, one after the other; None for an append without one.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        locked(&self.cluster.faults).extend(faults);
    }

    /// Waits until so many appends have arrived, since the node started.
    pub async fn arrived(&self, appends: usize) {
        let mut arrived = self.cluster.arrived.subscribe();
        // The sender lives as long as this node.
        let _ = arrived.wait_for(|count| *count >= appends).await;
    }

    /// Waits until the streams are as wanted.
    pub async fn until(&self, wanted: impl Fn(&Streams) -> bool) {
        let mut changed = self.cluster.changed.subscribe();
        while !wanted(&self.streams()) {
            let _ = changed.changed().await;
        }
    }

    /// How many appends have arrived.
    pub fn appends(&self) -> usize {
        *self.cluster.arrived.borrow()
    }

    /// The streams, to read and to change.
    pub fn streams(&self) -> MutexGuard<'_, Streams> {
        locked(&self.cluster.streams)
    }

    /// Stops listening and breaks every connection.
    pub fn stop(&self) {
        if let Some(running) = locked(&self.running).take() {
            running.tasks.iter().for_each(JoinHandle::abort);
            for connection in locked(&running.connections).values() {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }

    /// Listens again, on the same port, with the same streams.
    ///
    /// # Panics
    /// Another process has taken the port.
    pub async fn start_again(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the port it had");
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let connections = Connections::default();
        let services = Server::builder()
            .add_service(ServerFeaturesServer::new(Features))
            .add_service(GossipServer::new(self.clone()))
            .add_service(StreamsServer::new(self.clone()));
        let tasks = match &self.cluster.tls {
            None => {
                let (sender, incoming) = mpsc::unbounded_channel();
                let pass_on = move |socket| drop(sender.send(Ok(socket)));
                [tokio::spawn(accept(listener, connections.clone(), pass_on)), answer(services, incoming)]
            }
            Some(Tls { acceptor, .. }) => {
                let ((sender, incoming), acceptor) = (mpsc::unbounded_channel(), acceptor.clone());
                let shake_hands = move |socket| {
                    let (sender, shaking) = (sender.clone(), acceptor.accept(socket));
                    tokio::spawn(async move {
                        if let Ok(connection) = shaking.await {
                            let _ = sender.send(Ok(connection));
                        }
                    });
                };
                [tokio::spawn(accept(listener, connections.clone(), shake_hands)), answer(services, incoming)]
            }
        };
        *locked(&self.running) = Some(Running { tasks, connections });
    }

    /// Checks user and password, and whether this node is the leader.
    pub(crate) fn admit(&self, request: &MetadataMap) -> Result<(), Status> {
        if let Some((user, password)) = &self.cluster.settings.login {
            let given = request.get("authorization").and_then(|it| it.to_str().ok());
            if given != Some(&format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))) {
                return Err(Status::unauthenticated("Invalid Credentials"));
            }
        }
        let wanted = request.get("requires-leader").is_some_and(|it| it == "true");
        if wanted && self.address != self.cluster.leader {
            let mut elsewhere = Status::not_found("Leader info available");
            tell(&mut elsewhere, "exception", "not-leader");
            tell(&mut elsewhere, "leader-endpoint-host", &self.cluster.leader.ip().to_string());
            tell(&mut elsewhere, "leader-endpoint-port", &self.cluster.leader.port().to_string());
            return Err(elsewhere);
        }
        Ok(())
    }

    /// Takes the fault for the append that has just arrived.
    pub(crate) fn met(&self) -> Option<Fault> {
        let fault = locked(&self.cluster.faults).pop_front().flatten();
        // Late events of the append before come now.
        let late: Vec<_> = locked(&self.cluster.late).drain(..).collect();
        for (stream, expected, events) in late {
            self.append(&stream, expected, events);
        }
        self.cluster.arrived.send_modify(|count| *count += 1);
        fault
    }

    pub(crate) fn append(&self, stream: &str, expected: Expected, events: Vec<Recorded>) -> Outcome {
        let outcome = self.streams().append(stream, expected, events);
        self.cluster.changed.send_replace(());
        outcome
    }

    pub(crate) fn read(&self, stream: &str) -> Result<Option<Vec<(u64, Recorded)>>, Deleted> {
        let streams = self.streams();
        let events = streams.read(stream)?;
        Ok(events.map(|events| events.into_iter().map(|(at, event)| (at, event.clone())).collect()))
    }

    pub(crate) fn keep_for_later(&self, stream: String, expected: Expected, events: Vec<Recorded>) {
        locked(&self.cluster.late).push((stream, expected, events));
    }

    pub(crate) fn most_append_bytes(&self) -> usize {
        self.cluster.settings.most_append_bytes.unwrap_or(MOST_APPEND_BYTES)
    }

    /// Breaks the connection; a waiting client gets no answer.
    pub(crate) async fn cut<T>(&self, connection: Option<SocketAddr>) -> Result<Response<T>, Status> {
        if let (Some(running), Some(peer)) = (&*locked(&self.running), connection)
            && let Some(socket) = locked(&running.connections).get(&peer)
        {
            let _ = socket.shutdown(Shutdown::Both);
        }
        std::future::pending().await
    }
}

impl Tls {
    /// Its cryptography is its own: it sets none for the process, in which a client may want to set another one.
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring knows")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .expect("a certificate of our own making");
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { certificate: cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// Answers on these connections.
fn answer<C>(services: Router, connections: mpsc::UnboundedReceiver<io::Result<C>>) -> JoinHandle<()>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ = services.serve_with_incoming(UnboundedReceiverStream::new(connections)).await;
    })
}

async fn accept(listener: TcpListener, connections: Connections, accepted: impl Fn(TcpStream)) {
    while let Ok((socket, peer)) = listener.accept().await {
        let doubled =
            socket.into_std().and_then(|socket| Ok((socket.try_clone()?, TcpStream::from_std(socket)?)));
        if let Ok((handle, socket)) = doubled {
            let _ = socket.set_nodelay(true);
            locked(&connections).insert(peer, handle);
            accepted(socket);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The standard alphabet, padded.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
