//! `/api/v1/invites…`: what there is, make one or many, take one back. A key sees the codes and notes of the invites that it made, and
//! no others.

use std::sync::Arc;

use app::invites::{
    self, LONGEST_NOTE, Listed, MOST_AT_ONCE, MOST_USES, MOST_VALID_DAYS, Order as InviteOrder, OrderError,
    VALID_DAYS,
};
use app::subscriptions::MOST_DAYS;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use domain::{AccountId, ApiKeyId, InviteId};
use jiff::Timestamp;
use projections::views::invites::filtered::InviteState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vault::{OrderSeed, installation};
use web::json::input::whole_or_null;
use web::json::list::{Limit, next};
use web::json::names::{GivenTier, InviteStateName, TierName};
use web::route::Route;
use web::state::ApiState;

use crate::guard::Caller;
use crate::input::{Nothing, Parameters, Segment, position};
use crate::orders::{Answer, Order, OrderHeaders, id_of, once};
use crate::position::{reach, reach_now};
use crate::problem::Problem;
use crate::refusals::{Refusals, WriteRefusals};
use crate::scope;
use crate::users::MinPosition;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/v1/invites", get(list)),
        (Method::POST, "/api/v1/invites", post(make)),
        (Method::GET, "/api/v1/invites/{invite_id}", get(one)),
        (Method::POST, "/api/v1/invites/{invite_id}/revoke", post(revoke)),
    ]
}

/// Which invites.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InvitesQuery {
    /// Those that stand so.
    #[param(inline)]
    state: Option<InviteStateName>,
    /// How many at most: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<InviteId>,
    /// Wait until the answer is as of this position or later: 5 seconds at most, then 503.
    #[serde(default, deserialize_with = "position")]
    #[param(minimum = 0)]
    min_position: Option<i64>,
}

/// An invite.
#[derive(Serialize, ToSchema)]
#[schema(as = InviteOfService)]
pub(super) struct InviteBody {
    /// The id in events.
    #[schema(value_type = String, format = Uuid)]
    invite_id: InviteId,
    /// The subscription that it gives.
    tier: TierName,
    /// How many people may use it.
    max_uses: i32,
    /// Uses that live logins have reserved.
    reserved: i32,
    /// Final uses.
    used: i32,
    /// From then on it cannot be redeemed.
    valid_until: Timestamp,
    /// 0 is unlimited.
    subscription_days: i32,
    state: InviteStateName,
    /// What people type; null: another key or an admin made it.
    #[schema(required)]
    code: Option<String>,
    /// Opens the bot's chat and redeems the code there; null: as the code, or the bot's name is not known yet.
    #[schema(required)]
    link: Option<String>,
    /// Null: as the code, or there is none.
    #[schema(required)]
    note: Option<String>,
    /// The admin who made it; null: a key, or the terminal.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    created_by: Option<AccountId>,
    /// Whether the key that asks made it.
    is_own: bool,
    created_at: Timestamp,
}

/// Invites.
#[derive(Serialize, ToSchema)]
#[schema(as = InvitePageOfService)]
pub(super) struct Invites {
    items: Vec<InviteBody>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    next: Option<String>,
}

/// Invites that were made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeInvitesOfService)]
pub(super) struct MadeInvites {
    items: Vec<InviteBody>,
}

/// Invites to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInvitesOfService)]
pub(super) struct NewInvites {
    tier: GivenTier,
    /// How many people may use each: 1, unless told otherwise.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(minimum = 1, maximum = 1000000)]
    max_uses: Option<u32>,
    /// For how many days it can be redeemed: 30, unless told otherwise.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(minimum = 1, maximum = 36500)]
    valid_days: Option<u32>,
    /// How long the subscription lasts; 0 is unlimited; null, or left out: as the tier says.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(maximum = 36500)]
    subscription_days: Option<u32>,
    /// For yourself; admins see it, too.
    #[schema(max_length = 200, pattern = r"^[^\x00]*$")]
    note: Option<String>,
    /// How many such invites, each with a code of its own: 1, unless told otherwise.
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(minimum = 1, maximum = 100)]
    count: Option<u32>,
}

