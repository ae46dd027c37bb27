//! The workers: a task for each attempt that this process has claimed. A task stops at once, and writes nothing more, when its
//! lease ([`held_attempts`](super::held_attempts)) is lost.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{Fence, Log, Outage, Topic};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;
use vault::{Claimed, Presence, processes};

use super::exchange;
use super::held_attempts::{HeldAttempts, LEASE_TTL};
use super::login_progress::LoginFollower;
use super::retire;
use super::run::run_while_held;
use super::session::LoginSession;
use super::workers::LoginWorkers;

/// How often the vault is asked for free attempts without a signal.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// While Telegram is out of reach: before it is tried again. Longer than a lease, so that others come first.
const OTHERS_CLAIM: Duration = Duration::from_secs(7);
/// How many attempts one process runs at a time, each with a connection of its own. The others wait for a process that has
/// room.
pub const MAX_ATTEMPTS: usize = 2_000;

/// Runs every attempt that can be claimed, for ever.
pub async fn run(workers: Arc<LoginWorkers>) {
    tracing::info!("QR login manager ready");
    let mut outage =
        Outage::new("The login workers wait for the database", "The login workers have the database again");
    // A holder that lost its presence may have lost its attempts: it goes on under a new name.
    let name = || Uuid::new_v4().to_string();
    let working = |holder: String| {
        let workers = workers.clone();
        async move { work(&workers, &holder).await }
    };
    Presence::keep(&workers.db, &mut outage, name, working).await;
}

/// Returns only where the log was set back. Dropping the claims stops every attempt; their leases end soon, and they are
/// claimed anew.
async fn work(workers: &Arc<LoginWorkers>, holder: &str) {
    let log = Log::new(&workers.db);
    let mut outage =
        Outage::new("The login workers cannot follow the log", "The login workers follow the log again");
    let end = outage.retry_until_ok(POLL_EVERY, || log.end()).await;
    let follower = LoginFollower::new(log);
    let held = Arc::new(HeldAttempts::default());
    let working = async {
        tokio::join!(
            claim(workers, &follower, &held, holder),
            held.renew(&workers.vault),
            held.signal_input(workers.db.wake(), &workers.vault, holder),
            retire::run(workers),
        )
    };
    tokio::select! {
        () = follower.follow(end, &mut outage) => {}
        _ = working => {}
    }
}

async fn claim(
    workers: &Arc<LoginWorkers>,
    follower: &LoginFollower,
    held: &Arc<HeldAttempts>,
    holder: &str,
) {
    let mut attempts_offered = workers.db.wake().subscribe(Topic::Attempts);
    // Dropping this stops every attempt.
    let mut tasks = JoinSet::new();
    let mut outage = Outage::new("Login attempts cannot be claimed", "Login attempts are claimed again");
    loop {
        if held.is_out_of_reach() {
            wait_for_telegram(workers, held).await;
        }
        let room = i64::try_from(MAX_ATTEMPTS - tasks.len()).expect("a few thousand");
        let claimed_at = Instant::now();
        match workers.vault.claim_attempts(holder, LEASE_TTL, room).await {
            Ok(claims) => {
                outage.over();
                for claimed in claims {
                    let hold = held.hold(&claimed.fence, claimed_at);
                    let span = span(&claimed);
                    let run = run_while_held(workers.clone(), follower.clone(), hold, claimed);
                    tasks.spawn(run.instrument(span));
                }
            }
            Err(error) => outage.failed(&error),
        }
        tokio::select! {
            () = attempts_offered.wait(POLL_EVERY) => {}
            Some(ended) = tasks.join_next() => report_panic(ended.err()),
        }
        while let Some(ended) = tasks.try_join_next() {
            report_panic(ended.err());
        }
    }
}

/// Leaves attempts to other processes until this one reaches Telegram again, or is the only one.
async fn wait_for_telegram(workers: &LoginWorkers, held: &HeldAttempts) {
    let session = LoginSession::new(&workers.telegram.network);
    loop {
        tokio::time::sleep(OTHERS_CLAIM).await;
        let is_reached = match session.address(session.home()) {
            // Telegram forgets a key that nobody uses.
            Some(address) => exchange::make_key(&workers.telegram.network, address).await.is_ok(),
            None => true,
        };
        if is_reached || !processes::others_run(&workers.db).await.unwrap_or(true) {
            held.claim_again();
            return tracing::info!("login attempts are claimed again");
        }
    }
}

/// At the level of errors, so that the ids stand beside every line, whatever `RUST_LOG` says.
fn span(claimed: &Claimed) -> tracing::Span {
    let Fence { login_id, attempt, .. } = &claimed.fence;
    tracing::error_span!("login", login.id = login_id.short(), attempt, account.id = %claimed.account_id)
}

fn report_panic(error: Option<JoinError>) {
    if let Some(error) = error.filter(JoinError::is_panic) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "A login attempt broke off; it is claimed anew"
        );
    }
}
