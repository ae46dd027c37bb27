//! Erasing people, over a real database.

use std::path::Path;
use std::sync::Arc;

use domain::{AccountCommand, AccountId};

use super::*;
use crate::leader::{self, Leader};
use crate::testing::Story;
use rebuild::verify::verify;

const ILYA: i64 = 139_883_458;
const PROFILE: &str = r#"{"first_name":"Ilyusha","username":"ilyusha_x"}"#;

fn erasure(story: &Story) -> Erasure {
    Erasure {
        db: story.db.clone(),
        store: story.store.clone(),
        vault: story.vault.clone(),
        keys: Arc::new(DerivedKeys::random()),
        clock: story.clock.clone(),
    }
}

/// Runs a leader and the erasure until this account is erased.
async fn until_erased(story: &Story, erasure: &Erasure, ledger: &Path, account: AccountId) {
    let leader = Leader {
        db: story.db.clone(),
        clock: story.clock.clone(),
        tiers: story.tiers.clone(),
        holder: "the test's leader".to_owned(),
    };
    let erased = async {
        while story.vault.subject(account).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    let ledger = Ledger::<AccountId>::open(ledger).unwrap();
    tokio::select! {
        () = leader::run(leader) => {}
        () = run(erasure.clone(), ledger) => {}
        done = tokio::time::timeout(Duration::from_secs(30), erased) => done.expect("erased in time"),
    }
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_but_a_block_and_used_invites() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("erased.log");
    let story = Story::begin().await;
    let erasure = erasure(&story);
    let account = story.person(ILYA, PROFILE).await;
    let invite = story.invite(1, None).await;
    let login = story.redeem(account, invite).await;
    story.settle().await;
    story.confirm(account, invite, &login).await;
    story.account(account, AccountCommand::Block { at: story.clock.now() }).await;
    story.settle().await;
    assert_eq!(story.count("select count(*) from users where first_name = 'Ilyusha'").await, 1);

    erasure.order(account, Context::by(account)).await.unwrap();
    erasure.order(account, Context::by(account)).await.unwrap();
    until_erased(&story, &erasure, &path, account).await;

    assert_eq!(story.count("select count(*) from users").await, 0);
    assert_eq!(story.count("select count(*) from events where event_type = 'AccountErased'").await, 1);
    let kept = story.vault.kept_after_erasure(&erasure.keys.person_hmac(ILYA)).await.unwrap();
    assert_eq!(kept, KeptAfterErasure { blocked: true, used_invites: vec![invite] });
    assert!(Ledger::<AccountId>::open(&path).unwrap().holds(&account));
    assert!(verify(&story.db, |_, _| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn an_erased_person_is_erased_again_after_a_backup_was_restored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("erased.log");
    let story = Story::begin().await;
    let account = story.person(ILYA, PROFILE).await;
    story.settle().await;
    // The backup is older than the erasure; the ledger is not.
    std::fs::write(&path, format!("{account}\n{}\n", uuid::Uuid::new_v4())).unwrap();

    until_erased(&story, &erasure(&story), &path, account).await;

    assert_eq!(story.count("select count(*) from users").await, 0);
}
