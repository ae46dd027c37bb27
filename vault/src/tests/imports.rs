//! What an import remembers, and sessions that it has linked.

use std::time::Duration;

use domain::{AccountId, InviteId};
use uuid::Uuid;

use super::vault;
use crate::{CodeOwner, ImportedState, Linked, PersonImport, Taken, Vault, random_login_id};

const MARK: [u8; 32] = [7; 32];

async fn person(vault: &Vault, telegram_id: i64) -> AccountId {
    vault.subjects_for(&[telegram_id]).await.unwrap()[&telegram_id].account_id
}

fn session(account_id: AccountId) -> Linked {
    Linked {
        account_id,
        login_id: random_login_id(),
        sealed: b"session".to_vec(),
        key_id: "0a1b2c3d".to_owned(),
    }
}

/// One person with one imported session.
async fn linked(vault: &Vault) -> Linked {
    let session = session(person(vault, 1).await);
    vault.link_imported(std::slice::from_ref(&session)).await.unwrap();
    vault.imported_sessions_were_recorded(std::slice::from_ref(&session.login_id)).await.unwrap();
    session
}

async fn state(vault: &Vault) -> Option<ImportedState> {
    vault.imported_sessions().await.unwrap().pop().map(|session| session.state)
}

#[tokio::test]
async fn people_get_their_accounts_together_and_each_once() {
    let (_database, vault) = vault().await;
    let known = vault.subject_for(2).await.unwrap();

    let first = vault.subjects_for(&[1, 2, 3]).await.unwrap();
    let again = vault.subjects_for(&[1, 2, 3]).await.unwrap();

    assert_eq!(first.len(), 3);
    assert_eq!(first[&2].account_id, known.account_id);
    for (id, subject) in &first {
        assert_eq!(subject.account_id, again[id].account_id);
        assert_eq!(again[id].open(&subject.seal("x")).as_deref(), Some("x"));
    }
    assert_eq!(vault.subjects_of(&[3, 4]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_import_knows_how_far_it_came_with_a_person_also_after_an_erasure() {
    let (_database, vault) = vault().await;
    let ilya = person(&vault, 1).await;
    let how = async || vault.imported_people(&[MARK]).await.unwrap().get(&MARK).copied();
    assert_eq!(how().await, None);
    vault.begin_to_import_people(&[(MARK, ilya)], &[]).await.unwrap();
    vault.begin_to_import_people(&[(MARK, ilya)], &[]).await.unwrap();
    assert_eq!(how().await, Some(PersonImport::Begun));
    vault.people_were_imported(&[MARK]).await.unwrap();
    assert_eq!(how().await, Some(PersonImport::Taken));
    vault.erase_subject(ilya).await.unwrap();
    assert_eq!(how().await, Some(PersonImport::Erased));
}

#[tokio::test]
async fn a_code_of_here_stays_its_invites_and_a_new_one_is_the_imports() {
    let (_database, vault) = vault().await;
    let (here, there) = (InviteId(Uuid::new_v4()), InviteId(Uuid::new_v4()));
    vault.add_code(here, "AAAAAAAAAAAA", None, None).await.unwrap();
    let codes = ["AAAAAAAAAAAA", "BBBBBBBBBBBB"].map(str::to_owned);
    let own = [(there, codes[1].clone()), (InviteId(Uuid::new_v4()), codes[0].clone())];

    vault.begin_to_import_invites(&own).await.unwrap();
    vault.begin_to_import_invites(&own).await.unwrap();

    let owners = vault.code_owners(&codes).await.unwrap();
    assert_eq!((owners[&codes[0]], owners[&codes[1]]), (CodeOwner::Here(here), CodeOwner::Begun(there)));
    vault.invites_were_imported(&[there]).await.unwrap();
    assert_eq!(vault.code_owners(&codes).await.unwrap()[&codes[1]], CodeOwner::Taken(there));
}

#[tokio::test]
async fn a_person_gets_one_imported_session_however_often_one_comes() {
    let (_database, vault) = vault().await;
    let first = linked(&vault).await;
    vault.link_imported(&[session(first.account_id)]).await.unwrap();
    assert_eq!(vault.sessions().await.unwrap(), [(first.account_id, first.login_id.clone())]);
    let known = vault.imported_sessions_of(&[first.account_id]).await.unwrap();
    assert_eq!(known[&first.account_id], (first.login_id.clone(), true));
    assert!(vault.with_sessions(&[first.account_id]).await.unwrap().contains(&first.account_id));
    assert_eq!(state(&vault).await, Some(ImportedState::Unused { linked: first }));
}

#[tokio::test]
async fn a_session_goes_back_once_and_another_one_may_come_after_it() {
    let (_database, vault) = vault().await;
    let first = linked(&vault).await;
    assert!(vault.give_back(first.account_id, &first.login_id).await.unwrap());
    assert!(!vault.give_back(first.account_id, &first.login_id).await.unwrap());
    assert!(vault.sessions().await.unwrap().is_empty());
    assert_eq!(state(&vault).await, Some(ImportedState::Returned), "until an event says so");
    vault.imported_sessions_were_recorded(&[first.login_id]).await.unwrap();
    assert_eq!(state(&vault).await, None);
    let second = session(first.account_id);
    vault.link_imported(std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(vault.linked(first.account_id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_session_that_somebody_has_used_or_ended_does_not_go_back() {
    let (_database, vault) = vault().await;
    let first = linked(&vault).await;
    let Taken::Free(borrowed) = vault.take_linked(first.account_id).await.unwrap() else { panic!("free") };
    assert!(!vault.give_back(first.account_id, &first.login_id).await.unwrap(), "it is in use");
    vault.release_linked(&borrowed).await.unwrap();
    assert!(!vault.give_back(first.account_id, &first.login_id).await.unwrap(), "and it was used");
    assert!(matches!(state(&vault).await, Some(ImportedState::Used { .. })));
    vault.unlink(first.account_id, &first.login_id).await.unwrap();
    assert_eq!(state(&vault).await, Some(ImportedState::Ended));
}

#[tokio::test]
async fn a_check_is_a_use() {
    let (_database, vault) = vault().await;
    linked(&vault).await;
    let mut checked = Vec::new();
    while checked.is_empty() {
        checked =
            vault.claim_linked(eventlog::clock::Clock::system().now(), Duration::ZERO, 1).await.unwrap();
    }
    assert!(matches!(state(&vault).await, Some(ImportedState::Used { .. })));
}

/// 1. A check borrows the session in a transaction that is still open.
/// 2. The session is to go back, and waits for that.
/// 3. The check commits: the session stays.
#[tokio::test]
async fn of_a_first_use_and_a_return_at_once_the_use_wins_if_it_came_first() {
    let (database, vault) = vault().await;
    let first = linked(&vault).await;
    let mut other = database.db.begin("begin").await.unwrap();
    sqlx::query("update vault.sessions set in_use_until = clock_timestamp() + interval '20 seconds'")
        .execute(&mut *other)
        .await
        .unwrap();
    let returned = vault.give_back(first.account_id, &first.login_id);
    let commits = async {
        let waits = "select exists (select from pg_stat_activity
                      where datname = current_database() and wait_event_type = 'Lock')";
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(database.db.pool()).await.unwrap() {
            tokio::task::yield_now().await;
        }
        other.commit().await.unwrap();
    };
    let (returned, ()) = tokio::join!(returned, commits);
    assert!(!returned.unwrap());
    assert_eq!(vault.sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn whose_it_is_is_sealed_anew_only_by_who_has_borrowed_it() {
    let (_database, vault) = vault().await;
    let first = linked(&vault).await;
    let Taken::Free(borrowed) = vault.take_linked(first.account_id).await.unwrap() else { panic!("free") };
    let new = Linked { sealed: b"with its account".to_vec(), ..first.clone() };
    assert!(vault.seal_anew(&borrowed, &new).await.unwrap());
    assert_eq!(vault.linked(first.account_id).await.unwrap(), Some(new.clone()));
    vault.release_linked(&borrowed).await.unwrap();
    assert!(!vault.seal_anew(&borrowed, &first).await.unwrap());
    assert_eq!(vault.linked(first.account_id).await.unwrap(), Some(new));
}
