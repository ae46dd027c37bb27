//! Who may use the API: the handlers' argument [`Caller`], which names the scope that it takes.
//!
//! 1. The header is `Authorization: Bearer qrl_…`, once. A key whose id is not of our making costs no query.
//! 2. The key is looked up at each request: one that was revoked or has expired is refused by the next one, in every process.
//! 3. Its request is counted. One too many is refused.
//! 4. It has the scope.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::ApiKeyId;
use eventlog::Context;
use tracing::Span;
use tracing::field::display;
use vault::api_keys::{ApiKey, KeyRefusal};
use web::access::bearer;
use web::state::ApiState;

use crate::problem::Problem;
use crate::rate;
use crate::scope::Asked;

/// A service that may do this.
#[derive(Debug)]
pub struct Caller<S> {
    /// Its key.
    pub key: ApiKey,
    asked: PhantomData<fn() -> S>,
}

impl<S> Caller<S> {
    /// The id of its key.
    pub fn key_id(&self) -> &ApiKeyId {
        &self.key.key_id
    }

    /// Its order: the events name the key as their actor.
    pub fn context(&self) -> Context {
        Context::api_key(self.key.key_id.clone())
    }
}

impl<S: Asked> FromRequestParts<Arc<ApiState>> for Caller<S> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        // 1.
        let presented = bearer(&parts.headers).and_then(|key| state.app.keys.read_api_key(key));
        let Some(presented) = presented else { return Err(Problem::Unauthorized) };
        // 2.
        let now = state.app.clock.now();
        let found = state.app.vault.check_api_key(&presented, now).await;
        let key = match found.map_err(|error| Problem::internal(&error))? {
            Ok(key) => key,
            Err(KeyRefusal::Unknown) => return Err(Problem::Unauthorized),
            Err(KeyRefusal::Revoked) => return Err(Problem::KeyRevoked),
            Err(KeyRefusal::Expired) => return Err(Problem::KeyExpired),
        };
        Span::current().record("key.id", display(&key.key_id));
        state.key_uses.note(&state.app, &key.key_id, now);
        // 3.
        rate::count(&parts.extensions, state, &key.key_id)?;
        // 4.
        match key.may(S::SCOPE) {
            true => Ok(Self { key, asked: PhantomData }),
            false => Err(Problem::ScopeMissing(S::SCOPE.name())),
        }
    }
}