/// Invites, newest first, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/invites",
    operation_id = "list_invites_v1",
    tag = "v1",
    params(InvitesQuery),
    security(("key" = ["invites:read"])),
    responses((status = 200, description = "A page of invites", body = Invites), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::InvitesRead>,
    Parameters(asked): Parameters<InvitesQuery>,
) -> Result<Json<Invites>, Problem> {
    reach(&state, asked.min_position).await?;
    let limit = asked.limit;
    let (wanted, after) = (asked.state.map(Into::into), asked.after);
    let found =
        state.read(|app| async move { app.invites().filtered(wanted, after, limit.and_one()).await }).await;
    let mut found = found.map_err(refused)?;
    let next = next(&mut found, limit, |listed| listed.invite.invite_id.to_string());
    let shown = Shown::to(&state, caller.key_id()).await?;
    Ok(Json(Invites { items: found.into_iter().map(|listed| shown.invite(listed)).collect(), next }))
}

/// One invite.
#[utoipa::path(
    get,
    path = "/api/v1/invites/{invite_id}",
    operation_id = "get_invite_v1",
    tag = "v1",
    params(("invite_id" = String, Path, format = Uuid), MinPosition),
    security(("key" = ["invites:read"])),
    responses((status = 200, description = "The invite", body = InviteBody), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::InvitesRead>,
    Segment(invite_id): Segment<InviteId>,
    Parameters(asked): Parameters<MinPosition>,
) -> Result<Json<InviteBody>, Problem> {
    reach(&state, asked.min_position).await?;
    let listed = state.app.invites().show_by_id(invite_id).await.map_err(refused)?;
    Ok(Json(Shown::to(&state, caller.key_id()).await?.invite(listed)))
}

