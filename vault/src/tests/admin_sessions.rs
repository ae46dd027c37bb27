//! Sessions of the admins' app: a launch is exchanged once, and one that is over lets nobody in.

use std::collections::HashSet;

use domain::Role;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::*;
use crate::DerivedKeys;
use crate::admin_sessions::{AdminSession, NewAdminSession};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn new(account_id: AccountId, launch: u8) -> NewAdminSession<'static> {
    NewAdminSession { account_id, role: Role::Admin, language: "en", launch: [launch; 32] }
}

#[test]
fn only_a_token_that_these_keys_have_made_has_a_hash() {
    let (keys, others) = (DerivedKeys::random(), DerivedKeys::random());
    let token = keys.admin_token();
    let text = token.token.expose_secret();
    assert_eq!(text.len(), 51, "256 bits and a MAC, in base64url");
    assert!(keys.admin_token_hash(text).is_some());
    assert_eq!(others.admin_token_hash(text), None, "of another installation");
    for wrong in ["", "x", &text[1..], &format!("{text}A"), &"A".repeat(51), &"A".repeat(5000)] {
        assert_eq!(keys.admin_token_hash(wrong), None, "{wrong}");
    }
    let many: HashSet<_> = (0..100).map(|_| keys.admin_token().token.expose_secret().to_owned()).collect();
    assert_eq!(many.len(), 100);
}

#[tokio::test]
async fn a_launch_is_exchanged_once_also_by_several_at_once() {
    let (database, vault) = vault().await;
    let (keys, anna) = (DerivedKeys::random(), somebody());
    let tokens: Vec<_> = (0..8).map(|_| keys.admin_token()).collect();

    let begun =
        join_all(tokens.iter().map(|token| vault.begin_admin_session(token, new(anna, 1), NOW))).await;

    let begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().flatten().count(), 1, "{begun:?}");
    let winner = begun.iter().position(Option::is_some).unwrap();
    let hash = |at: usize| keys.admin_token_hash(tokens[at].token.expose_secret()).unwrap();
    let session = vault.admin_session(&hash(winner)).await.unwrap();
    let expires_at = NOW + SignedDuration::from_hours(1);
    let expected = AdminSession {
        account_id: anna,
        role: Role::Admin,
        language: "en".to_owned(),
        expires_at,
        is_revoked: false,
    };
    assert_eq!(session, Some(expected));
    assert_eq!(vault.admin_session(&hash((winner + 1) % 8)).await.unwrap(), None);
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select token_sha256 from vault.admin_sessions")
        .fetch_all(database.db.pool())
        .await
        .unwrap();
    assert_eq!(stored, [hash(winner)], "the hash alone is stored");
}

#[tokio::test]
async fn sessions_end_one_by_one_all_of_a_person_and_with_the_person() {
    let (_database, vault) = vault().await;
    let keys = DerivedKeys::random();
    let (anna, ilya) = (vault.subject_for(1).await.unwrap(), vault.subject_for(2).await.unwrap());
    let mut hashes = Vec::new();
    for (launch, account) in [(1, anna.account_id), (2, anna.account_id), (3, ilya.account_id)] {
        let token = keys.admin_token();
        assert!(vault.begin_admin_session(&token, new(account, launch), NOW).await.unwrap().is_some());
        hashes.push(keys.admin_token_hash(token.token.expose_secret()).unwrap());
    }
    let revoked = async || {
        let mut revoked = Vec::new();
        for hash in &hashes {
            revoked.push(vault.admin_session(hash).await.unwrap().map(|it| it.is_revoked));
        }
        revoked
    };

    vault.end_admin_session(&hashes[0], NOW).await.unwrap();
    assert_eq!(revoked().await, [Some(true), Some(false), Some(false)]);
    vault.end_admin_sessions_of(anna.account_id, NOW).await.unwrap();
    assert_eq!(revoked().await, [Some(true), Some(true), Some(false)]);
    // Its launch stays exchanged.
    assert_eq!(
        vault.begin_admin_session(&keys.admin_token(), new(anna.account_id, 1), NOW).await.unwrap(),
        None
    );
    vault.erase_subject(anna.account_id).await.unwrap();
    assert_eq!(revoked().await, [None, None, Some(false)]);
}

#[tokio::test]
async fn a_session_is_forgotten_once_its_launch_is_too_old() {
    let (_database, vault) = vault().await;
    let token = DerivedKeys::random().admin_token();
    vault.begin_admin_session(&token, new(somebody(), 1), NOW).await.unwrap();
    assert_eq!(vault.prune_admin_sessions(NOW + SignedDuration::from_hours(2)).await.unwrap(), 0);
    let later = NOW + SignedDuration::from_hours(2) + SignedDuration::from_secs(1);
    assert_eq!(vault.prune_admin_sessions(later).await.unwrap(), 1);
}
