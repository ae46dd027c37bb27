//! The attempts that this process holds. One statement renews all their leases, and one query finds those whose page has given
//! something. So a thousand logins that only wait for a scan cost the database one commit a second, not a thousand.
//!
//! Two workers never use one key. A claim waits until the lease is over (5 s). A worker hangs up before that, by its own
//! clock. A process that lost its presence keeps its logins until then: a restart of PostgreSQL or of a pooler cuts the
//! connection of a process that lives. So the logins of a killed process stand still for up to 5 s. A scan in that time
//! is found by the worker that goes on with the key. A frozen process's key is known as its own until it is put aside. A
//! process that stood still, and whose logins nobody has taken, goes on with their keys once its own earlier tasks have
//! hung up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use eventlog::{Fence, Topic, Wake};
use metrics::{Gauge, gauge};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use vault::Vault;

/// How long a claim lasts without a renewal. No other worker takes an attempt sooner, whatever has happened to its holder. So the
/// logins of a process that was killed wait for as long as this.
pub const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often the vault is asked for input without a signal.
const POLL_INPUT_EVERY: Duration = Duration::from_secs(2);

/// The attempts that this process holds, by the epoch of the lease. Each claim has an epoch of its own.
#[derive(Default)]
pub struct HeldAttempts {
    tasks: Mutex<HashMap<i64, Task>>,
    /// Signals that a task has ended.
    released: Notify,
    /// Telegram is out of reach: attempts are left to other processes.
    out_of_reach: AtomicBool,
}

/// A task that works on an attempt.
struct Task {
    fence: Fence,
    /// None: the lease is lost, and the task may not know it yet.
    lease: Option<Lease>,
}

struct Lease {
    /// When the last successful renewal was sent.
    renewed: watch::Sender<Instant>,
    input_signal: watch::Sender<()>,
}

/// One held attempt, in the hands of its task. Dropping it releases the attempt.
pub struct HeldAttempt {
    held: Arc<HeldAttempts>,
    epoch: i64,
    renewed: watch::Receiver<Instant>,
    input_signal: watch::Receiver<()>,
}

/// Signals that the person gave something in the page of one login.
#[derive(Clone)]
pub struct InputSignal(watch::Receiver<()>);

impl HeldAttempts {
    /// Holds an attempt, and renews its lease from now on. It was claimed at `claimed_at`, or a moment later.
    pub fn hold(self: &Arc<Self>, fence: &Fence, claimed_at: Instant) -> HeldAttempt {
        let (renewed, renewals) = watch::channel(claimed_at);
        let (input_signal, mut signals) = watch::channel(());
        // Input that was given before this is still in the vault.
        signals.mark_changed();
        let task = Task { fence: fence.clone(), lease: Some(Lease { renewed, input_signal }) };
        self.tasks().insert(fence.epoch, task);
        held_in_all().increment(1.0);
        HeldAttempt { held: self.clone(), epoch: fence.epoch, renewed: renewals, input_signal: signals }
    }

    /// Whether attempts are left to other processes, because this one cannot reach Telegram.
    pub fn is_out_of_reach(&self) -> bool {
        self.out_of_reach.load(Ordering::Relaxed)
    }

    /// Telegram can be reached again, or there is nobody else.
    pub fn claim_again(&self) {
        self.out_of_reach.store(false, Ordering::Relaxed);
    }

    /// Renews the leases, for ever. A lease whose task is gone is not renewed: it runs out, and the attempt is claimed anew.
    pub async fn renew(&self, vault: &Vault) {
        held_in_all().increment(0.0);
        loop {
            sleep(RENEW_EVERY).await;
            let epochs: Vec<i64> = self
                .tasks()
                .iter()
                .filter(|(_, task)| task.lease.is_some())
                .map(|(epoch, _)| *epoch)
                .collect();
            if epochs.is_empty() {
                continue;
            }
            let sent_at = Instant::now();
            // After a failure, the database may be back before the leases end.
            let Ok(Ok(renewed)) = timeout(LEASE_TTL, vault.renew(&epochs, LEASE_TTL)).await else { continue };
            let mut tasks = self.tasks();
            for epoch in epochs {
                let Some(task) = tasks.get_mut(&epoch) else { continue };
                match (renewed.get(&epoch), &task.lease) {
                    (None, _) => task.lease = None,
                    (Some(true), Some(lease)) => drop(lease.renewed.send_replace(sent_at)),
                    // A write for the attempt held its row: the lease is renewed the next time.
                    (Some(_), _) => {}
                }
            }
        }
    }

