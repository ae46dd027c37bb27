//! Who may use the admin API: the handlers' arguments [`Admin`] and [`Auditor`].
//!
//! 1. The header is `Authorization: Bearer <token>`, once. A token that is not of our making costs no query.
//! 2. Its session has not ended by time.
//! 3. The log says, at each request, that the person was neither blocked nor erased, and has the role.
//! 4. The session was not revoked, and the role is the one it began with. So a person who lost a role
//!    and has it again has no old session back.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use domain::{AccountId, Role};
use eventlog::DatabaseError;
use texts::Language;
use texts::http::Text;
use tracing::Span;
use tracing::field::display;
use vault::admin_sessions::TokenHash;

use web::access::{accepted_language, bearer};
use web::problem::Problem;
use web::state::ApiState;

/// An admin.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// The actor of what they do.
    pub account_id: AccountId,
    /// Theirs.
    pub telegram_id: i64,
    /// Auditor only in [`Auditor`].
    pub role: Role,
    /// The language to speak to them in.
    pub language: Language,
    /// Their session.
    pub session: TokenHash,
}

/// An admin or an auditor.
#[derive(Clone, Copy, Debug)]
pub struct Auditor(pub Admin);

/// 401 without a session, 403 for a person who may not.
impl FromRequestParts<Arc<ApiState>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let person = person(&parts.headers, state).await?;
        match person.role {
            Role::Admin => Ok(person),
            Role::Auditor | Role::User => {
                Err(Problem::new(StatusCode::FORBIDDEN, person.language, Text::AdminsOnly))
            }
        }
    }
}

/// The same, and 403 only for a person who is neither.
impl FromRequestParts<Arc<ApiState>> for Auditor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        Ok(Self(person(&parts.headers, state).await?))
    }
}

async fn person(headers: &HeaderMap, state: &ApiState) -> Result<Admin, Problem> {
    // 1.
    let language = accepted_language(headers);
    let session = bearer(headers).and_then(|token| state.app.keys.admin_token_hash(token));
    let Some(session) = session else { return Err(Problem::no_session(language)) };
    // On the heap: the future of a handler would be as large as this.
    Box::pin(look_up(state, &session, language)).await
}

/// Steps 2 to 4: whose session this is, who is an admin or an auditor. What goes on for longer than a request asks again.
///
/// # Errors
/// 401 where it is over, 403 where the person lost what it takes; 500 when the database does not answer.
pub async fn look_up(state: &ApiState, session: &TokenHash, language: Language) -> Result<Admin, Problem> {
    let app = &state.app;
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    // 2.
    let found = app.vault.admin_session(session).await.map_err(failed)?;
    let Some(found) = found.filter(|found| found.expires_at > app.clock.now()) else {
        return Err(Problem::no_session(language));
    };
    let language = Language::of(Some(&found.language));
    Span::current().record("account.id", display(found.account_id));
    // 3.
    let subject = app.vault.subject(found.account_id).await.map_err(failed)?;
    let account = app.store.load_account(found.account_id).await.map_err(failed)?;
    let Some(subject) = subject.filter(|_| !account.is_erased()) else {
        return Err(Problem::no_session(language));
    };
    if account.is_blocked() {
        return Err(Problem::blocked(language, state.page.support_contact.as_deref()));
    }
    let role = account.role();
    if role == Role::User {
        return Err(Problem::new(StatusCode::FORBIDDEN, language, Text::AdminsOnly));
    }
    // 4.
    if found.is_revoked || role != found.role {
        return Err(Problem::no_session(language));
    }
    let (account_id, telegram_id) = (found.account_id, subject.telegram_id);
    Ok(Admin { account_id, telegram_id, role, language, session: *session })
}
