//! Linked sessions and retired keys.

use domain::{AccountId, LoginId};

use super::{LONG, OVER, claim, claimed, vault};
use crate::{Borrowed, Linked, RetireReason, Taken, Vault, VaultError, random_login_id};
use eventlog::store::Fence;

fn session(account_id: AccountId, login_id: &LoginId) -> Linked {
    Linked { account_id, login_id: login_id.clone(), sealed: b"session".to_vec(), key_id: "k".to_owned() }
}

/// The next login of the same person, and its worker's fence.
async fn next_login(vault: &Vault, account: AccountId) -> Fence {
    vault.open_attempt(&random_login_id(), 1, account).await.unwrap();
    claim(vault, "next", LONG).await.fence
}

#[tokio::test]
async fn the_session_that_a_login_linked_is_the_persons() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    let new = session(a.account_id, &login);

    vault.link_session(&a.fence, &new).await.unwrap();

    assert_eq!(vault.linked(a.account_id).await.unwrap(), Some(new));
}

#[tokio::test]
async fn a_worker_that_lost_its_attempt_links_nothing() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", OVER).await;
    claim(&vault, "b", LONG).await;

    let answer = vault.link_session(&a.fence, &session(a.account_id, &login)).await;

    assert!(matches!(answer, Err(VaultError::Fenced)));
    assert!(matches!(vault.retire_replaced(&a.fence, a.account_id).await, Err(VaultError::Fenced)));
    assert_eq!(vault.linked(a.account_id).await.unwrap(), None);
}

#[tokio::test]
async fn a_newer_session_replaces_the_one_before_which_is_then_logged_out() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    let old = session(a.account_id, &login);
    vault.link_session(&a.fence, &old).await.unwrap();
    vault.retire_replaced(&a.fence, a.account_id).await.unwrap();
    let fence = next_login(&vault, a.account_id).await;
    let new = session(a.account_id, &fence.login_id);

    vault.link_session(&fence, &new).await.unwrap();
    vault.link_session(&fence, &new).await.unwrap();

    assert_eq!(vault.linked(a.account_id).await.unwrap(), Some(new.clone()));
    assert!(vault.claim_retired(LONG, 10).await.unwrap().is_empty(), "not before the login is confirmed");
    vault.retire_replaced(&fence, a.account_id).await.unwrap();
    let retired = vault.claim_retired(LONG, 10).await.unwrap();
    assert_eq!((retired.len(), &retired[0].login_id, &retired[0].sealed), (1, &login, &old.sealed));
    assert_eq!(vault.linked(a.account_id).await.unwrap(), Some(new));
}

#[tokio::test]
async fn when_the_newer_login_is_refused_the_session_before_counts_again() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    let old = session(a.account_id, &login);
    vault.link_session(&a.fence, &old).await.unwrap();
    let fence = next_login(&vault, a.account_id).await;
    vault.link_session(&fence, &session(a.account_id, &fence.login_id)).await.unwrap();

    vault.unlink_attempt(&fence, a.account_id).await.unwrap();

    assert_eq!(vault.linked(a.account_id).await.unwrap(), Some(old));
}

#[tokio::test]
async fn an_attempt_that_ends_late_leaves_what_the_retry_linked() {
    let (_database, vault) = vault().await;
    let (login, first) = claimed(&vault, "a", LONG).await;
    vault.link_session(&first.fence, &session(first.account_id, &login)).await.unwrap();
    vault.open_attempt(&login, 2, first.account_id).await.unwrap();
    let second = claim(&vault, "b", LONG).await;
    let new = session(first.account_id, &login);
    vault.link_session(&second.fence, &new).await.unwrap();

    vault.unlink_attempt(&first.fence, first.account_id).await.unwrap();

    assert_eq!(vault.linked(first.account_id).await.unwrap(), Some(new));
}

#[tokio::test]
async fn of_two_logins_that_are_confirmed_the_later_linked_session_stays_whichever_completes_last() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.link_session(&a.fence, &session(a.account_id, &login)).await.unwrap();
    let fence = next_login(&vault, a.account_id).await;
    let new = session(a.account_id, &fence.login_id);
    vault.link_session(&fence, &new).await.unwrap();

    for done in [&fence, &a.fence, &fence, &a.fence] {
        vault.retire_replaced(done, a.account_id).await.unwrap();
    }

    assert_eq!(vault.linked(a.account_id).await.unwrap(), Some(new));
}

