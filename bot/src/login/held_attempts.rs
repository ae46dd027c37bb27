//! The attempts that this process holds: one statement renews all their leases, and one look tells whose page has given
//! something. So a thousand logins that only wait for a scan cost the database a commit a second, not a thousand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use eventlog::{Fence, Topic, Wake};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use vault::Vault;

/// How long a claim holds without being renewed. Nobody takes an attempt sooner, whatever has become of its holder: so
/// this is also how long the logins of a process that was killed stand still.
pub const LEASE_TTL: Duration = Duration::from_secs(5);
/// How often leases are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often wishes are looked for without a signal.
const LOOK_FOR_WISHES_EVERY: Duration = Duration::from_secs(2);

/// All of them, by the epoch of the lease: each is one holder's, once.
#[derive(Default)]
pub struct HeldAttempts {
    tasks: Mutex<HashMap<i64, Task>>,
    let_go: Notify,
}

/// Who works on an attempt.
struct Task {
    fence: Fence,
    /// None: it is lost, which the task may not know yet.
    lease: Option<Lease>,
}

struct Lease {
    /// When a renewal that succeeded was asked for.
    renewed: watch::Sender<Instant>,
    input_signal: watch::Sender<()>,
}

/// One of them, in the hands of its task; dropping it lets go.
pub struct HeldAttempt {
    held: Arc<HeldAttempts>,
    epoch: i64,
    renewed: watch::Receiver<Instant>,
    input_signal: watch::Receiver<()>,
}

/// Rings when somebody gave something in the page of one login.
#[derive(Clone)]
pub struct InputSignal(watch::Receiver<()>);

impl HeldAttempts {
    /// From now on this attempt is kept; it was claimed at `asked`, or a moment later.
    pub fn hold(self: &Arc<Self>, fence: &Fence, asked: Instant) -> HeldAttempt {
        let (renewed, renewals) = watch::channel(asked);
        let (input_signal, mut rings) = watch::channel(());
        // Whatever was given before somebody listened is still there.
        rings.mark_changed();
        let task = Task { fence: fence.clone(), lease: Some(Lease { renewed, input_signal }) };
        self.tasks().insert(fence.epoch, task);
        HeldAttempt { held: self.clone(), epoch: fence.epoch, renewed: renewals, input_signal: rings }
    }

    /// Renews them, for ever. A lease whose task is gone is not among them: it runs out, and the attempt is claimed anew.
    pub async fn renew(&self, vault: &Vault) {
        loop {
            sleep(RENEW_EVERY).await;
            let before: Vec<i64> = self
                .tasks()
                .iter()
                .filter(|(_, task)| task.lease.is_some())
                .map(|(epoch, _)| *epoch)
                .collect();
            if before.is_empty() {
                continue;
            }
            let asked = Instant::now();
            // Where this fails, the database may be back before the leases are over.
            let Ok(Ok(kept)) = timeout(LEASE_TTL, vault.renew(&before, LEASE_TTL)).await else { continue };
            let mut tasks = self.tasks();
            for epoch in before {
                let Some(task) = tasks.get_mut(&epoch) else { continue };
                match (kept.get(&epoch), &task.lease) {
                    (None, _) => task.lease = None,
                    (Some(true), Some(lease)) => drop(lease.renewed.send_replace(asked)),
                    // Somebody was just writing for it: it is renewed the next time.
                    (Some(_), _) => {}
                }
            }
        }
    }

    /// Rings the bells of the attempts of `holder` whose pages have given something, for ever.
    pub async fn signal_input(&self, wake: &Wake, vault: &Vault, holder: &str) {
        let mut given = wake.subscribe(Topic::UserInput);
        loop {
            given.wait(LOOK_FOR_WISHES_EVERY).await;
            // Where this fails, they are looked for again soon.
            let Ok(wished) = vault.attempts_with_input(holder).await else { continue };
            let tasks = self.tasks();
            let leases = wished.iter().filter_map(|epoch| tasks.get(epoch)?.lease.as_ref());
            leases.for_each(|lease| lease.input_signal.send_replace(()));
        }
    }

    fn is_another_at_the_attempt_of(&self, epoch: i64) -> bool {
        let tasks = self.tasks();
        let Some(own) = tasks.get(&epoch).map(|task| &task.fence) else { return false };
        let is_same = |other: &Fence| (&other.login_id, other.attempt) == (&own.login_id, own.attempt);
        tasks.values().any(|task| task.fence.epoch != epoch && is_same(&task.fence))
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<i64, Task>> {
        self.tasks.lock().expect("nothing panics while it holds the tasks")
    }
}

impl HeldAttempt {
    /// Returns once no other task of this process is at the attempt: where nothing moved for a while, one that has lost its
    /// lease may not know of it yet.
    pub async fn alone(&self) {
        loop {
            let let_go = self.held.let_go.notified();
            if !self.held.is_another_at_the_attempt_of(self.epoch) {
                return;
            }
            let_go.await;
        }
    }

    /// Returns once the lease is lost, or may be: whoever could not renew it in time does not hold it. One that its own
    /// worker gives up, because it is `closing` the attempt, is not lost.
    pub async fn lost(&self, closing: &AtomicBool) {
        let mut renewed = self.renewed.clone();
        loop {
            let over_at = *renewed.borrow_and_update() + LEASE_TTL;
            tokio::select! {
                () = sleep_until(over_at) => return,
                again = renewed.changed() => match again {
                    Ok(()) => {}
                    Err(_) if closing.load(Ordering::Relaxed) => return std::future::pending().await,
                    Err(_) => return,
                }
            }
        }
    }

    /// What rings for this attempt.
    pub fn input_signal(&self) -> InputSignal {
        InputSignal(self.input_signal.clone())
    }
}

impl Drop for HeldAttempt {
    fn drop(&mut self) {
        self.held.tasks().remove(&self.epoch);
        self.held.let_go.notify_waiters();
    }
}

impl InputSignal {
    /// Whether it has rung since the last time that this was asked.
    pub fn is_raised(&mut self) -> bool {
        // A bell whose other end is gone is that of a lost lease: nothing is to be taken under it.
        let rung = self.0.has_changed().unwrap_or(false);
        if rung {
            self.0.mark_unchanged();
        }
        rung
    }

    /// Returns once it rings, also where it has rung since [`Self::is_raised`].
    pub async fn raised(&mut self) {
        let rung = self.0.clone().changed().await.is_ok();
        // One that rang, and whose lease was lost since, has nothing to say either.
        if !rung || self.0.has_changed().is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
