//! What the status is measured beside, each in a process of its own: an axum handler that always says the same (the
//! limit: nothing can be served faster this way), and one that queries PostgreSQL each time.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::process::raise_open_files;

/// As many connections as the product's pool has.
const POOL: u32 = 16;

/// Which peer this process is. The bench starts them.
#[derive(Clone, Debug, Subcommand)]
pub enum Peer {
    /// Always the same body.
    #[command(hide = true)]
    Static {
        /// The body, as long as the answer that it stands for.
        body: String,
    },
    /// An answer that never comes.
    #[command(hide = true)]
    Held,
    /// One point select a request, in the database that DATABASE_URL names.
    #[command(hide = true)]
    PointSelect,
}

/// A peer that runs; dropping it ends it.
pub struct Running {
    pub addr: SocketAddr,
    pub pid: u32,
    _process: Child,
}

impl Peer {
    /// Starts it as a process.
    pub async fn start(&self, database_url: Option<&SecretString>) -> Result<Running> {
        let mut command = Command::new(std::env::current_exe()?);
        match self {
            Self::Static { body } => command.args(["static", body]),
            Self::Held => command.arg("held"),
            Self::PointSelect => command.arg("point-select"),
        };
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url.expose_secret());
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = process.stdout.take().context("a pipe")?;
        let line = BufReader::new(stdout).lines().next_line().await?.context("the peer has ended")?;
        let pid = process.id().context("the peer has ended")?;
        Ok(Running { addr: line.parse()?, pid, _process: process })
    }

    /// Serves, until killed; says where in the first line.
    pub async fn serve(self) -> Result<()> {
        raise_open_files()?;
        let routes = match self {
            Self::Static { body } => same(body),
            Self::Held => Router::new().route("/qr-auth-status", get(std::future::pending::<String>)),
            Self::PointSelect => point_select(&std::env::var("DATABASE_URL")?).await?,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, routes).await.context("the peer's listener ended")
    }
}

fn same(body: String) -> Router {
    let body = Bytes::from(body);
    Router::new().route("/qr-auth-status", get(move || async move { answer(body.clone()) }))
}

async fn point_select(url: &str) -> Result<Router> {
    let pool = PgPoolOptions::new().max_connections(POOL).connect(url).await?;
    Ok(Router::new().route("/qr-auth-status", get(select)).with_state(Arc::new(pool)))
}

#[derive(Deserialize)]
struct Asked {
    session_id: String,
}

async fn select(
    State(pool): State<Arc<PgPool>>,
    Query(asked): Query<Asked>,
) -> Result<impl IntoResponse, StatusCode> {
    let row = sqlx::query_scalar::<_, String>(
        "select json_build_object('status', status, 'expires', deadline_at, 'version', version)::text
           from login_status where login_id = $1",
    )
    .bind(&asked.session_id)
    .fetch_optional(&*pool)
    .await;
    let body = row.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.ok_or(StatusCode::NOT_FOUND)?;
    Ok(answer(body.into()))
}

/// With the headers that the product's answers carry.
fn answer(body: Bytes) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body)
}