#[tokio::test]
async fn a_retired_key_comes_back_until_telegram_has_confirmed() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.save_attempt_session(&a.fence, &crate::MasterKey::random().seal(b"", b"key")).await.unwrap();
    vault.retire(&a.fence, RetireReason::LoginEnded).await.unwrap();

    let first = vault.claim_retired(OVER, 10).await.unwrap().remove(0);
    let second = vault.claim_retired(LONG, 10).await.unwrap().remove(0);
    assert_eq!((&second.login_id, second.account_id), (&login, a.account_id));
    assert_eq!((first.id, first.tries, second.tries), (second.id, 1, 2));
    assert!(vault.claim_retired(LONG, 10).await.unwrap().is_empty(), "claimed");

    vault.confirm_retired(second.id).await.unwrap();
    assert!(vault.sealed_with().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_retired_once_and_its_attempt_goes_on_without_it() {
    let (_database, vault) = vault().await;
    let (_, a) = claimed(&vault, "a", OVER).await;
    vault.save_attempt_session(&a.fence, &crate::MasterKey::random().seal(b"", b"key")).await.unwrap();

    vault.retire(&a.fence, RetireReason::LoginEnded).await.unwrap();
    vault.retire(&a.fence, RetireReason::LoginEnded).await.unwrap();

    assert_eq!(vault.claim_retired(LONG, 10).await.unwrap().len(), 1);
    assert_eq!(claim(&vault, "b", LONG).await.sealed_session, None);
}

#[tokio::test]
async fn the_key_of_a_frozen_worker_rests_until_it_has_had_time_to_wake_up() {
    let (_database, vault) = vault().await;
    let (_, a) = claimed(&vault, "a", LONG).await;
    vault.save_attempt_session(&a.fence, &crate::MasterKey::random().seal(b"", b"key")).await.unwrap();

    vault.retire(&a.fence, RetireReason::HolderFrozen).await.unwrap();

    assert!(vault.claim_retired(LONG, 10).await.unwrap().is_empty());
    assert_eq!(vault.sealed_with().await.unwrap().len(), 1, "kept");
}

#[tokio::test]
async fn logging_out_keeps_the_key_until_it_is_gone_at_telegram() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    vault.link_session(&a.fence, &session(a.account_id, &login)).await.unwrap();
    vault.retire_replaced(&a.fence, a.account_id).await.unwrap();

    vault.retire_linked(a.account_id, &login, RetireReason::LoggedOut).await.unwrap();
    vault.retire_linked(a.account_id, &login, RetireReason::LoggedOut).await.unwrap();

    assert_eq!(vault.linked(a.account_id).await.unwrap(), None);
    assert_eq!(vault.claim_retired(LONG, 10).await.unwrap().len(), 1);
}

/// Linked, and its worker has hung up.
pub async fn linked(vault: &Vault) -> Linked {
    let (login, a) = claimed(vault, "a", LONG).await;
    let new = session(a.account_id, &login);
    vault.link_session(&a.fence, &new).await.unwrap();
    assert_eq!(vault.take_linked(a.account_id).await.unwrap(), Taken::InUse, "its worker speaks with it");
    vault.retire_replaced(&a.fence, a.account_id).await.unwrap();
    vault.close_attempt(&a.fence).await.unwrap();
    new
}

#[tokio::test]
async fn while_its_login_may_still_lose_it_a_session_is_nobody_elses() {
    let (_database, vault) = vault().await;
    let (login, a) = claimed(&vault, "a", LONG).await;
    let new = session(a.account_id, &login);
    vault.link_session(&a.fence, &new).await.unwrap();
    // Its worker has been silent for longer than anybody speaks with a session.
    end_borrowing(&vault, &new).await;
    let (now, second) = (jiff::Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(1));
    vault.claim_linked(now, second, 10).await.unwrap();

    assert_eq!(vault.take_linked(a.account_id).await.unwrap(), Taken::InUse);
    assert_eq!(vault.claim_linked(now + second, second, 10).await.unwrap(), []);

    vault.close_attempt(&a.fence).await.unwrap();
    assert_eq!(borrow(&vault, a.account_id).await.linked, new);
}

/// The twenty seconds of a borrowed session are over.
async fn end_borrowing(vault: &Vault, linked: &Linked) {
    sqlx::query("update vault.sessions set in_use_until = clock_timestamp() where account_id = $1")
        .bind(linked.account_id.0)
        .execute(vault.db.pool())
        .await
        .unwrap();
}