/// Makes invites, each with a code of its own.
#[utoipa::path(
    post,
    path = "/api/v1/invites",
    operation_id = "make_invites_v1",
    tag = "v1",
    params(OrderHeaders),
    request_body = NewInvites,
    security(("key" = ["invites:write"])),
    responses((status = 201, description = "The invites", body = MadeInvites), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::InvitesWrite>,
    _: Parameters<Nothing>,
    Order { body: new, stamp }: Order<NewInvites>,
) -> Result<Answer, Problem> {
    new.check()?;
    let (own, context, key_id) = (state.clone(), caller.context(), caller.key_id().clone());
    let act = move |seed: OrderSeed| async move {
        let mut made = Vec::new();
        for number in 0..new.count.unwrap_or(1) {
            let order = InviteOrder {
                invite_id: Some(InviteId(id_of(&seed, number))),
                max_uses: new.max_uses.unwrap_or(1),
                valid_days: new.valid_days.unwrap_or(VALID_DAYS),
                subscription_days: new.subscription_days,
                made_by_key: Some(key_id.clone()),
                note: new.note.clone(),
                ..InviteOrder::new(new.tier.into())
            };
            let invite = own.app.invites().create(order, context.clone()).await.map_err(refused)?;
            made.push(invite.invite_id);
        }
        let items = now(&own, &key_id, &made).await?;
        Ok(Answer::new(StatusCode::CREATED, &MadeInvites { items }, None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

/// Lets nobody redeem an invite any more. A login that has reserved it goes on.
#[utoipa::path(
    post,
    path = "/api/v1/invites/{invite_id}/revoke",
    operation_id = "revoke_invite_v1",
    tag = "v1",
    params(("invite_id" = String, Path, format = Uuid), OrderHeaders),
    security(("key" = ["invites:write"])),
    responses((status = 200, description = "The invite now", body = InviteBody), WriteRefusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(key.id))]
pub(super) async fn revoke(
    State(state): State<Arc<ApiState>>,
    caller: Caller<scope::InvitesWrite>,
    Segment(invite_id): Segment<InviteId>,
    _: Parameters<Nothing>,
    Order { stamp, .. }: Order<Nothing>,
) -> Result<Answer, Problem> {
    let (own, context, key_id) = (state.clone(), caller.context(), caller.key_id().clone());
    let act = move |_| async move {
        own.app.invites().revoke_by_id(invite_id, context).await.map_err(refused)?;
        let invite = now(&own, &key_id, &[invite_id]).await?.pop();
        Ok(Answer::new(StatusCode::OK, &invite.ok_or_else(unknown)?, None))
    };
    once(&state, caller.key_id(), stamp, act).await
}

impl NewInvites {
    fn check(&self) -> Result<(), Problem> {
        let is_long = |note: &String| note.chars().count() > LONGEST_NOTE || note.contains('\0');
        let outside = |number: Option<u32>, least: u32, most: u32| {
            number.is_some_and(|it| !(least..=most).contains(&it))
        };
        if outside(self.max_uses, 1, MOST_USES) {
            return Err(Problem::BadRequest("`max_uses` is 1 to 1000000."));
        }
        if outside(self.valid_days, 1, MOST_VALID_DAYS) || outside(self.subscription_days, 0, MOST_DAYS) {
            return Err(Problem::BadRequest("Days are at most 36500; `valid_days` is at least 1."));
        }
        if outside(self.count, 1, MOST_AT_ONCE) {
            return Err(Problem::BadRequest("`count` is 1 to 100."));
        }
        match self.note.as_ref().is_some_and(is_long) {
            true => Err(Problem::BadRequest("`note` has at most 200 characters.")),
            false => Ok(()),
        }
    }
}

/// These invites as they are, once the views show them.
async fn now(state: &ApiState, key_id: &ApiKeyId, ids: &[InviteId]) -> Result<Vec<InviteBody>, Problem> {
    reach_now(state).await?;
    let shown = Shown::to(state, key_id).await?;
    let mut items = Vec::new();
    for invite_id in ids {
        items.push(shown.invite(state.app.invites().show_by_id(*invite_id).await.map_err(refused)?));
    }
    Ok(items)
}

/// How invites are shown to a key at this moment.
struct Shown<'a> {
    now: Timestamp,
    username: Option<String>,
    key_id: &'a ApiKeyId,
}

impl<'a> Shown<'a> {
    async fn to(state: &ApiState, key_id: &'a ApiKeyId) -> Result<Self, Problem> {
        let username = installation::bot_username(&state.app.db).await;
        let username = username.map_err(|error| Problem::internal(&error))?;
        Ok(Self { now: state.app.clock.now(), username, key_id })
    }

    fn invite(&self, listed: Listed) -> InviteBody {
        let Listed { invite, code, note, made_by_key } = listed;
        let is_own = made_by_key.as_ref() == Some(self.key_id);
        let code = code.filter(|_| is_own);
        InviteBody {
            state: InviteState::of(&invite, self.now).into(),
            invite_id: invite.invite_id,
            tier: invite.tier.into(),
            max_uses: invite.max_uses,
            reserved: invite.reserved,
            used: invite.used,
            valid_until: invite.valid_until,
            subscription_days: invite.subscription_days,
            link: code.as_deref().zip(self.username.as_deref()).map(|(code, name)| invites::link(name, code)),
            code,
            note: note.filter(|_| is_own),
            created_by: invite.created_by,
            is_own,
            created_at: invite.created_at,
        }
    }
}

const fn unknown() -> Problem {
    Problem::NotFound("There is no invite with this id.")
}

fn refused(error: OrderError) -> Problem {
    match error {
        OrderError::Unknown => unknown(),
        OrderError::Database(error) => Problem::internal(&error),
        OrderError::CodeTaken | OrderError::Store(_) => Problem::internal(&error),
        OrderError::BadCode | OrderError::NoUses | OrderError::BadValidity => {
            Problem::BadRequest("The invite cannot be made so.")
        }
    }
}
