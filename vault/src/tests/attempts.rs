//! Attempts, their leases, live tokens and requests.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{LONG, OVER, claim, claimed, eventually, somebody, vault};
use crate::presence::Presence;
use crate::{InputKind, MasterKey, RetireReason, VaultError, random_login_id};
use eventlog::store::Fence;
use eventlog::testing::TestDatabase;

fn fenced<T: std::fmt::Debug>(answer: Result<T, VaultError>) -> bool {
    matches!(answer, Err(VaultError::Fenced))
}

#[tokio::test]
async fn an_open_attempt_is_claimed_once() {
    let (_database, vault) = vault().await;
    let (login, account) = (random_login_id(), somebody());
    vault.open_attempt(&login, 2, account).await.unwrap();

    let first = claim(&vault, "a", LONG).await;

    assert_eq!((first.fence.login_id, first.fence.attempt, first.account_id), (login, 2, account));
    assert!(!first.ended && !first.taken_over && !first.holder_frozen && first.sealed_session.is_none());
    assert!(vault.claim_attempts("b", LONG, 10).await.unwrap().is_empty(), "another worker's");
    assert!(vault.claim_attempts("a", LONG, 10).await.unwrap().is_empty(), "its own, and live");
}

#[tokio::test]
async fn opening_an_attempt_twice_changes_nothing() {
    let (_database, vault) = vault().await;
    let (login, first) = claimed(&vault, "a", LONG).await;

    vault.open_attempt(&login, 1, somebody()).await.unwrap();

    assert!(vault.claim_attempts("b", LONG, 10).await.unwrap().is_empty());
    assert_eq!(
        vault.renew(&[first.fence.epoch], LONG).await.unwrap(),
        HashMap::from([(first.fence.epoch, true)])
    );
}

#[tokio::test]
async fn eight_holders_at_once_never_claim_the_same_attempt() {
    let (_database, vault) = vault().await;
    for _ in 0..120 {
        vault.open_attempt(&random_login_id(), 1, somebody()).await.unwrap();
    }

    let everybody = join_all((0..8).map(|holder| {
        let vault = vault.clone();
        tokio::spawn(async move {
            let mut claims: Vec<Fence> = Vec::new();
            loop {
                let some = vault.claim_attempts(&format!("holder {holder}"), LONG, 3).await.unwrap();
                if some.is_empty() {
                    return claims;
                }
                claims.extend(some.into_iter().map(|claim| claim.fence));
            }
        })
    }))
    .await;

    let claims: Vec<Fence> = everybody.into_iter().flat_map(Result::unwrap).collect();
    let attempts: HashSet<_> = claims.iter().map(|fence| fence.login_id.clone()).collect();
    let epochs: HashSet<_> = claims.iter().map(|fence| fence.epoch).collect();
    assert_eq!((claims.len(), attempts.len(), epochs.len()), (120, 120, 120));
}

#[tokio::test]
async fn a_lease_that_is_over_is_taken_over_with_the_saved_session() {
    let (_database, vault) = vault().await;
    let (_, first) = claimed(&vault, "a", OVER).await;
    vault.save_attempt_session(&first.fence, b"sealed").await.unwrap();

    let second = claim(&vault, "b", LONG).await;

    assert!(second.taken_over);
    assert!(second.fence.epoch > first.fence.epoch);
    assert_eq!(second.sealed_session.as_deref(), Some(&b"sealed"[..]));
}

