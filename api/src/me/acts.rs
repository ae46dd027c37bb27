//! `POST /api/me/logout` and `POST /api/me/forget`: the same use cases as `/logout` and `/forget` of the bot. The page asks first.
//! Each may be sent twice: the second one changes nothing.

use std::sync::Arc;

use app::people::reset::{self, Permission};
use app::sessions::log_out::{self, LoggedOut};
use axum::extract::State;
use axum::http::StatusCode;
use eventlog::Context;
use texts::http::Text;

use super::person::Person;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::state::ApiState;

/// Ends the linked session, here and at Telegram.
#[utoipa::path(
    post,
    path = "/api/me/logout",
    operation_id = "disconnect_me",
    tag = "me",
    security(("launch" = [])),
    responses((status = 202, description = "The session has ended here; at Telegram it ends soon"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(login.id, account.id))]
pub(crate) async fn log_out(
    State(state): State<Arc<ApiState>>,
    person: Person,
) -> Result<StatusCode, Problem> {
    let language = person.language;
    let done = log_out::log_out(&state.app, person.account_id(), None).await;
    match done.map_err(|error| Problem::internal(language, &error))? {
        LoggedOut::LoggedOut(_) | LoggedOut::NotLinked => Ok(StatusCode::ACCEPTED),
        LoggedOut::HandedOver | LoggedOut::HandledElsewhere => {
            Err(Problem::new(StatusCode::CONFLICT, language, Text::SessionElsewhere))
        }
    }
}

/// Forgets the person who asks.
#[utoipa::path(
    post,
    path = "/api/me/forget",
    operation_id = "forget_me",
    tag = "me",
    security(("launch" = [])),
    responses((status = 202, description = "The person is being forgotten"), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(crate) async fn forget(
    State(state): State<Arc<ApiState>>,
    person: Person,
) -> Result<StatusCode, Problem> {
    let (app, language, account) = (&state.app, person.language, person.account_id());
    let allowed = reset::may_reset(app, Some(person.subject.telegram_id), account).await;
    match allowed.map_err(|error| Problem::internal(language, &error))? {
        Permission::Own => {}
        Permission::AlreadyForgotten => return Ok(StatusCode::ACCEPTED),
        Permission::LastAdmin => {
            return Err(Problem::new(StatusCode::CONFLICT, language, Text::YouAreLastAdmin));
        }
        Permission::Blocked => {
            return Err(Problem::blocked(language, state.page.support_contact.as_deref()));
        }
        Permission::NotAllowed | Permission::Admin { .. } => {
            return Err(Problem::new(StatusCode::FORBIDDEN, language, Text::NotYours));
        }
    }
    let forgotten = reset::reset(app, account, Context::by(account)).await;
    forgotten.map_err(|error| Problem::internal(language, &error))?;
    Ok(StatusCode::ACCEPTED)
}
