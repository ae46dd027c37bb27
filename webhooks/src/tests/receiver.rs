//! A receiver on loopback: it keeps what it got, and answers as it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// With this header.
    With(u16, &'static str, String),
    /// With so many bytes.
    Long(u16, usize),
    /// The connection is closed.
    HangUp,
}

type Answers = Box<dyn FnMut(&Received) -> Reply + Send>;

/// The receiver.
pub struct Receiver {
    pub addr: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Answers>>,
    task: JoinHandle<()>,
}

impl Received {
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body is JSON")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    pub fn person(&self) -> String {
        self.json()["data"]["account_id"].as_str().expect("a person").to_owned()
    }
}

impl Receiver {
    /// It answers 204.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("an address");
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let answers: Arc<Mutex<Answers>> = Arc::new(Mutex::new(Box::new(|_| Reply::Status(204))));
        let (kept, says) = (received.clone(), answers.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), says.clone()));
            }
        });
        Self { addr, received, answers, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// From now on it answers so.
    pub fn answers(&self, answers: impl FnMut(&Received) -> Reply + Send + 'static) {
        *self.answers.lock().expect("nobody panicked") = Box::new(answers);
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("nobody panicked").clone()
    }

    pub fn kinds(&self) -> Vec<String> {
        self.received().iter().map(Received::kind).collect()
    }

    pub fn forget(&self) {
        self.received.lock().expect("nobody panicked").clear();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, received: Arc<Mutex<Vec<Received>>>, answers: Arc<Mutex<Answers>>) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        let reply = (answers.lock().expect("nobody panicked"))(&request);
        received.lock().expect("nobody panicked").push(request);
        let answer = match reply {
            Reply::HangUp => return,
            Reply::Status(204) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Reply::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
            Reply::With(status, name, value) => {
                format!("HTTP/1.1 {status} X\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n")
            }
            Reply::Long(status, length) => {
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(length))
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { path, headers, body: String::from_utf8(body).ok()? })
}
