//! When Telegram is asked for all sessions of an account, and what is kept of the answer.

use std::time::Duration;

use domain::AccountId;
use jiff::Timestamp;
use uuid::Uuid;

use super::sessions::{borrow, linked};
use super::{LONG, claim, somebody, vault};
use crate::{Borrowed, MasterKey, Vault, random_login_id};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn may_ask(vault: &Vault, borrowed: &Borrowed) -> Option<Borrowed> {
    vault.borrow_to_list(borrowed, NOW, DAY).await.unwrap()
}

async fn execute(vault: &Vault, sql: &str, account: AccountId) {
    sqlx::query(sql).bind(account.0).execute(vault.db.pool()).await.unwrap();
}

#[tokio::test]
async fn telegram_is_asked_once_a_day_by_the_one_who_has_the_session() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let before = borrow(&vault, new.account_id).await;

    let borrowed = may_ask(&vault, &before).await.unwrap();

    assert_eq!(borrowed.linked, new);
    assert_eq!(vault.borrow_on(&before).await.unwrap(), None, "it is borrowed on");
    let almost = NOW + DAY - Duration::from_secs(1);
    assert_eq!(vault.borrow_to_list(&borrowed, almost, DAY).await.unwrap(), None);
    assert_eq!(vault.borrow_to_list(&before, NOW + DAY, DAY).await.unwrap(), None, "by nobody else");
    assert!(vault.borrow_to_list(&borrowed, NOW + DAY, DAY).await.unwrap().is_some());
}

#[tokio::test]
async fn telegram_is_not_asked_while_a_login_of_the_person_is_in_flight() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let borrowed = borrow(&vault, new.account_id).await;
    vault.open_attempt(&random_login_id(), 1, new.account_id).await.unwrap();
    let attempt = claim(&vault, "next", LONG).await;
    assert_eq!(may_ask(&vault, &borrowed).await, None);

    // It has linked its session, and is not confirmed yet.
    let next = crate::Linked { login_id: attempt.fence.login_id.clone(), ..new.clone() };
    vault.link_session(&attempt.fence, &next).await.unwrap();
    vault.close_attempt(&attempt.fence).await.unwrap();
    assert_eq!(may_ask(&vault, &borrowed).await, None);

    // It was handed over: the log knows it.
    let handed_over = "update vault.sessions set in_use_until = 'infinity'
                        where account_id = $1 and linked_no = (select max(linked_no) from vault.sessions)";
    execute(&vault, handed_over, new.account_id).await;
    assert!(may_ask(&vault, &borrowed).await.is_some());
}

#[tokio::test]
async fn telegram_is_not_asked_while_somebodys_login_has_been_in_flight_for_long() {
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let borrowed = borrow(&vault, new.account_id).await;
    let another = somebody();
    vault.open_attempt(&random_login_id(), 1, another).await.unwrap();
    let age = "update vault.attempts set opened_at = opened_at - interval '31 minutes' where account_id = $1";
    execute(&vault, age, another).await;
    assert_eq!(may_ask(&vault, &borrowed).await, None);

    execute(&vault, "delete from vault.attempts where account_id = $1", another).await;
    vault.open_attempt(&random_login_id(), 1, another).await.unwrap();
    assert!(may_ask(&vault, &borrowed).await.is_some(), "a young one hides nothing");
}

#[tokio::test]
async fn telegram_is_not_asked_while_a_key_waits_for_its_logout() {
    let retire = "insert into vault.retired_keys (account_id, login_id, key_id, sealed, reason)
                  values ($1, 'login', 'k', '', 'replaced')";
    let older = "update vault.retired_keys set reason = 'login_ended', retired_at = retired_at - interval '11 minutes'
                  where account_id = $1";
    let stuck =
        "update vault.retired_keys set retired_at = retired_at - interval '1 day' where account_id = $1";
    let (_database, vault) = vault().await;
    let new = linked(&vault).await;
    let borrowed = borrow(&vault, new.account_id).await;
    execute(&vault, retire, new.account_id).await;
    assert_eq!(may_ask(&vault, &borrowed).await, None);
    execute(&vault, "delete from vault.retired_keys where account_id = $1", new.account_id).await;

    let another = somebody();
    execute(&vault, retire, another).await;
    execute(&vault, older, another).await;
    assert_eq!(may_ask(&vault, &borrowed).await, None, "this person may have confirmed that login");
    execute(&vault, stuck, another).await;
    assert!(may_ask(&vault, &borrowed).await.is_some(), "not for ever");
}

#[test]
fn a_session_has_one_mark_for_each_person_and_master_key() {
    let (master, ilya, anna) = (MasterKey::random(), somebody(), somebody());
    let mark = master.session_hmac(ilya, 7);

    assert_eq!(master.session_hmac(ilya, 7), mark);
    assert_ne!(master.session_hmac(ilya, 8), mark);
    assert_ne!(master.session_hmac(anna, 7), mark);
    assert_ne!(MasterKey::random().session_hmac(ilya, 7), mark);
}

#[tokio::test]
async fn what_a_person_was_told_of_is_forgotten_with_them() {
    let (_database, vault) = vault().await;
    let (ilya, anna) = (vault.subject_for(1).await.unwrap(), vault.subject_for(2).await.unwrap());
    for person in [&ilya, &anna] {
        vault.unowned_was_told(person.account_id, &[7; 32]).await.unwrap();
        vault.unowned_was_told(person.account_id, &[7; 32]).await.unwrap();
    }

    vault.erase_subject(ilya.account_id).await.unwrap();
    vault.unowned_was_told(ilya.account_id, &[8; 32]).await.unwrap();

    assert_eq!(vault.told_unowned(ilya.account_id).await.unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(vault.told_unowned(anna.account_id).await.unwrap(), [[7; 32]]);
    let nobody = AccountId(Uuid::nil());
    vault.unowned_was_told(nobody, &[7; 32]).await.unwrap();
    assert_eq!(vault.told_unowned(nobody).await.unwrap(), Vec::<Vec<u8>>::new());
}
