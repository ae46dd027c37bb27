//! A witness over a real socket, which follows C2SP tlog-witness and tlog-cosignature by the letter. It shares no code with ours: notes and
//! proofs are checked by `signed_note` and `tlog_tiles`. A test may tell it to lie.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use signed_note::{StandardVerifier, VerifierList};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transparency::Witness;

/// What it does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    Honest,
    /// It signs another root than it was sent.
    OtherRoot,
    /// Another key signs under its name and id.
    OtherKey,
    /// The time in its signature is so many seconds from now.
    OtherTime(i64),
    /// It signs without a time.
    NoTime,
    /// It answers with this.
    Answer(u16, &'static str),
}

pub struct TestWitness {
    pub name: String,
    key: SigningKey,
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    name: String,
    key: SigningKey,
    inner: Mutex<Inner>,
    /// While it is false, requests wait.
    answers: watch::Sender<bool>,
}

struct Inner {
    logs: HashMap<String, String>,
    latest: HashMap<String, (u64, tlog_tiles::Hash)>,
    conduct: Conduct,
    requests: Vec<String>,
}

impl TestWitness {
    pub async fn start(name: &str, seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let inner = Inner {
            logs: HashMap::new(),
            latest: HashMap::new(),
            conduct: Conduct::Honest,
            requests: Vec::new(),
        };
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            key: key.clone(),
            inner: Mutex::new(inner),
            answers: watch::Sender::new(true),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        let task = serve(listener, &shared);
        Self { name: name.to_owned(), key, addr, shared, task }
    }

    /// As WITNESSES names it.
    pub fn as_set(&self) -> String {
        format!(
            "http://{}/some/prefix {}",
            self.addr,
            vkey(&self.name, 4, self.key.verifying_key().as_bytes())
        )
    }

    pub fn witness(&self) -> Witness {
        let witnesses: transparency::Witnesses = format!("1 of {}", self.as_set()).parse().expect("a policy");
        witnesses.all[0].clone()
    }

    /// Its operator trusts the log with this key.
    pub fn trust(&self, log_vkey: &str) {
        let origin = log_vkey.split('+').next().expect("a name").to_owned();
        self.inner(|inner| inner.logs.insert(origin, log_vkey.to_owned()));
    }

    pub fn behave(&self, conduct: Conduct) {
        self.inner(|inner| inner.conduct = conduct);
    }

    /// Its memory is what it is told here.
    pub fn remember(&self, origin: &str, latest: Option<(u64, [u8; 32])>) {
        self.inner(|inner| {
            inner.latest.remove(origin);
            let latest = latest.map(|(size, root)| (origin.to_owned(), (size, tlog_tiles::Hash(root))));
            inner.latest.extend(latest);
        });
    }

    pub fn size(&self, origin: &str) -> u64 {
        self.inner(|inner| inner.latest.get(origin).map_or(0, |(size, _)| *size))
    }

    /// The bodies that it was sent.
    pub fn requests(&self) -> Vec<String> {
        self.inner(|inner| inner.requests.clone())
    }

    /// Whether it answers, or lets everybody wait.
    pub fn answers(&self, answers: bool) {
        self.shared.answers.send_replace(answers);
    }

    /// Nobody listens there any more.
    pub async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// At the same address as before.
    pub async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.addr).await.expect("its port is free");
        self.task = serve(listener, &self.shared);
    }

    fn inner<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.shared.inner.lock().expect("no other test panicked"))
    }
}

impl Drop for TestWitness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A verifier key of C2SP signed-note.
pub fn vkey(name: &str, kind: u8, key: &[u8]) -> String {
    let material = [&[kind][..], key].concat();
    format!("{name}+{}+{}", hex::encode(key_id(name, &material)), STANDARD.encode(material))
}

fn key_id(name: &str, material: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest([name.as_bytes(), b"\n", material].concat());
    digest[..4].try_into().expect("four bytes")
}