/// 1. A claims, and freezes.  2. Its lease ends; B claims.  3. A wakes, and tries everything that it could.
#[tokio::test]
async fn a_frozen_worker_can_write_nothing() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    let b = claim(&vault, "b", LONG).await;
    vault.save_attempt_session(&b.fence, b"of b").await.unwrap();
    vault.put_token(&b.fence, b"of b", Timestamp::MAX).await.unwrap();
    vault.store_input(&login, 1, InputKind::Code, b"for b").await.unwrap();

    assert!(vault.renew(&[a.fence.epoch], LONG).await.unwrap().is_empty());
    assert!(fenced(vault.save_attempt_session(&a.fence, b"of a").await));
    assert!(fenced(vault.put_token(&a.fence, b"of a", Timestamp::MAX).await));
    assert!(fenced(vault.take_inputs(&a.fence).await));
    assert!(fenced(vault.retire(&a.fence, RetireReason::LoginEnded).await));
    assert!(fenced(vault.close_attempt(&a.fence).await));

    assert_eq!(vault.token(&login).await.unwrap().unwrap().token.expose_secret(), b"of b");
    assert_eq!(vault.take_inputs(&b.fence).await.unwrap()[0].body, b"for b");
    assert_eq!(vault.renew(&[b.fence.epoch], OVER).await.unwrap(), HashMap::from([(b.fence.epoch, true)]));
    assert_eq!(claim(&vault, "c", LONG).await.sealed_session.as_deref(), Some(&b"of b"[..]));
}

#[tokio::test]
async fn a_closed_attempt_that_is_opened_again_is_not_its_old_workers() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    let b = claim(&vault, "b", LONG).await;
    vault.close_attempt(&b.fence).await.unwrap();
    vault.open_attempt(&login, 1, somebody()).await.unwrap();
    let c = claim(&vault, "c", LONG).await;

    assert!(c.fence.epoch > b.fence.epoch);
    assert!(fenced(vault.close_attempt(&a.fence).await));
    assert!(fenced(vault.close_attempt(&b.fence).await));
}

#[tokio::test]
async fn an_attempt_whose_login_has_ended_is_claimed_to_log_its_key_out() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    vault.save_attempt_session(&a.fence, b"sealed").await.unwrap();

    vault.end_attempt(&login, 1).await.unwrap();

    let b = claim(&vault, "b", LONG).await;
    assert!(b.ended && b.sealed_session.is_some());
    vault.close_attempt(&b.fence).await.unwrap();
    assert!(vault.claim_attempts("c", LONG, 10).await.unwrap().is_empty(), "closed is gone");
}

/// 1. A's presence ends: its process has died, or only its connection was cut.  2. It may still speak with the key: nobody
/// takes the attempt.  3. Its lease is over: B takes it, with the key.
#[tokio::test]
async fn what_was_held_by_one_who_is_not_seen_any_more_is_free_once_the_lease_is_over() {
    let (database, vault) = vault().await;
    let process = Presence::announce(&database.db, "a").await.unwrap();
    let (_, a) = claimed(&vault, "a", LONG).await;

    drop(process);
    eventually(|| async { nobody_is_present(&database).await.then_some(()) }).await;
    assert!(vault.claim_attempts("b", LONG, 10).await.unwrap().is_empty(), "it may speak on");

    vault.renew(&[a.fence.epoch], OVER).await.unwrap();
    let b = claim(&vault, "b", LONG).await;
    assert!(b.taken_over && !b.holder_frozen);
}

async fn nobody_is_present(database: &TestDatabase) -> bool {
    let absent = sqlx::query_scalar("select not exists (select from vault.present())");
    absent.fetch_one(database.db.pool()).await.unwrap()
}

#[tokio::test]
async fn one_statement_renews_all_leases_that_are_named_and_waits_for_nobody() {
    let (database, vault) = vault().await;
    let (login, written_for) = claimed(&vault, "a", OVER).await;
    let mut writer = database.db.begin("begin").await.unwrap();
    sqlx::query("select from vault.attempts where login_id = $1 for share")
        .bind(login.as_str())
        .execute(&mut *writer)
        .await
        .unwrap();
    let (_, free) = claimed(&vault, "a", LONG).await;
    let (_, broken_off) = claimed(&vault, "a", OVER).await;

    let renewed = vault.renew(&[written_for.fence.epoch, free.fence.epoch], LONG).await.unwrap();

    let expected = HashMap::from([(written_for.fence.epoch, false), (free.fence.epoch, true)]);
    assert_eq!(renewed, expected, "both are held still");
    writer.rollback().await.unwrap();
    let claims = vault.claim_attempts("b", LONG, 10).await.unwrap();
    let left = [&login, &broken_off.fence.login_id];
    assert_eq!(
        claims.iter().map(|claim| &claim.fence.login_id).collect::<Vec<_>>(),
        left,
        "those that were not renewed"
    );
}

