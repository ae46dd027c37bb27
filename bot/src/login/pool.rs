//! The workers: a task for each attempt that this process has claimed. Every task renews its lease, and stops at once,
//! touching nothing, when the lease is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use projections::vault::{Claimed, random_login_id};
use projections::{DatabaseError, Fence, Log, Presence, Topic, Vault};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::LoginWorkers;
use super::attempt::{Attempt, Stop};
use super::retire;
use super::standing::Board;

/// How long a claim holds without being renewed. A process that dies takes its presence with it, and its attempts are
/// free at once; this is for one that hangs.
const LEASE_TTL: Duration = Duration::from_secs(6);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often attempts are looked for without a signal.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many attempts one process runs at a time; more of them wait for a process that has room.
const AT_MOST: usize = 500;

/// Runs every attempt that can be claimed, for ever.
pub async fn run(workers: Arc<LoginWorkers>) {
    tracing::info!("QR login manager ready");
    let mut healthy = true;
    loop {
        // A holder that lost its presence may have lost its attempts: it goes on under a new name.
        let holder = random_login_id().to_string();
        match Presence::announce(&workers.db, &holder).await {
            Ok(presence) => {
                healthy = true;
                tokio::select! {
                    () = presence.lost() => tracing::warn!("The login workers have lost the database, and begin anew"),
                    () = work(&workers, &holder) => {}
                }
            }
            Err(error) => {
                if std::mem::take(&mut healthy) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "The login workers wait for the database");
                }
                sleep(LOOK_EVERY).await;
            }
        }
    }
}

/// Returns only where the log cannot be read, or was set back. Dropping the claims stops every attempt; their leases are over
/// soon, and they are claimed anew.
async fn work(workers: &Arc<LoginWorkers>, holder: &str) {
    let log = Log::new(&workers.db);
    let Ok(end) = log.end().await else { return sleep(LOOK_EVERY).await };
    let board = Board::new(log);
    tokio::select! {
        () = board.follow(end) => {}
        ((), ()) = async { tokio::join!(claim(workers, &board, holder), retire::run(workers)) } => {}
    }
}

async fn claim(workers: &Arc<LoginWorkers>, board: &Board, holder: &str) {
    let mut offered = workers.db.wake().subscribe(Topic::Attempts);
    // Dropping this stops every attempt.
    let mut tasks = JoinSet::new();
    let mut healthy = true;
    loop {
        let room = i64::try_from(AT_MOST - tasks.len()).expect("a few hundred");
        match workers.vault.claim_attempts(holder, LEASE_TTL, room).await {
            Ok(claims) => {
                healthy = true;
                for claimed in claims {
                    tasks.spawn(hold(workers.clone(), board.clone(), claimed));
                }
            }
            Err(error) => {
                if std::mem::take(&mut healthy) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "Login attempts cannot be claimed");
                }
            }
        }
        tokio::select! {
            () = offered.wait(LOOK_EVERY) => {}
            Some(ended) = tasks.join_next() => report(ended.err()),
        }
        while let Some(ended) = tasks.try_join_next() {
            report(ended.err());
        }
    }
}

fn report(panicked: Option<tokio::task::JoinError>) {
    if let Some(error) = panicked.filter(tokio::task::JoinError::is_panic) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "A login attempt broke off; it is claimed anew"
        );
    }
}

/// Runs an attempt for as long as its lease holds.
async fn hold(workers: Arc<LoginWorkers>, board: Board, claimed: Claimed) {
    let (vault, fence) = (workers.vault.clone(), claimed.fence.clone());
    let login_id = fence.login_id.short();
    let closing = Arc::new(AtomicBool::new(false));
    tokio::select! {
        biased;
        () = lost(&vault, &fence, &closing) => {
            tracing::warn!(login.id = login_id, "QR login has passed to another worker");
        }
        stopped = run_attempt(workers, board, claimed, closing.clone()) => match stopped {
            Ok(()) => {}
            Err(Stop::Failed(error)) => {
                tracing::error!(login.id = login_id, error = &*error as &dyn std::error::Error, "QR login broke off; it is claimed anew");
            }
            Err(_) => tracing::warn!(login.id = login_id, "QR login has passed to another worker"),
        },
    }
}

/// Renews the lease; returns once it is lost, or may be: whoever could not renew it in time does not hold it. An attempt
/// that its own worker closes is not lost.
async fn lost(vault: &Vault, fence: &Fence, closing: &AtomicBool) {
    let mut renewed = Instant::now();
    while renewed.elapsed() < LEASE_TTL {
        sleep(RENEW_EVERY).await;
        let asked = Instant::now();
        let left = LEASE_TTL.saturating_sub(renewed.elapsed());
        match timeout(left, vault.renew(fence, LEASE_TTL)).await {
            Ok(Ok(true)) => renewed = asked,
            Ok(Ok(false)) if closing.load(Ordering::Relaxed) => return std::future::pending().await,
            Ok(Ok(false)) => return,
            // The database may be back before the lease is over.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// An attempt from its claim to its end.
async fn run_attempt(
    workers: Arc<LoginWorkers>,
    board: Board,
    claimed: Claimed,
    closing: Arc<AtomicBool>,
) -> Result<(), Stop> {
    let number = claimed.fence.attempt;
    let mut watch = board.watch(&claimed.fence.login_id).await?;
    let start = watch.started(number).await;
    let person = person(&workers, &claimed).await?;
    let is_linked = start.attempt == number && start.status == domain::LoginStatus::Authorized;
    let is_over = claimed.ended || start.is_over(number);
    let mut attempt = Attempt::new(workers, claimed, watch.clone(), start, person);
    attempt.closing = closing;
    if is_linked {
        return attempt.complete().await;
    }
    // Whatever happens from here on, what was saved is at hand: an end that comes early has a key to log out, too.
    let resumed = attempt.restore().await?;
    let ended = if is_over {
        Err(Stop::Over)
    } else {
        let accepted = tokio::select! {
            biased;
            _ = watch.over(number) => Err(Stop::Over),
            accepted = begin(&mut attempt, resumed) => accepted,
        };
        match accepted {
            Ok(accepted) => attempt.finish(accepted).await,
            Err(stop) => Err(stop),
        }
    };
    match ended {
        Ok(()) => Ok(()),
        Err(Stop::Over) => attempt.conclude().await,
        Err(Stop::Fail(reason)) => {
            attempt.fail(reason).await?;
            attempt.conclude().await
        }
        Err(stop) => Err(stop),
    }
}

async fn begin(attempt: &mut Attempt, resumed: bool) -> Result<super::flow::Accepted, Stop> {
    if !attempt.claimed.taken_over {
        let (login_id, person) = (attempt.login_id().short(), &attempt.person);
        tracing::info!(login.id = login_id, "QR login asked for by {person}");
    }
    attempt.admit().await?;
    attempt.in_time().await?;
    attempt.log_in(resumed).await
}

/// Whom a log line names.
async fn person(workers: &LoginWorkers, claimed: &Claimed) -> Result<String, DatabaseError> {
    let subject = match workers.log_telegram_ids {
        true => workers.vault.subject(claimed.account_id).await?,
        false => None,
    };
    Ok(subject.map_or_else(|| claimed.account_id.to_string(), |subject| subject.telegram_id.to_string()))
}
