//! `/api/admin/invites…`: what there is, one with who used it, make one or many, take one back.
//!
//! The code and its link are for admins alone.

use std::sync::Arc;

use app::invites::{self, LONGEST_NOTE, Listed, MOST_AT_ONCE, MOST_USES, MOST_VALID_DAYS, Order, OrderError};
use app::subscriptions::MOST_DAYS;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::{get, post};
use domain::{AccountId, InviteId, LoginId};
use eventlog::{Context, DatabaseError};
use jiff::Timestamp;
use projections::views::invites::filtered::InviteState;
use projections::views::users;
use serde::{Deserialize, Serialize};
use texts::Language;
use texts::http::Text;
use utoipa::{IntoParams, ToSchema};
use vault::{Origin, installation};

use super::guard::Admin;
use super::idempotency::key;
use web::json::input::{Body, Parameters, Segment, whole, whole_or_null};
use web::json::list::{Limit, next};
use web::json::names::{GivenTier, InviteStateName, TierName};
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// The latest people who used an invite; more are not shown.
const REDEMPTIONS: usize = 1000;

pub(super) fn table() -> Vec<Route> {
    vec![
        (Method::GET, "/api/admin/invites", get(list)),
        (Method::POST, "/api/admin/invites", post(make)),
        (Method::GET, "/api/admin/invites/{invite_id}", get(one)),
        (Method::POST, "/api/admin/invites/{invite_id}/revoke", post(revoke)),
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
    /// How many: 50, unless told otherwise.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200, default = 50)]
    limit: Limit,
    /// The `next` of the page before.
    #[param(value_type = Option<String>, format = Uuid)]
    after: Option<InviteId>,
}

/// An invite.
#[derive(Serialize, ToSchema)]
#[schema(as = Invite)]
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
    /// What people type.
    #[schema(required)]
    code: Option<String>,
    /// Opens the bot's chat and redeems the code there; null: the bot's name is not known yet.
    #[schema(required)]
    link: Option<String>,
    /// For the admins.
    #[schema(required)]
    note: Option<String>,
    /// Null: made at the terminal.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    created_by: Option<AccountId>,
    created_at: Timestamp,
}

/// An invite, and who used it.
#[derive(Serialize, ToSchema)]
pub(super) struct InviteDetails {
    #[serde(flatten)]
    invite: InviteBody,
    /// The latest first, 1000 at most.
    redemptions: Vec<RedemptionBody>,
}

/// One person's use of an invite.
#[derive(Serialize, ToSchema)]
#[schema(as = Redemption)]
struct RedemptionBody {
    #[schema(value_type = String, format = Uuid)]
    account_id: AccountId,
    /// By which login.
    #[schema(value_type = String)]
    login_id: LoginId,
    /// A final use; false while it is only reserved.
    used: bool,
    /// When it was reserved, or used.
    at: Timestamp,
    /// Null once the person is erased.
    #[schema(required)]
    name: Option<String>,
}

/// Invites.
#[derive(Serialize, ToSchema)]
pub(super) struct Invites {
    items: Vec<InviteBody>,
    /// For `after`; null: these were the last ones.
    #[schema(required)]
    next: Option<String>,
}

/// Invites that were made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeInvites {
    items: Vec<InviteBody>,
}

/// Invites to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewInvites {
    tier: GivenTier,
    /// How many people may use each.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 1000000)]
    max_uses: u32,
    /// For how many days it can be redeemed.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 36500)]
    valid_days: u32,
    /// How long the subscription lasts; 0 is unlimited.
    #[serde(deserialize_with = "whole")]
    #[schema(maximum = 36500)]
    subscription_days: u32,
    /// For the admins.
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
    path = "/api/admin/invites",
    operation_id = "list_invites",
    tag = "invites",
    params(InvitesQuery),
    responses((status = 200, description = "A page of invites", body = Invites), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Parameters(asked): Parameters<InvitesQuery>,
) -> Result<Json<Invites>, Problem> {
    let (wanted, after, limit) = (asked.state.map(Into::into), asked.after, asked.limit);
    let found =
        state.read(|app| async move { app.invites().filtered(wanted, after, limit.and_one()).await }).await;
    let mut found = found.map_err(|error| refused(error, admin.language))?;
    let next = next(&mut found, limit, |listed| listed.invite.invite_id.to_string());
    let shown = Shown::of(&state, admin.language).await?;
    Ok(Json(Invites { items: found.into_iter().map(|listed| shown.listed(listed)).collect(), next }))
}