#[tokio::test]
async fn what_a_process_has_lost_to_nobody_is_its_own_again() {
    let (database, vault) = vault().await;
    let _a = Presence::announce(&database.db, "a").await.unwrap();
    let (_, lost) = claimed(&vault, "a", OVER).await;

    let again = claim(&vault, "a", OVER).await;
    assert!(again.taken_over && !again.holder_frozen && again.fence.epoch > lost.fence.epoch);

    assert!(claim(&vault, "b", LONG).await.holder_frozen, "to another it is one that may wake up");
}

/// 1. A freezes.  2. B claims, and dies before it has put A's key aside.  3. C must not use the key: A may wake up.
#[tokio::test]
async fn the_key_of_a_frozen_process_is_known_as_such_also_after_a_claimer_that_died() {
    let (database, vault) = vault().await;
    let _frozen = Presence::announce(&database.db, "a").await.unwrap();
    let (_, a) = claimed(&vault, "a", OVER).await;
    let of_a = MasterKey::random().seal(b"", b"of a");
    vault.save_attempt_session(&a.fence, &of_a).await.unwrap();
    let dies = Presence::announce(&database.db, "b").await.unwrap();
    assert!(claim(&vault, "b", OVER).await.holder_frozen);
    drop(dies);
    eventually(|| async { (present(&database).await == 1).then_some(()) }).await;

    let c = claim(&vault, "c", OVER).await;
    assert!(c.holder_frozen, "the key is still that of a");

    vault.retire(&c.fence, RetireReason::HolderFrozen).await.unwrap();
    vault.save_attempt_session(&c.fence, b"of c").await.unwrap();
    let d = claim(&vault, "d", LONG).await;
    assert!(!d.holder_frozen, "c is dead, and a has nothing to do with its key");
    assert_eq!(d.sealed_session.as_deref(), Some(&b"of c"[..]));
}

async fn present(database: &TestDatabase) -> i64 {
    let present = sqlx::query_scalar("select count(*) from vault.present()");
    present.fetch_one(database.db.pool()).await.unwrap()
}

#[tokio::test]
async fn a_frozen_process_is_told_from_a_dead_one() {
    let (database, vault) = vault().await;
    let _frozen = Presence::announce(&database.db, "a").await.unwrap();
    claimed(&vault, "a", OVER).await;

    assert!(claim(&vault, "b", LONG).await.holder_frozen);
}

#[tokio::test]
async fn what_a_process_leaves_to_others_is_taken_at_once_and_with_its_key() {
    let (database, vault) = vault().await;
    let _alive = Presence::announce(&database.db, "a").await.unwrap();
    let (_, a) = claimed(&vault, "a", LONG).await;
    vault.save_attempt_session(&a.fence, b"of a").await.unwrap();
    vault.release_attempt(&a.fence).await.unwrap();

    let b = claim(&vault, "b", LONG).await;
    assert!(b.taken_over && !b.holder_frozen, "a has closed its connection");
    assert_eq!(b.sealed_session.as_deref(), Some(&b"of a"[..]));
    assert!(fenced(vault.release_attempt(&a.fence).await));
}

/// 1. A freezes.  2. B claims, and leaves the attempt to others before it has put A's key aside.
#[tokio::test]
async fn the_key_of_a_frozen_process_is_known_as_such_also_after_a_claimer_that_left_it_to_others() {
    let (database, vault) = vault().await;
    let _frozen = Presence::announce(&database.db, "a").await.unwrap();
    let _alive = Presence::announce(&database.db, "b").await.unwrap();
    claimed(&vault, "a", OVER).await;
    let b = claim(&vault, "b", LONG).await;
    vault.release_attempt(&b.fence).await.unwrap();

    assert!(claim(&vault, "c", LONG).await.holder_frozen);
}

