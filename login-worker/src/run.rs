//! One attempt, from its claim to its end, for as long as its lease holds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use domain::LoginStatus;
use eventlog::database::is_transient;
use eventlog::{DatabaseError, Throttle};
use vault::Claimed;

use super::attempt::Attempt;
use super::finish;
use super::held_attempts::{HeldAttempt, InputSignal};
use super::login_progress::LoginFollower;
use super::record::AttemptRecord;
use super::step::Accepted;
use super::stop::Stop;
use super::workers::LoginWorkers;

/// While the database is away, so many logins are told as one.
static STANDS_STILL: Throttle = Throttle::new(Duration::from_secs(60));
static LEFT: Throttle = Throttle::new(Duration::from_secs(60));
static BROKE_OFF: Throttle = Throttle::new(Duration::from_secs(60));

/// Runs an attempt for as long as its lease holds.
pub async fn run_while_held(
    workers: Arc<LoginWorkers>,
    follower: LoginFollower,
    hold: HeldAttempt,
    claimed: Claimed,
) {
    let closing = Arc::new(AtomicBool::new(false));
    let (vault, fence) = (workers.vault.clone(), claimed.fence.clone());
    let run = async {
        if claimed.taken_over {
            hold.wait_until_alone().await;
        }
        run_attempt(workers, follower, hold.input_signal(), claimed, closing.clone()).await
    };
    tokio::select! {
        biased;
        () = hold.lost(&closing) => {
            // Where the database is away, this is so for every login.
            if STANDS_STILL.is_due() {
                tracing::warn!("QR logins stand still, since their leases could not be renewed in time");
            } else {
                tracing::debug!("QR login stands still, since its lease could not be renewed in time");
            }
        }
        stopped = run => match stopped {
            Ok(()) => {}
            Err(Stop::OutOfReach) => {
                hold.leave_to_others();
                // The connection is closed by now. Where this fails, the lease runs out.
                if let Err(error) = vault.release_attempt(&fence).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the lease of a QR login runs out");
                }
                if LEFT.is_due() {
                    tracing::warn!("QR logins are left to another process: this one cannot reach Telegram");
                } else {
                    tracing::debug!("QR login is left to another process: this one cannot reach Telegram");
                }
            }
            Err(Stop::Failed(error)) => {
                let error = &*error as &(dyn std::error::Error + 'static);
                if !is_transient(error) {
                    tracing::error!(error, "QR login broke off; it is claimed anew");
                } else if BROKE_OFF.is_due() {
                    tracing::warn!(error, "QR logins broke off; they are claimed anew");
                } else {
                    tracing::debug!(error, "QR login broke off; it is claimed anew");
                }
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
    let (number, has_ended) = (claimed.fence.attempt, claimed.ended);
    let mut watch = follower.watch(&claimed.fence.login_id).await?;
    let start = watch.started(number).await;
    let person = person(&workers, &claimed).await?;
    let is_over = has_ended || start.is_over(number);
    let mut record = AttemptRecord::new(workers.clone(), claimed, watch.clone(), start, closing);
    let status = record.status_at_takeover().await?;
    if status == Some(LoginStatus::Authorized) {
        return finish::complete(&record).await;
    }
    // The saved session is read whatever happens from here on: a login that ends early has a key to log out, too.
    let mut attempt = Attempt::restore(&workers, record, status, input_signal).await?;
    let ended = if is_over {
        Err(Stop::Over)
    } else {
        let accepted = tokio::select! {
            biased;
            _ = watch.over(number) => Err(Stop::Over),
            accepted = begin(&mut attempt, &person) => accepted,
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
            attempt.record.fail(reason).await?;
            attempt.give_up().await
        }
        Err(stop) => Err(stop),
    }
}

async fn begin(attempt: &mut Attempt, person: &str) -> Result<Accepted, Stop> {
    if !attempt.record.is_taken_over() {
        tracing::info!("QR login asked for by {person}");
    }
    attempt.record.admit().await?;
    attempt.record.expire_if_late().await?;
    attempt.log_in().await
}

/// How the log names the person.
async fn person(workers: &LoginWorkers, claimed: &Claimed) -> Result<String, DatabaseError> {
    let subject = match workers.log_telegram_ids {
        true => workers.vault.subject(claimed.account_id).await?,
        false => None,
    };
    Ok(subject.map_or_else(|| claimed.account_id.to_string(), |subject| subject.telegram_id.to_string()))
}
