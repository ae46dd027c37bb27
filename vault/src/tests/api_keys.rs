//! API keys: what is kept of one, whom it lets in, and when no more.

use std::collections::HashSet;

use domain::Scope;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::*;
use crate::DerivedKeys;
use crate::api_keys::{ApiKey, KeyRefusal, PresentedKey};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn of(presented: &PresentedKey) -> ApiKey {
    ApiKey {
        key_id: presented.key_id.clone(),
        name: "billing".to_owned(),
        scopes: vec![Scope::UsersRead, Scope::EventsRead],
        created_by: "tool:cli:ilya".to_owned(),
        created_at: NOW,
        expires_at: Some(NOW + SignedDuration::from_hours(24)),
        last_used_at: None,
        revoked_at: None,
    }
}

#[test]
fn only_a_key_with_an_id_that_these_keys_have_made_is_looked_up() {
    let (keys, others) = (DerivedKeys::random(), DerivedKeys::random());
    let made = keys.new_api_key();
    let text = made.whole().expose_secret().to_owned();
    assert_eq!(text.len(), 4 + 16 + 1 + 43, "qrl_<id>_<256 bits in base64url>");
    let read = keys.read_api_key(&text).expect("it is one");
    assert_eq!((read.key_id.clone(), read.whole().expose_secret()), (made.key_id.clone(), text.as_str()));
    assert!(others.read_api_key(&text).is_none(), "of another installation");

    let secret = &text[21..];
    let other_id =
        format!("qrl_{:016x}_{secret}", u64::from_str_radix(made.key_id.as_str(), 16).unwrap() ^ 1);
    for wrong in [
        "",
        "qrl_",
        &text[4..],
        &text[..text.len() - 1],
        &format!("{text}A"),
        &text.to_uppercase(),
        &other_id,
        &text.replacen('_', "-", 2),
        &format!("{}é{}", &text[..22], &text[24..]),
        &"A".repeat(5000),
    ] {
        assert!(keys.read_api_key(wrong).is_none(), "{wrong}");
    }
    let many: HashSet<_> = (0..100).map(|_| keys.new_api_key().whole().expose_secret().to_owned()).collect();
    assert_eq!(many.len(), 100);
}

#[tokio::test]
async fn a_key_lets_its_owner_in_until_it_expires_or_is_revoked() {
    let (database, vault) = vault().await;
    let keys = DerivedKeys::random();
    let presented = keys.new_api_key();
    let kept = of(&presented);
    assert_eq!(vault.check_api_key(&presented, NOW).await.unwrap(), Err(KeyRefusal::Unknown));

    assert!(vault.add_api_key(&presented, &kept).await.unwrap());
    assert!(!vault.add_api_key(&presented, &kept).await.unwrap(), "its id is taken");

    assert_eq!(vault.check_api_key(&presented, NOW).await.unwrap(), Ok(kept.clone()));
    let text = presented.whole().expose_secret().to_owned();
    let last = if text.ends_with('A') { 'B' } else { 'A' };
    let other_secret = keys.read_api_key(&format!("{}{last}", &text[..text.len() - 1])).unwrap();
    assert_eq!(vault.check_api_key(&other_secret, NOW).await.unwrap(), Err(KeyRefusal::Unknown));
    let end = kept.expires_at.unwrap();
    assert_eq!(vault.check_api_key(&presented, end).await.unwrap(), Err(KeyRefusal::Expired));
    assert!(vault.check_api_key(&presented, end - SignedDuration::from_secs(1)).await.unwrap().is_ok());

    assert!(vault.revoke_api_key(&presented.key_id, NOW).await.unwrap());
    assert_eq!(vault.check_api_key(&presented, NOW).await.unwrap(), Err(KeyRefusal::Revoked));
    // Again, later: it was revoked then.
    assert!(vault.revoke_api_key(&presented.key_id, end).await.unwrap());
    assert_eq!(vault.api_keys().await.unwrap(), [ApiKey { revoked_at: Some(NOW), ..kept }]);
    assert!(!vault.revoke_api_key(&keys.new_api_key().key_id, NOW).await.unwrap());

    let stored: String = sqlx::query_scalar("select k::text from vault.api_keys k")
        .fetch_one(database.db.pool())
        .await
        .unwrap();
    assert!(!stored.contains(&text[21..]), "the secret is not stored");
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let (_database, vault) = vault().await;
    let presented = DerivedKeys::random().new_api_key();
    vault.add_api_key(&presented, &of(&presented)).await.unwrap();
    let after = |seconds| NOW + SignedDuration::from_secs(seconds);
    for (used, noted) in [(0, 0), (59, 0), (60, 60), (30, 60)] {
        vault.note_api_key_use(&presented.key_id, after(used)).await.unwrap();
        assert_eq!(vault.api_keys().await.unwrap()[0].last_used_at, Some(after(noted)), "{used}");
    }
}