#[tokio::test]
async fn the_newest_token_of_a_login_is_the_live_one() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    let until: Timestamp = "2026-11-22T10:00:31Z".parse().unwrap();

    vault.put_token(&a.fence, b"first", Timestamp::UNIX_EPOCH).await.unwrap();
    vault.put_token(&a.fence, b"second", until).await.unwrap();

    let live = vault.token(&login).await.unwrap().unwrap();
    assert_eq!((live.attempt, live.token.expose_secret(), live.expires_at), (1, &b"second"[..], until));
    vault.drop_token(&a.fence).await.unwrap();
    assert!(vault.token(&login).await.unwrap().is_none());
}

#[tokio::test]
async fn an_attempt_that_ends_late_leaves_the_token_of_the_retry() {
    let (_database, vault) = vault().await;
    let (login, first) = claimed(&vault, "a", LONG).await;
    vault.put_token(&first.fence, b"first", Timestamp::MAX).await.unwrap();
    vault.open_attempt(&login, 2, first.account_id).await.unwrap();
    let second = claim(&vault, "b", LONG).await;
    vault.put_token(&second.fence, b"second", Timestamp::MAX).await.unwrap();

    assert!(fenced(vault.put_token(&first.fence, b"late", Timestamp::MAX).await));
    vault.drop_token(&first.fence).await.unwrap();

    assert_eq!(vault.token(&login).await.unwrap().unwrap().attempt, 2);
}

#[tokio::test]
async fn a_worker_that_has_lost_its_attempt_leaves_the_token_of_the_next() {
    let (_database, vault) = vault().await;
    let (login, first) = claimed(&vault, "a", OVER).await;
    let second = claim(&vault, "b", LONG).await;
    vault.put_token(&second.fence, b"second", Timestamp::MAX).await.unwrap();

    vault.drop_token(&first.fence).await.unwrap();

    assert!(vault.token(&login).await.unwrap().is_some());
    vault.drop_token(&second.fence).await.unwrap();
    assert!(vault.token(&login).await.unwrap().is_none());
}

#[tokio::test]
async fn closing_an_attempt_takes_its_token_and_requests_along() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.put_token(&a.fence, b"token", Timestamp::MAX).await.unwrap();
    vault.store_input(&login, 1, InputKind::Phone, b"sealed").await.unwrap();

    vault.close_attempt(&a.fence).await.unwrap();

    assert!(vault.token(&login).await.unwrap().is_none());
    vault.open_attempt(&login, 1, somebody()).await.unwrap();
    let b = claim(&vault, "b", LONG).await;
    assert!(vault.take_inputs(&b.fence).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_are_taken_once_and_in_order() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    assert!(vault.store_input(&login, 1, InputKind::Phone, b"1").await.unwrap());
    assert!(vault.store_input(&login, 1, InputKind::Code, b"2").await.unwrap());

    let taken = vault.take_inputs(&a.fence).await.unwrap();

    let taken: Vec<_> = taken.into_iter().map(|request| (request.kind, request.body)).collect();
    assert_eq!(taken, [(InputKind::Phone, b"1".to_vec()), (InputKind::Code, b"2".to_vec())]);
    assert!(vault.take_inputs(&a.fence).await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_can_be_asked_of_an_attempt_that_is_over() {
    let (_database, vault) = vault().await;
    let (login, _) = claimed(&vault, "a", LONG).await;
    vault.end_attempt(&login, 1).await.unwrap();

    assert!(!vault.store_input(&login, 1, InputKind::Code, b"late").await.unwrap());
    assert!(!vault.store_input(&login, 2, InputKind::Code, b"early").await.unwrap());
}

#[tokio::test]
async fn the_vault_knows_which_master_keys_it_needs() {
    let (_database, vault) = vault().await;
    let master = MasterKey::random();
    assert!(vault.sealed_with().await.unwrap().is_empty());

    let (_, a) = claimed(&vault, "a", LONG).await;
    vault.save_attempt_session(&a.fence, &master.seal(b"", b"session")).await.unwrap();

    assert_eq!(vault.sealed_with().await.unwrap(), [master.id()]);
}
