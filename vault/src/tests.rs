//! What the vault keeps, against a real PostgreSQL. Time is not waited for: a lease of no length is over at once.

use std::time::Duration;

use domain::{AccountId, LoginId};
use uuid::Uuid;

use super::{Claimed, Vault, random_login_id};
use eventlog::testing::{self, TestDatabase};

mod admin_sessions;
mod api_keys;
mod api_requests;
mod attempts;
mod derived_keys;
mod fence;
mod imports;
mod master;
mod people;
mod rotation;
mod sessions;
mod unowned;
mod user_input;

/// Long enough to outlast any test.
const LONG: Duration = Duration::from_secs(3600);
/// Over before the next statement.
const OVER: Duration = Duration::ZERO;

async fn vault() -> (TestDatabase, Vault) {
    let database = testing::database().await;
    let vault = Vault::new(&database.db);
    (database, vault)
}

fn somebody() -> AccountId {
    AccountId(Uuid::new_v4())
}

/// A login whose first attempt is open, and its worker's claim, held for `ttl`.
async fn claimed(vault: &Vault, holder: &str, ttl: Duration) -> (LoginId, Claimed) {
    let login = random_login_id();
    vault.open_attempt(&login, 1, somebody()).await.unwrap();
    (login, claim(vault, holder, ttl).await)
}

/// The one attempt that is free.
async fn claim(vault: &Vault, holder: &str, ttl: Duration) -> Claimed {
    let mut claims = vault.claim_attempts(holder, ttl, 10).await.unwrap();
    assert_eq!(claims.len(), 1, "one attempt is free");
    claims.remove(0)
}

/// What the database comes to say once it has noticed; it is asked again and again, for a while.
async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(answer) => return answer,
                None => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(LONG / 60, asking).await.expect("it is noticed within a minute")
}
