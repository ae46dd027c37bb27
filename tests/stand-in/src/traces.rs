//! A collector of traces: OTLP over HTTP with protobuf, on a real socket. It keeps what it was sent.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost_of_traces::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running collector.
pub struct Collector {
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub url: String,
    received: Arc<Received>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Received {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<(HeaderMap, Vec<u8>)>>,
}

/// What it does with a request.
#[derive(Clone, Copy, Default)]
pub enum Answer {
    /// Keeps it.
    #[default]
    Takes,
    /// Refuses it.
    Status(u16),
    /// Keeps the connection, and says nothing.
    Never,
}

/// A span as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SentSpan {
    /// What was done.
    pub name: String,
    /// In hexadecimal digits, as the next two.
    pub trace_id: String,
    /// Its own.
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    /// In nanoseconds since 1970, as the next.
    pub began: u64,
    /// When it ended.
    pub ended: u64,
    /// What is known of it.
    pub attributes: BTreeMap<String, String>,
    /// The traces that it links to.
    pub links: Vec<String>,
    /// Whether its status is an error.
    pub is_failed: bool,
    /// The attributes of the process.
    pub resource: BTreeMap<String, String>,
}

impl Collector {
    /// One on a free port, which takes everything.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let received = Arc::<Received>::default();
        let routes = Router::new().route("/v1/traces", post(take)).with_state(received.clone());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Ok(Self { url, received, server })
    }

    /// What it does with requests from now on.
    pub fn answer_with(&self, answer: Answer) {
        *self.received.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// The bodies that it was sent, unpacked, with their headers.
    pub fn requests(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        self.received.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every span that it took.
    ///
    /// # Errors
    /// A body is not what the protocol says.
    pub fn spans(&self) -> Result<Vec<SentSpan>> {
        let mut spans = Vec::new();
        for (_, body) in self.requests() {
            for resource in ExportTraceServiceRequest::decode(&*body)?.resource_spans {
                let of_process = words(resource.resource.context("a resource")?.attributes);
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    spans.push(SentSpan {
                        name: span.name,
                        trace_id: hex::encode(span.trace_id),
                        id: hex::encode(span.span_id),
                        parent: hex::encode(span.parent_span_id),
                        began: span.start_time_unix_nano,
                        ended: span.end_time_unix_nano,
                        attributes: words(span.attributes),
                        links: span.links.into_iter().map(|link| hex::encode(link.trace_id)).collect(),
                        is_failed: span.status.is_some_and(|status| status.code == 2),
                        resource: of_process.clone(),
                    });
                }
            }
        }
        Ok(spans)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(received): State<Arc<Received>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let answer = *received.answer.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Answer::Takes => {}
        Answer::Status(status) => return StatusCode::from_u16(status).expect("a status"),
        Answer::Never => std::future::pending().await,
    }
    let body = match headers.get("content-encoding") {
        None => body.to_vec(),
        Some(_) => {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&*body).read_to_end(&mut unpacked).expect("gzip");
            unpacked
        }
    };
    received.requests.lock().unwrap_or_else(PoisonError::into_inner).push((headers, body));
    StatusCode::OK
}

fn words(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let word = |value: Option<AnyValue>| match value.and_then(|it| it.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|attribute| (attribute.key, word(attribute.value))).collect()
}
