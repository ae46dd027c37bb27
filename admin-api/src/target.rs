//! The person whom an act is about: somebody who is registered and not erased.

use app::subscriptions::LONGEST_REASON;
use axum::http::StatusCode;
use domain::AccountId;
use eventlog::{Context, DatabaseError};
use projections::views::users;
use serde::Serialize;
use texts::Language;
use texts::http::Text;
use utoipa::ToSchema;
use vault::Subject;

use super::guard::Admin;
use web::json::user::UserBody;
use web::problem::Problem;
use web::state::ApiState;

/// Nobody is known by this id.
pub fn nobody(language: Language) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, language, Text::PersonUnknown)
}

/// The person of this account.
///
/// # Errors
/// 404 where nobody is known by it, or not any more.
pub(super) async fn target(
    state: &ApiState,
    admin: &Admin,
    account_id: AccountId,
) -> Result<Subject, Problem> {
    let failed = |error: DatabaseError| Problem::internal(admin.language, &error);
    let subject = state.app.vault.subject(account_id).await.map_err(failed)?;
    let account = state.app.store.load_account(account_id).await.map_err(failed)?;
    let known = subject.filter(|_| account.is_registered() && !account.is_erased());
    known.ok_or_else(|| nobody(admin.language))
}

/// The admin's order about this person, for this reason.
///
/// # Errors
/// 400: the reason is longer than 500 characters.
pub(super) fn order(admin: &Admin, target: &Subject, reason: Option<&str>) -> Result<Context, Problem> {
    // With the spaces around it: so the document says.
    if reason.is_some_and(|reason| reason.chars().count() > LONGEST_REASON) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, admin.language, Text::BadRequest));
    }
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    let context = Context::by(admin.account_id).with_account(target.account_id);
    Ok(context.with_reason(reason.map(|reason| target.seal(reason))))
}

/// The person after an act.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    user: UserBody,
}

/// The person as they are now.
///
/// # Errors
/// 404: they were erased meanwhile.
pub(super) async fn changed(
    state: &ApiState,
    admin: &Admin,
    account_id: AccountId,
) -> Result<Changed, Problem> {
    let failed = |error: DatabaseError| Problem::internal(admin.language, &error);
    state.app.catch_up().await.map_err(failed)?;
    let user = users::by_account(&state.app.db, account_id).await.map_err(failed)?;
    user.map(|user| Changed { user: user.into() }).ok_or_else(|| nobody(admin.language))
}
