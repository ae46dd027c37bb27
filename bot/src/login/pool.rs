//! The workers: a task for each attempt that this process has claimed. A task stops at once, touching nothing, when its
//! lease ([`held`](super::held)) is lost.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use eventlog::{DatabaseError, Fence, Log, Outage, Topic};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::Instrument;
use vault::{Claimed, Presence, random_login_id};

use super::attempt::Attempt;
use super::held_attempts::{HeldAttempt, HeldAttempts, InputSignal, LEASE_TTL};
use super::login_progress::LoginFollower;
use super::retire;
use super::step::Accepted;
use super::stop::Stop;
use super::workers::LoginWorkers;

/// How often attempts are looked for without a signal.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many attempts one process runs at a time, each with a connection of its own; more of them wait for a process that
/// has room.
pub const AT_MOST: usize = 2_000;

/// Runs every attempt that can be claimed, for ever.
pub async fn run(workers: Arc<LoginWorkers>) {
    tracing::info!("QR login manager ready");
    let mut outage =
        Outage::new("The login workers wait for the database", "The login workers have the database again");
    // A holder that lost its presence may have lost its attempts: it goes on under a new name.
    let name = || random_login_id().to_string();
    let working = |holder: String| {
        let workers = workers.clone();
        async move { work(&workers, &holder).await }
    };
    Presence::keep(&workers.db, &mut outage, name, working).await;
}

/// Returns only where the log cannot be read, or was set back. Dropping the claims stops every attempt; their leases are over
/// soon, and they are claimed anew.
async fn work(workers: &Arc<LoginWorkers>, holder: &str) {
    let log = Log::new(&workers.db);
    let Ok(end) = log.end().await else { return sleep(LOOK_EVERY).await };
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
        () = follower.follow(end) => {}
        _ = working => {}
    }
}

async fn claim(
    workers: &Arc<LoginWorkers>,
    follower: &LoginFollower,
    held: &Arc<HeldAttempts>,
    holder: &str,
) {
    let mut offered = workers.db.wake().subscribe(Topic::Attempts);
    // Dropping this stops every attempt.
    let mut tasks = JoinSet::new();
    let mut healthy = true;
    loop {
        let room = i64::try_from(AT_MOST - tasks.len()).expect("a few thousand");
        let asked = Instant::now();
        match workers.vault.claim_attempts(holder, LEASE_TTL, room).await {
            Ok(claims) => {
                healthy = true;
                for claimed in claims {
                    let hold = held.hold(&claimed.fence, asked);
                    let span = span(&claimed);
                    let run = run_while_held(workers.clone(), follower.clone(), hold, claimed);
                    tasks.spawn(run.instrument(span));
                }
            }
            Err(error) => {
                if std::mem::take(&mut healthy) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Login attempts cannot be claimed"
                    );
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

/// At the level of errors, so that the ids stand beside every line, whatever `RUST_LOG` says.
fn span(claimed: &Claimed) -> tracing::Span {
    let Fence { login_id, attempt, .. } = &claimed.fence;
    tracing::error_span!("login", login.id = login_id.short(), attempt, account.id = %claimed.account_id)
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
async fn run_while_held(
    workers: Arc<LoginWorkers>,
    follower: LoginFollower,
    hold: HeldAttempt,
    claimed: Claimed,
) {
    let closing = Arc::new(AtomicBool::new(false));
    let run = async {
        if claimed.taken_over {
            hold.alone().await;
        }
        run_attempt(workers, follower, hold.input_signal(), claimed, closing.clone()).await
    };
    tokio::select! {
        biased;
        () = hold.lost(&closing) => {
            tracing::warn!("QR login stands still, since its lease could not be renewed in time");
        }
        stopped = run => match stopped {
            Ok(()) => {}
            Err(Stop::Failed(error)) => {
                tracing::error!(error = &*error as &dyn std::error::Error, "QR login broke off; it is claimed anew");
            }
            Err(_) => tracing::warn!("QR login has passed to another worker"),
        },
    }
}

/// An attempt from its claim to its end.
async fn run_attempt(
    workers: Arc<LoginWorkers>,
    follower: LoginFollower,
    input_signal: InputSignal,
    claimed: Claimed,
    closing: Arc<AtomicBool>,
) -> Result<(), Stop> {
    let number = claimed.fence.attempt;
    let mut watch = follower.watch(&claimed.fence.login_id).await?;
    let start = watch.started(number).await;
    let person = person(&workers, &claimed).await?;
    let is_over = claimed.ended || start.is_over(number);
    let mut attempt = Attempt::new(workers, claimed, watch.clone(), input_signal, start, person);
    attempt.closing = closing;
    if attempt.take_over().await? {
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
        Err(Stop::Over) => attempt.give_up().await,
        Err(Stop::Fail(reason)) => {
            attempt.fail(reason).await?;
            attempt.give_up().await
        }
        Err(stop) => Err(stop),
    }
}

async fn begin(attempt: &mut Attempt, resumed: bool) -> Result<Accepted, Stop> {
    if !attempt.claimed.taken_over {
        tracing::info!("QR login asked for by {}", attempt.person);
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
