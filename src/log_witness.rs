//! What other logs ask of this installation as their witness, on the operator's listener: C2SP tlog-witness. Both prefixes of the
//! protocol are `/log` here. Where WITNESS_LOGS is not set, none of it is there.
//!
//! - `POST /log/add-checkpoint`: a checkpoint is checked and signed.
//! - `GET /log/<origin hash>/checkpoint`: the last one that was signed.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use eventlog::clock::Clock;
use eventlog::{Database, Outage};
use transparency::{LogWitness, Refusal, WitnessSettings, add_checkpoint};

/// How soon it begins again where its key cannot be read.
const AGAIN: Duration = Duration::from_secs(5);
const SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");

/// The witness, which is there once the database is.
#[derive(Clone)]
pub(crate) struct Witnessing {
    witness: Arc<OnceLock<LogWitness>>,
    outage: Arc<Mutex<Outage>>,
}

impl Witnessing {
    /// One that answers 503 so far.
    pub(crate) fn new() -> Self {
        let outage = Outage::new(
            "checkpoints of other logs cannot be signed for now",
            "checkpoints of other logs are signed again",
        );
        Self { witness: Arc::default(), outage: Arc::new(Mutex::new(outage)) }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/log/add-checkpoint", post(add))
            .route("/log/{origin_hash}/checkpoint", get(checkpoint))
            .layer(DefaultBodyLimit::max(add_checkpoint::LONGEST))
            .with_state(self)
    }

    /// Makes it ready, and does no more.
    pub(crate) async fn begin(self, db: Database, clock: Clock, settings: WitnessSettings) -> Infallible {
        let mut outage = Outage::new(
            "this installation cannot sign checkpoints of other logs for now",
            "this installation can sign checkpoints of other logs",
        );
        let open = || LogWitness::open(&db, &clock, settings.clone());
        let witness = outage.retry_until_ok(AGAIN, open).await;
        tracing::info!(witness.key = %witness.key(), "this installation is a witness of other logs");
        self.witness.get_or_init(|| witness);
        pending().await
    }

    fn works(&self) {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).over();
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) -> Response {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).failed(error);
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

async fn add(State(witnessing): State<Witnessing>, body: String) -> Response {
    let Some(witness) = witnessing.witness.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the witness is not ready\n").into_response();
    };
    let refusal = match witness.add_checkpoint(&body).await {
        Ok(signature) => {
            witnessing.works();
            return signature.into_response();
        }
        Err(refusal) => refusal,
    };
    let status = match refusal {
        Refusal::Database(_) | Refusal::Disk(_) => return witnessing.failed(&refusal),
        Refusal::OtherSize(size) => {
            return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, SIZE)], format!("{size}\n"))
                .into_response();
        }
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::UnknownLog => StatusCode::NOT_FOUND,
        Refusal::NotSigned => StatusCode::FORBIDDEN,
        Refusal::NotConsistent => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, format!("{refusal}\n")).into_response()
}

async fn checkpoint(State(witnessing): State<Witnessing>, Path(origin_hash): Path<String>) -> Response {
    let Some(witness) = witnessing.witness.get() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match witness.checkpoint(&origin_hash).await {
        Ok(Some(note)) => note.into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => witnessing.failed(&error),
    }
}