pub async fn borrow(vault: &Vault, account: AccountId) -> Borrowed {
    match vault.take_linked(account).await.unwrap() {
        Taken::Free(borrowed) => borrowed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_tells_when_it_was_linked_and_when_it_was_last_seen_alive() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let seen = vault.seen(new.account_id, &new.login_id).await.unwrap().expect("it is linked");
    assert_eq!(seen.alive_at, None);
    let at: jiff::Timestamp = "2024-11-22T10:00:00Z".parse().unwrap();
    vault.saw_alive(&new, at).await.unwrap();
    let again = vault.seen(new.account_id, &new.login_id).await.unwrap().expect("it is linked");
    assert_eq!((again.linked_at, again.alive_at), (seen.linked_at, Some(at)));
    vault.unlink(new.account_id, &new.login_id).await.unwrap();
    assert_eq!(vault.seen(new.account_id, &new.login_id).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_is_looked_at_once_an_interval() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let now: jiff::Timestamp = "2024-11-22T10:00:00Z".parse().unwrap();
    let hour = std::time::Duration::from_secs(3600);

    assert_eq!(vault.claim_linked(now, hour, 10).await.unwrap(), [], "some time in its first hour");
    let looked_at = vault.claim_linked(now + hour, hour, 10).await.unwrap().remove(0);
    assert_eq!(looked_at.linked, new);
    vault.release_linked(&looked_at).await.unwrap();
    assert_eq!(vault.claim_linked(now + hour + hour / 2, hour, 10).await.unwrap(), []);
    assert_eq!(vault.claim_linked(now + 3 * hour, hour, 10).await.unwrap().remove(0).linked, new);
}

#[tokio::test]
async fn two_never_speak_with_one_session() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let (now, second) = (jiff::Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(1));

    let slow = borrow(&vault, new.account_id).await;
    assert_eq!(vault.take_linked(new.account_id).await.unwrap(), Taken::InUse);
    end_borrowing(&vault, &new).await;
    let next = borrow(&vault, new.account_id).await;
    assert_eq!(next.linked, new);
    vault.release_linked(&slow).await.unwrap();
    assert_eq!(vault.borrow_on(&slow).await.unwrap(), None);
    assert!(!vault.hand_over(&slow).await.unwrap());
    assert_eq!(
        vault.take_linked(new.account_id).await.unwrap(),
        Taken::InUse,
        "it is somebody else's by now"
    );
    vault.claim_linked(now, second, 10).await.unwrap();
    assert_eq!(vault.claim_linked(now + second, second, 10).await.unwrap(), [], "not by a check");
    vault.retire_linked(new.account_id, &new.login_id, RetireReason::LoggedOut).await.unwrap();
    assert!(vault.claim_retired(LONG, 10).await.unwrap().is_empty(), "not to log it out");
}

#[tokio::test]
async fn a_session_that_was_handed_over_is_neither_used_nor_logged_out() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;

    let before = borrow(&vault, new.account_id).await;
    let borrowed = vault.borrow_on(&before).await.unwrap().unwrap();
    assert!(!vault.hand_over(&before).await.unwrap());
    assert!(vault.hand_over(&borrowed).await.unwrap());
    vault.release_linked(&borrowed).await.unwrap();
    assert_eq!(vault.take_linked(new.account_id).await.unwrap(), Taken::HandedOver(new.clone()));
    assert_eq!(vault.linked(new.account_id).await.unwrap(), None, "nobody's here");
    assert_eq!(vault.linked_by(new.account_id).await.unwrap(), []);

    vault.retire_all_linked(new.account_id, RetireReason::LoggedOut).await.unwrap();
    assert_eq!(vault.take_linked(new.account_id).await.unwrap(), Taken::None);
    assert!(vault.claim_retired(LONG, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_is_logged_out_on_its_way_to_another_service_goes_nowhere() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let borrowed = borrow(&vault, new.account_id).await;

    vault.retire_linked(new.account_id, &new.login_id, RetireReason::LoggedOut).await.unwrap();

    assert!(!vault.hand_over(&borrowed).await.unwrap());
    let kept: i64 = sqlx::query_scalar("select count(*) from vault.retired_keys")
        .fetch_one(vault.db.pool())
        .await
        .unwrap();
    assert_eq!(kept, 1, "its key is still to be logged out");
}