    /// Signals input to the attempts of `holder` whose pages have given something, for ever.
    pub async fn signal_input(&self, wake: &Wake, vault: &Vault, holder: &str) {
        let mut given = wake.subscribe(Topic::UserInput);
        loop {
            given.wait(POLL_INPUT_EVERY).await;
            // After a failure, the next query follows soon.
            let Ok(epochs) = vault.attempts_with_input(holder).await else { continue };
            let tasks = self.tasks();
            let leases = epochs.iter().filter_map(|epoch| tasks.get(epoch)?.lease.as_ref());
            leases.for_each(|lease| lease.input_signal.send_replace(()));
        }
    }

    fn has_another_task_of_the_attempt(&self, epoch: i64) -> bool {
        let tasks = self.tasks();
        let Some(own) = tasks.get(&epoch).map(|task| &task.fence) else { return false };
        let is_same = |other: &Fence| (&other.login_id, other.attempt) == (&own.login_id, own.attempt);
        tasks.values().any(|task| task.fence.epoch != epoch && is_same(&task.fence))
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<i64, Task>> {
        self.tasks.lock().expect("nothing panics while it holds the tasks")
    }
}

/// In this process, for the metrics.
fn held_in_all() -> Gauge {
    gauge!("qrlogin_login_attempts_held")
}

impl HeldAttempt {
    /// Returns once no other task of this process works on the attempt. After a process stood still for a while, a task that has
    /// lost its lease may not know it yet.
    pub async fn wait_until_alone(&self) {
        loop {
            let released = self.held.released.notified();
            if !self.held.has_another_task_of_the_attempt(self.epoch) {
                return;
            }
            released.await;
        }
    }

    /// Returns once the lease is lost, or may be: a lease that was not renewed in time does not count any more. A lease that its
    /// own worker gives up, because it is `closing` the attempt, is not lost.
    pub async fn lost(&self, closing: &AtomicBool) {
        let mut renewed = self.renewed.clone();
        loop {
            let ends_at = *renewed.borrow_and_update() + LEASE_TTL;
            tokio::select! {
                () = sleep_until(ends_at) => return,
                changed = renewed.changed() => match changed {
                    Ok(()) => {}
                    Err(_) if closing.load(Ordering::Relaxed) => return std::future::pending().await,
                    Err(_) => return,
                }
            }
        }
    }

    /// This process claims no attempt, not even this one, until it reaches Telegram again.
    pub fn leave_to_others(&self) {
        self.held.out_of_reach.store(true, Ordering::Relaxed);
    }

    /// The signal of input for this attempt.
    pub fn input_signal(&self) -> InputSignal {
        InputSignal(self.input_signal.clone())
    }
}

impl Drop for HeldAttempt {
    fn drop(&mut self) {
        self.held.tasks().remove(&self.epoch);
        held_in_all().decrement(1.0);
        self.held.released.notify_waiters();
    }
}

impl InputSignal {
    /// Whether there was a signal since the last call.
    pub fn is_raised(&mut self) -> bool {
        // The sender is gone once the lease is lost: nothing is to be taken under it.
        let is_raised = self.0.has_changed().unwrap_or(false);
        if is_raised {
            self.0.mark_unchanged();
        }
        is_raised
    }

    /// Returns at the next signal, or at once if there was one since [`Self::is_raised`].
    pub async fn raised(&mut self) {
        let is_raised = self.0.clone().changed().await.is_ok();
        // A signal whose lease was lost since does not count either.
        if !is_raised || self.0.has_changed().is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
