//! Leases and input signals of the attempts of one process, against a real PostgreSQL.

use std::time::Duration;

use domain::AccountId;
use eventlog::testing::TestDatabase;
use futures::FutureExt;
use uuid::Uuid;
use vault::{InputKind, random_login_id};

use super::*;

/// Long enough to outlast any test.
const LONG: Duration = Duration::from_secs(3600);
/// Over before the next statement.
const OVER: Duration = Duration::ZERO;
/// No step takes this long.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Two attempts of one holder.
struct Two {
    db: TestDatabase,
    vault: Vault,
    held: Arc<HeldAttempts>,
    one: Fence,
    other: Fence,
}

impl Two {
    async fn held_by(holder: &str, ttl: Duration) -> Self {
        let db = eventlog::testing::database().await;
        let vault = Vault::new(&db.db);
        let mut fences: Vec<Fence> = Vec::new();
        for _ in 0..2 {
            vault.open_attempt(&random_login_id(), 1, AccountId(Uuid::new_v4())).await.unwrap();
            let claimed = vault.claim_attempts(holder, ttl, 1).await.unwrap().remove(0);
            // The next claim would take an attempt whose lease has ended.
            vault.renew(&[claimed.fence.epoch], LONG).await.unwrap();
            fences.push(claimed.fence);
        }
        vault.renew(&[fences[0].epoch, fences[1].epoch], ttl).await.unwrap();
        let (other, one) = (fences.remove(1), fences.remove(0));
        Self { db, vault, held: Arc::default(), one, other }
    }

    /// Waits for something while the leases are renewed.
    async fn while_renewed<T>(&self, happens: impl Future<Output = T>) -> T {
        tokio::select! {
            () = self.held.renew(&self.vault) => unreachable!("it never ends"),
            happened = timeout(TIMEOUT, happens) => happened.expect("it happens"),
        }
    }

    async fn give_input(&self, of: &Fence) {
        assert!(self.vault.store_input(&of.login_id, of.attempt, InputKind::Code, b"sealed").await.unwrap());
    }
}

#[tokio::test]
async fn a_lease_that_was_not_renewed_in_time_is_lost_before_the_database_says_so() {
    let held = Arc::new(HeldAttempts::default());
    let fence = |epoch| Fence { login_id: random_login_id(), attempt: 1, epoch };
    let now = Instant::now();
    let (old, young) = (held.hold(&fence(7), now - LEASE_TTL), held.hold(&fence(8), now));

    // Even while the attempt is closing: what it would delete may be another worker's by now.
    timeout(TIMEOUT, old.lost(&AtomicBool::new(true))).await.expect("it is lost");

    assert!(young.lost(&AtomicBool::new(false)).now_or_never().is_none());
}

#[tokio::test]
async fn a_lease_that_passed_to_another_worker_is_lost_and_the_others_stay() {
    let two = Two::held_by("a", OVER).await;
    let now = Instant::now();
    let (one, other) = (two.held.hold(&two.one, now), two.held.hold(&two.other, now));
    let taken = two.vault.claim_attempts("b", LONG, 1).await.unwrap().remove(0);
    assert_eq!(taken.fence.login_id, two.one.login_id, "the oldest first");

    let not_closing = AtomicBool::new(false);
    two.while_renewed(one.lost(&not_closing)).await;

    assert!(other.lost(&not_closing).now_or_never().is_none());
    assert!(*other.renewed.borrow() > now, "it was renewed");
    assert!(two.vault.claim_attempts("c", LONG, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_lease_of_a_task_that_broke_off_is_not_renewed_with_the_others() {
    let two = Two::held_by("a", OVER).await;
    let now = Instant::now();
    let (one, mut other) = (two.held.hold(&two.one, now), two.held.hold(&two.other, now));
    drop(one);

    two.while_renewed(async { other.renewed.changed().await.expect("it is held") }).await;

    let free = two.vault.claim_attempts("b", LONG, 10).await.unwrap();
    assert_eq!(free.iter().map(|claim| &claim.fence.login_id).collect::<Vec<_>>(), [&two.one.login_id]);
}

/// 1. A process stands still for longer than a lease.  2. It claims its attempt again, before the task that has lost it knows.
#[tokio::test]
async fn an_attempt_that_a_process_claims_again_waits_until_its_own_task_before_has_ended() {
    let two = Two::held_by("a", OVER).await;
    let before = two.held.hold(&two.one, Instant::now());
    let again = two.vault.claim_attempts("a", LONG, 1).await.unwrap().remove(0);
    assert_eq!(again.fence.login_id, two.one.login_id);
    assert!(again.taken_over && !again.holder_frozen, "with its key");
    let (now, other) =
        (two.held.hold(&again.fence, Instant::now()), two.held.hold(&two.other, Instant::now()));

    assert!(other.wait_until_alone().now_or_never().is_some(), "another login's");
    let mut alone = std::pin::pin!(now.wait_until_alone());
    assert!(alone.as_mut().now_or_never().is_none());
    // Also after the renewal that tells that the lease is lost.
    two.while_renewed(before.lost(&AtomicBool::new(false))).await;
    assert!(alone.as_mut().now_or_never().is_none());
    drop(before);
    timeout(TIMEOUT, alone).await.expect("no other task works on it");
}

#[tokio::test]
async fn an_attempt_that_its_own_worker_closes_is_not_lost() {
    let two = Two::held_by("a", OVER).await;
    let now = Instant::now();
    let (one, other) = (two.held.hold(&two.one, now), two.held.hold(&two.other, now));
    // Of two that are gone at the same renewal, the worker of one has deleted it itself.
    two.vault.close_attempt(&two.one).await.unwrap();
    two.vault.claim_attempts("b", LONG, 1).await.unwrap();

    two.while_renewed(other.lost(&AtomicBool::new(false))).await;

    assert!(one.lost(&AtomicBool::new(true)).now_or_never().is_none());
    assert!(one.lost(&AtomicBool::new(false)).now_or_never().is_some(), "it is gone");
}

#[tokio::test]
async fn input_in_a_page_is_signalled_to_its_own_login_alone() {
    let two = Two::held_by("a", LONG).await;
    let now = Instant::now();
    let (one, other) = (two.held.hold(&two.one, now), two.held.hold(&two.other, now));
    let (mut one, mut other) = (one.input_signal(), other.input_signal());
    assert!(one.is_raised() && other.is_raised(), "something may have been given before");
    let wake = two.db.db.wake().clone();

    let given = async {
        two.give_input(&two.one).await;
        one.raised().await;
        assert!(one.is_raised() && !other.is_raised());
        two.vault.take_inputs(&two.one).await.unwrap();
        two.give_input(&two.other).await;
        other.raised().await;
        assert!(other.is_raised());
    };
    tokio::select! {
        () = two.held.signal_input(&wake, &two.vault, "a") => unreachable!("it never ends"),
        given = timeout(TIMEOUT, given) => given.expect("they are signalled"),
    }
}

#[tokio::test]
async fn a_lost_lease_gets_no_signal() {
    let held = Arc::new(HeldAttempts::default());
    let fence = Fence { login_id: random_login_id(), attempt: 1, epoch: 7 };
    let hold = held.hold(&fence, Instant::now());
    let mut input_signal = hold.input_signal();

    drop(hold);

    assert!(!input_signal.is_raised());
    assert!(input_signal.raised().now_or_never().is_none());
}