/// One invite, and who used it.
#[utoipa::path(
    get,
    path = "/api/admin/invites/{invite_id}",
    operation_id = "get_invite",
    tag = "invites",
    params(("invite_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The invite", body = InviteDetails), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn one(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(invite_id): Segment<InviteId>,
) -> Result<Json<InviteDetails>, Problem> {
    let (app, language) = (&state.app, admin.language);
    let failed = |error: DatabaseError| Problem::internal(language, &error);
    app.catch_up().await.map_err(failed)?;
    let listed = app.invites().show_by_id(invite_id).await.map_err(|error| refused(error, language))?;
    let mut used: Vec<_> = listed.invite.redemptions.iter().map(|(who, how)| (*who, how.clone())).collect();
    used.sort_by_key(|(_, how)| std::cmp::Reverse(how.at));
    used.truncate(REDEMPTIONS);
    let people: Vec<_> = used.iter().map(|(who, _)| *who).collect();
    let people = users::by_accounts(&app.db, &people).await.map_err(failed)?;
    let redemptions = used.into_iter().map(|(account_id, how)| RedemptionBody {
        account_id,
        login_id: how.login_id,
        used: how.used,
        at: how.at,
        name: people.get(&account_id).map(|user| {
            let names = [&user.first_name, &user.last_name].into_iter().flatten().cloned();
            names.collect::<Vec<_>>().join(" ")
        }),
    });
    let redemptions = redemptions.collect();
    let invite = Shown::of(&state, language).await?.listed(listed);
    Ok(Json(InviteDetails { invite, redemptions }))
}

/// Makes invites, each with a code of its own. With an `Idempotency-Key` the same order makes them once.
#[utoipa::path(
    post,
    path = "/api/admin/invites",
    operation_id = "make_invites",
    tag = "invites",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key makes them once", max_length = 64, pattern = "^[A-Za-z0-9._:-]+$"),
    ),
    request_body = NewInvites,
    responses((status = 201, description = "The invites", body = MadeInvites), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn make(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    headers: HeaderMap,
    Body(new): Body<NewInvites>,
) -> Result<(StatusCode, Json<MadeInvites>), Problem> {
    let language = admin.language;
    let key = key(&headers, language)?;
    let count = new.count.unwrap_or(1);
    if !new.fits() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest));
    }
    let refused = |error| refused(error, language);
    let app = &state.app;
    let mut made = Vec::new();
    for number in 0..count {
        let invite_id = match &key {
            Some(key) => Some(ordered_id(&state, &admin, key, number).await?),
            None => None,
        };
        let order = Order {
            invite_id,
            max_uses: new.max_uses,
            valid_days: new.valid_days,
            subscription_days: Some(new.subscription_days),
            created_by: Some(admin.account_id),
            note: new.note.clone(),
            ..Order::new(new.tier.into())
        };
        let invite = app.invites().create(order, Context::by(admin.account_id)).await.map_err(refused)?;
        made.push(invite.invite_id);
    }
    // As they are now: those of an order that came before may have been used.
    app.catch_up().await.map_err(|error| Problem::internal(language, &error))?;
    let shown = Shown::of(&state, language).await?;
    let mut items = Vec::new();
    for invite_id in made {
        items.push(shown.listed(app.invites().show_by_id(invite_id).await.map_err(refused)?));
    }
    Ok((StatusCode::CREATED, Json(MadeInvites { items })))
}

/// Lets nobody redeem an invite any more. A login that has reserved it goes on.
#[utoipa::path(
    post,
    path = "/api/admin/invites/{invite_id}/revoke",
    operation_id = "revoke_invite",
    tag = "invites",
    params(("invite_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The invite now", body = InviteBody), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn revoke(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Segment(invite_id): Segment<InviteId>,
) -> Result<Json<InviteBody>, Problem> {
    let (app, language) = (&state.app, admin.language);
    let refused = |error| refused(error, language);
    app.invites().revoke_by_id(invite_id, Context::by(admin.account_id)).await.map_err(refused)?;
    app.catch_up().await.map_err(|error| Problem::internal(language, &error))?;
    let listed = app.invites().show_by_id(invite_id).await.map_err(refused)?;
    Ok(Json(Shown::of(&state, language).await?.listed(listed)))
}

impl NewInvites {
    fn fits(&self) -> bool {
        (1..=MOST_USES).contains(&self.max_uses)
            && (1..=MOST_VALID_DAYS).contains(&self.valid_days)
            && self.subscription_days <= MOST_DAYS
            && self
                .note
                .as_ref()
                .is_none_or(|note| note.chars().count() <= LONGEST_NOTE && !note.contains('\0'))
            && self.count.is_none_or(|count| (1..=MOST_AT_ONCE).contains(&count))
    }
}

/// The id of one of the invites that a request with a key orders: the same, however often it comes.
async fn ordered_id(state: &ApiState, admin: &Admin, key: &str, number: u32) -> Result<InviteId, Problem> {
    let origin = Origin::Request(key.to_owned(), number);
    let seed = state.app.vault.order(admin.telegram_id, &origin).await;
    seed.map(|seed| invites::id_of(&seed)).map_err(|error| Problem::internal(admin.language, &error))
}

/// How invites are shown at this moment.
struct Shown {
    now: Timestamp,
    username: Option<String>,
}

impl Shown {
    async fn of(state: &ApiState, language: Language) -> Result<Self, Problem> {
        let username = installation::bot_username(&state.app.db).await;
        let username = username.map_err(|error| Problem::internal(language, &error))?;
        Ok(Self { now: state.app.clock.now(), username })
    }

    fn link(&self, code: &str) -> Option<String> {
        self.username.as_deref().map(|username| invites::link(username, code))
    }

    fn listed(&self, listed: Listed) -> InviteBody {
        let Listed { invite, code, note, .. } = listed;
        InviteBody {
            state: InviteState::of(&invite, self.now).into(),
            invite_id: invite.invite_id,
            tier: invite.tier.into(),
            max_uses: invite.max_uses,
            reserved: invite.reserved,
            used: invite.used,
            valid_until: invite.valid_until,
            subscription_days: invite.subscription_days,
            link: code.as_deref().and_then(|code| self.link(code)),
            code,
            note,
            created_by: invite.created_by,
            created_at: invite.created_at,
        }
    }
}

fn refused(error: OrderError, language: Language) -> Problem {
    match error {
        OrderError::Unknown => Problem::new(StatusCode::NOT_FOUND, language, Text::InviteUnknown),
        OrderError::Database(error) => Problem::internal(language, &error),
        OrderError::CodeTaken | OrderError::Store(_) => Problem::internal(language, &error),
        OrderError::BadCode | OrderError::NoUses | OrderError::BadValidity => {
            Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest)
        }
    }
}
