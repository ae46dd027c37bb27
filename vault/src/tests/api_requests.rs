//! Orders with an `Idempotency-Key`: carried out once, answered the same way for a day.

use domain::ApiKeyId;
use futures::future::join_all;
use jiff::Timestamp;

use super::*;
use crate::DerivedKeys;
use crate::api_keys::ApiKey;
use crate::api_requests::{ApiRequest, Claim};

async fn key(vault: &Vault) -> ApiKeyId {
    let presented = DerivedKeys::random().new_api_key();
    let kept = ApiKey {
        key_id: presented.key_id.clone(),
        name: "billing".to_owned(),
        scopes: vec![],
        created_by: "system".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    };
    assert!(vault.add_api_key(&presented, &kept).await.unwrap());
    presented.key_id
}

fn request<'a>(key_id: &'a ApiKeyId, request_sha256: &'a [u8; 32]) -> ApiRequest<'a> {
    ApiRequest { key_id, request_key: "order-1", request_sha256 }
}

async fn later(database: &TestDatabase, time: &str) {
    let sql = format!(
        "update vault.api_requests set claimed_at = claimed_at - interval '{time}', created_at = created_at - interval '{time}'"
    );
    sqlx::raw_sql(&sql).execute(database.db.pool()).await.unwrap();
}

fn mine(claim: Claim) -> crate::OrderSeed {
    match claim {
        Claim::Mine(seed) => seed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_several_at_once_one_carries_it_out_and_all_get_its_answer() {
    let (_database, vault) = vault().await;
    let key_id = key(&vault).await;
    let claims = join_all((0..8).map(|_| vault.claim_api_request(request(&key_id, &[1; 32])))).await;
    let claims: Vec<_> = claims.into_iter().map(Result::unwrap).collect();
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Mine(_))).count(), 1, "{claims:?}");
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::InFlight).count(), 7);

    vault.answer_api_request(request(&key_id, &[1; 32]), 201, "{}", None).await.unwrap();
    // A slow one that was taken for dead changes nothing.
    vault.answer_api_request(request(&key_id, &[1; 32]), 500, "[]", None).await.unwrap();
    let answered = Claim::Answered { status: 201, answer: "{}".to_owned() };
    assert_eq!(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap(), answered);
    assert_eq!(vault.claim_api_request(request(&key_id, &[2; 32])).await.unwrap(), Claim::OtherOrder);
    let other = key(&vault).await;
    mine(vault.claim_api_request(request(&other, &[2; 32])).await.unwrap());
}

#[tokio::test]
async fn what_a_dead_process_began_is_carried_out_by_the_same_ids() {
    let (database, vault) = vault().await;
    let key_id = key(&vault).await;
    let first = mine(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap());
    later(&database, "59 seconds").await;
    assert_eq!(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap(), Claim::InFlight);
    assert_eq!(vault.claim_api_request(request(&key_id, &[2; 32])).await.unwrap(), Claim::OtherOrder);
    later(&database, "1 second").await;
    assert_eq!(vault.claim_api_request(request(&key_id, &[2; 32])).await.unwrap(), Claim::OtherOrder);
    assert_eq!(mine(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap()), first);

    // One that failed on our side is free at once.
    vault.let_go_of_api_request(request(&key_id, &[1; 32])).await.unwrap();
    assert_eq!(mine(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap()), first);
}

#[tokio::test]
async fn a_day_later_the_same_key_is_another_order() {
    let (database, vault) = vault().await;
    let key_id = key(&vault).await;
    let first = mine(vault.claim_api_request(request(&key_id, &[1; 32])).await.unwrap());
    vault.answer_api_request(request(&key_id, &[1; 32]), 200, "{}", None).await.unwrap();
    later(&database, "24 hours").await;
    assert_ne!(mine(vault.claim_api_request(request(&key_id, &[2; 32])).await.unwrap()), first);
    assert_eq!(vault.prune_api_requests().await.unwrap(), 0);
    later(&database, "24 hours").await;
    assert_eq!(vault.prune_api_requests().await.unwrap(), 1);
}

#[tokio::test]
async fn an_answer_about_a_person_is_erased_with_them() {
    let (database, vault) = vault().await;
    let key_id = key(&vault).await;
    let anna = vault.subject_for(1).await.unwrap().account_id;
    let (erased, other) =
        (request(&key_id, &[1; 32]), ApiRequest { request_key: "2", ..request(&key_id, &[1; 32]) });
    for one in [erased, other] {
        mine(vault.claim_api_request(one).await.unwrap());
    }
    vault.answer_api_request(erased, 200, r#"{"first_name":"Anna"}"#, Some(anna)).await.unwrap();
    vault.erase_subject(anna).await.unwrap();
    // The other one was under way meanwhile.
    vault.answer_api_request(other, 200, r#"{"first_name":"Anna"}"#, Some(anna)).await.unwrap();
    let left: String =
        sqlx::query_scalar("select coalesce(string_agg(r::text, ''), '') from vault.api_requests r")
            .fetch_one(database.db.pool())
            .await
            .unwrap();
    assert!(!left.is_empty(), "the other one stays, without an answer");
    assert!(!left.contains("Anna"), "{left}");
}
