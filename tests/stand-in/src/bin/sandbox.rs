//! `sandbox`: the service against a stand-in Telegram on this machine, with a page on which one person plays all people.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use stand_in::accounts::ILYA;
use stand_in::clock::Clock;
use stand_in::sandbox::{DataDir, Sandbox};
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The service against a stand-in Telegram on this machine. Nothing leaves it, and nothing is kept.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port of the page on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The sandbox's own data directory, emptied at every start
    #[arg(long, default_value = "data/sandbox")]
    data_dir: PathBuf,
    /// Origin under which the browser sees the page, where that is not http://127.0.0.1:PORT (a forwarded port)
    #[arg(long)]
    page_origin: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<()> {
    ensure!(
        std::env::var_os("DATABASE_URL").is_none(),
        "DATABASE_URL is set: the sandbox uses a database of its own and touches no other; unset it"
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("port {} on 127.0.0.1 is taken; name another by --port", args.port))?;
    let origin = match args.page_origin {
        Some(origin) => loopback_origin(&origin)?,
        None => format!("http://{}", listener.local_addr()?),
    };
    let data_dir = DataDir::claim(&args.data_dir)?;
    let clock = Clock::system();
    let telegram = Telegram::start(Options { clock: clock.clone(), ..Options::default() }).await?;
    let settings = Settings::new(&telegram, data_dir.path(), Some(&origin))?
        .with("ADMIN_IDS", ILYA.to_string())
        // A person who ends the session on the phone wants to see that the service notices.
        .with("SESSION_CHECK_INTERVAL", "5s");
    let service = Service::new(settings);
    let sandbox = Sandbox::new(telegram, service.clone(), clock, origin.clone());
    let router = sandbox.router();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let mut terminated = signal(SignalKind::terminate())?;
    let outcome = tokio::select! {
        outcome = run(&sandbox, &service, &origin) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminated.recv() => Ok(()),
    };
    service.stop().await;
    outcome
}

/// Brings the service up, says where, and waits.
async fn run(sandbox: &Sandbox, service: &Service, origin: &str) -> Result<()> {
    sandbox.log_phones_in().await;
    service.start()?;
    service.wait_until_running().await?;
    sandbox.make_invite().await?;
    println!("SANDBOX  open {origin}/  (Ctrl-C ends it)");
    std::future::pending().await
}

/// The private network's page may be a loopback origin alone.
fn loopback_origin(origin: &str) -> Result<String> {
    let origin = origin.trim_end_matches('/');
    let authority = origin.strip_prefix("http://").unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let loopback = host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || authority.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    ensure!(loopback, "--page-origin must be http://127.0.0.1:PORT or http://localhost:PORT, not {origin}");
    Ok(origin.to_owned())
}
