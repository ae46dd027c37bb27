//! Who asks for what is their own: the handlers' argument [`Person`].
//!
//! 1. Telegram's launch data names them (`Authorization: tma <initData>`).
//! 2. They are known here, and were not forgotten. Nobody is registered by a request.
//! 3. They are not blocked: a block is everywhere. The answer says whom they may write to.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::AccountId;
use eventlog::DatabaseError;
use texts::Language;
use texts::http::Text;
use tracing::Span;
use tracing::field::display;
use vault::Subject;

use web::access::Visitor;
use web::problem::Problem;
use web::state::ApiState;

/// A person who asks for what is their own.
pub(crate) struct Person {
    /// Opens what is sealed with their key.
    pub subject: Subject,
    /// The language to speak to them in.
    pub language: Language,
}

impl Person {
    pub fn account_id(&self) -> AccountId {
        self.subject.account_id
    }
}

/// 401 for launch data that is missing or not believed, 404 for somebody who is not known here, 403 for a person who is blocked.
impl FromRequestParts<Arc<ApiState>> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        // 1.
        let visitor = Visitor::from_request_parts(parts, state).await?;
        let language = visitor.language();
        let Some(telegram_id) = visitor.telegram_id() else {
            return Err(Problem::unauthorized(language, None));
        };
        // 2.
        let failed = |error: DatabaseError| Problem::internal(language, &error);
        let unknown = || Problem::new(StatusCode::NOT_FOUND, language, Text::NotKnown);
        let subject = state.app.vault.subject_of(telegram_id).await.map_err(failed)?.ok_or_else(unknown)?;
        let account = state.app.store.load_account(subject.account_id).await.map_err(failed)?;
        if !account.is_registered() || account.is_erased() {
            return Err(unknown());
        }
        Span::current().record("account.id", display(subject.account_id));
        // 3.
        visitor.refuse_blocked(state, account.is_blocked())?;
        Ok(Self { subject, language })
    }
}