fn serve(listener: TcpListener, shared: &Arc<Shared>) -> JoinHandle<()> {
    let routes =
        Router::new().route("/some/prefix/add-checkpoint", post(add_checkpoint)).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") })
}

async fn add_checkpoint(State(shared): State<Arc<Shared>>, body: String) -> Response {
    let mut answers = shared.answers.subscribe();
    let _ = answers.wait_for(|answers| *answers).await;
    let mut inner = shared.inner.lock().expect("no other test panicked");
    inner.requests.push(body.clone());
    if let Conduct::Answer(status, text) = inner.conduct {
        return (StatusCode::from_u16(status).expect("a status"), text).into_response();
    }
    match judge(&mut inner, &body) {
        Ok(text) => sign(&shared, inner.conduct, &text).into_response(),
        Err((409, size)) => {
            let size = format!("{}\n", size.unwrap_or_default());
            (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "text/x.tlog.size")], size).into_response()
        }
        Err((status, _)) => StatusCode::from_u16(status).expect("a status").into_response(),
    }
}

/// The text to sign; or the status, and the size with 409.
fn judge(inner: &mut Inner, body: &str) -> Result<String, (u16, Option<u64>)> {
    let bad = || (400, None);
    let (head, note) = body.split_once("\n\n").ok_or_else(bad)?;
    let mut lines = head.split('\n');
    let old_size: u64 =
        lines.next().and_then(|it| it.strip_prefix("old ")).ok_or_else(bad)?.parse().map_err(|_| bad())?;
    let proof: Vec<tlog_tiles::Hash> =
        lines.map(tlog_tiles::Hash::parse_hash).collect::<Result<_, _>>().map_err(|_| bad())?;
    if proof.len() > 63 {
        return Err(bad());
    }
    let note = signed_note::Note::from_bytes(note.as_bytes()).map_err(|_| bad())?;
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).map_err(|_| bad())?;
    let log = inner.logs.get(checkpoint.origin()).ok_or((404, None))?;
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(log).expect("a vkey"))]);
    note.verify(&known).map_err(|_| (403, None))?;
    if old_size > checkpoint.size() {
        return Err(bad());
    }
    let latest = inner.latest.get(checkpoint.origin()).copied();
    let (size, root) = latest.unwrap_or((0, tlog_tiles::Hash([0; 32])));
    if size != old_size {
        return Err((409, Some(size)));
    }
    let is_consistent = match old_size {
        0 => proof.is_empty(),
        _ => tlog_tiles::check_tree(&proof, checkpoint.size(), *checkpoint.hash(), size, root).is_ok(),
    };
    if !is_consistent {
        return Err((422, None));
    }
    inner.latest.insert(checkpoint.origin().to_owned(), (checkpoint.size(), *checkpoint.hash()));
    Ok(String::from_utf8(note.text().to_vec()).expect("a checkpoint is text"))
}

fn sign(shared: &Shared, conduct: Conduct, text: &str) -> String {
    let now = eventlog::Clock::system().now().as_second().unsigned_abs();
    let (mut text, mut key, mut time) = (text.to_owned(), shared.key.clone(), now);
    match conduct {
        Conduct::OtherRoot => {
            let mut lines: Vec<&str> = text.split('\n').collect();
            lines[2] = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
            text = lines.join("\n");
        }
        Conduct::OtherKey => key = SigningKey::from_bytes(&[99; 32]),
        Conduct::OtherTime(seconds) => time = now.saturating_add_signed(seconds),
        Conduct::NoTime => time = 0,
        Conduct::Honest | Conduct::Answer(..) => {}
    }
    let material = [&[4][..], shared.key.verifying_key().as_bytes()].concat();
    let mut blob = key_id(&shared.name, &material).to_vec();
    blob.extend(time.to_be_bytes());
    blob.extend(key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).to_bytes());
    // And one of a key that nobody knows, which is to be ignored.
    let other = STANDARD.encode([7; 76]);
    format!("\u{2014} other.example/w {other}\n\u{2014} {} {}\n", shared.name, STANDARD.encode(blob))
}
