//! `…/users/{telegram_id}/subscription`: what a person may do, granted, renewed and ended. The actor of the event is the key.

use std::sync::Arc;

use app::UseCaseError;
use app::subscriptions::{self, Grant, LONGEST_REASON, MOST_DAYS, change_id_of_key};
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{delete, get, post};
use eventlog::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use vault::{OrderSeed, Subject};
use web::json::input::whole_or_null;
use web::json::names::GivenTier;
use web::route::Route;
use web::state::ApiState;

use crate::guard::Caller;
use crate::input::{Nothing, Parameters, Segment};
use crate::orders::{Answer, Order, OrderHeaders, once};
use crate::position::reach_now;
use crate::problem::Problem;
use crate::refusals::WriteRefusals;
use crate::scope;
use crate::users::{self, UserAt, find, nobody};

pub(super) fn table() -> Vec<Route> {
    const PATH: &str = "/api/v1/users/{telegram_id}/subscription";
    vec![
        (Method::GET, PATH, get(users::subscription)),
        (Method::POST, PATH, post(grant)),
        (Method::DELETE, PATH, delete(end)),
    ]
}

/// A subscription to give.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantedSubscription)]
pub(super) struct NewSubscription {
    tier: GivenTier,
    /// 0 is unlimited; null, or left out: as the tier says.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(maximum = 36500)]
    days: Option<u32>,
    /// Admins read it, and nobody once the person is erased.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Why a subscription ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EndedSubscription)]
pub(super) struct EndOfSubscription {
    /// Admins read it, and nobody once the person is erased.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Grants a subscription, or renews it: the same tier extends the one that runs, another one replaces it.
#[utoipa::path(
    post,
    path = "/api/v1/users/{telegram_id}/subscription",
    operation_id = "grant_subscription_v1",
    tag = "v1",
    params(("telegram_id" = i64, Path), OrderHeaders),
    request_body = NewSubscription,
    security(("key" = ["subscriptions:write"])),
    responses((status = 200, description = "The person now", body = UserAt), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn grant(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::SubscriptionsWrite>,
    Segment(telegram_id): Segment<i64>,
    _: Parameters<Nothing>,
    Order { body: new, stamp }: Order<NewSubscription>,
) -> Result<Answer, Problem> {
    if new.days.is_some_and(|days| days > MOST_DAYS) {
        return Err(Problem::BadRequest("`days` is at most 36500."));
    }
    let reason = reason(new.reason)?;
    let (own, context, key_id) = (state.clone(), caller.context(), caller.key_id().clone());
    let act = move |seed: OrderSeed| async move {
        let subject = target(&own, telegram_id).await?;
        let grant = Grant {
            account_id: subject.account_id,
            tier: new.tier.into(),
            days: new.days,
            change_id: change_id_of_key(&key_id, &seed),
            context: about(context, &subject, reason.as_deref()),
        };
        subscriptions::grant(&own.app, grant).await.map_err(refused)?;
        changed(&own, telegram_id, &subject).await
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// Ends a subscription before its time. Where none runs, nothing changes.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{telegram_id}/subscription",
    operation_id = "end_subscription_v1",
    tag = "v1",
    params(("telegram_id" = i64, Path), OrderHeaders),
    request_body = Option<EndOfSubscription>,
    security(("key" = ["subscriptions:write"])),
    responses((status = 200, description = "The person now", body = UserAt), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn end(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::SubscriptionsWrite>,
    Segment(telegram_id): Segment<i64>,
    _: Parameters<Nothing>,
    Order { body, stamp }: Order<Option<EndOfSubscription>>,
) -> Result<Answer, Problem> {
    let reason = reason(body.and_then(|body| body.reason))?;
    let (own, context) = (state.clone(), caller.context());
    let act = move |_| async move {
        let subject = target(&own, telegram_id).await?;
        let context = about(context, &subject, reason.as_deref());
        subscriptions::revoke(&own.app, subject.account_id, context).await.map_err(refused)?;
        changed(&own, telegram_id, &subject).await
    };
    once(&state, caller.key_id(), stamp, act).await
}

fn reason(text: Option<String>) -> Result<Option<String>, Problem> {
    // With the spaces around it: so the document says.
    if text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_REASON) {
        return Err(Problem::BadRequest("`reason` has at most 500 characters."));
    }
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The person of this Telegram id, who is registered and not erased.
async fn target(state: &ApiState, telegram_id: i64) -> Result<Subject, Problem> {
    let failed = |error: eventlog::DatabaseError| Problem::internal(&error);
    let Some(subject) = state.app.vault.subject_of(telegram_id).await.map_err(failed)? else {
        return Err(nobody());
    };
    let account = state.app.store.load_account(subject.account_id).await.map_err(failed)?;
    match account.is_registered() && !account.is_erased() {
        true => Ok(subject),
        false => Err(nobody()),
    }
}

fn about(context: Context, subject: &Subject, reason: Option<&str>) -> Context {
    context.with_account(subject.account_id).with_reason(reason.map(|reason| subject.seal(reason)))
}

/// The person as they are now. Its position can be asked for (`min_position`): every process that has it shows what was done.
async fn changed(state: &ApiState, telegram_id: i64, subject: &Subject) -> Result<Answer, Problem> {
    reach_now(state).await?;
    let user = find(state, telegram_id, None).await?;
    Ok(Answer::new(StatusCode::OK, &UserAt::from(user), Some(subject.account_id)))
}

/// The account refuses only where the person was erased meanwhile.
fn refused(error: UseCaseError) -> Problem {
    match error {
        UseCaseError::Database(error) => Problem::internal(&error),
        UseCaseError::Refused(_) => nobody(),
    }
}
