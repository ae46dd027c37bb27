//! `GET /api/admin/summary`: how everything stands now, for the first page of the admins' app. No number of it is counted row by row.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Method;
use axum::routing::get;
use eventlog::DatabaseError;
use jiff::Timestamp;
use messages::inbox::{RefusedUpdates, Summary as RefusedSummary};
use projections::lag::{self, Delay, Progress};
use projections::statistics::{self, Bucket};
use projections::totals::{Totals, totals};
use projections::views::hourly_counts::Counts;
use serde::Serialize;
use texts::http::Alarm;
use utoipa::ToSchema;

use super::guard::Admin;
use web::json::names::TierName;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// A view that is behind for longer is an alarm, as for `/readyz`.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/admin/summary", get(summary))]
}

/// How everything stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    /// When this was true.
    at: Timestamp,
    /// People who are not erased.
    people: i64,
    /// People with a linked session.
    authenticated: i64,
    /// People who are blocked.
    blocked: i64,
    /// Logins that may still become authorized.
    live_logins: i64,
    today: Today,
    /// Each tier of which somebody has a subscription.
    subscriptions: Vec<ActiveTier>,
    expiring: Expiring,
    /// Invites that can still be redeemed.
    open_invites: i64,
    lag: LagBody,
    /// Rows of views, and events of the reactor, that stand still.
    parked: usize,
    /// What has to be repaired.
    alarms: Vec<AlarmBody>,
}

/// What happened since midnight UTC.
#[derive(Serialize, ToSchema)]
struct Today {
    /// People who wrote to the bot for the first time.
    registered: i64,
    logins: EndedLogins,
    /// Final uses of invites.
    invites_used: i64,
}

/// Attempts that have ended, by how they did.
#[derive(Serialize, ToSchema)]
struct EndedLogins {
    authorized: i64,
    expired: i64,
    cancelled: i64,
    /// Another account confirmed.
    rejected: i64,
    failed: i64,
}

/// How many have a subscription of a tier.
#[derive(Serialize, ToSchema)]
struct ActiveTier {
    tier: TierName,
    active: i64,
}

/// Subscriptions that end soon.
#[derive(Serialize, ToSchema)]
struct Expiring {
    in_1_day: i64,
    in_7_days: i64,
}

/// How far the views are behind.
#[derive(Serialize, ToSchema)]
#[schema(as = Lag)]
struct LagBody {
    /// Events that have no position yet.
    unplaced: i64,
    /// Events that the view which is furthest behind has not taken in.
    behind: i64,
    /// When the oldest event that is waited for was recorded; null: none is.
    #[schema(required)]
    waiting_since: Option<Timestamp>,
}

/// Something that has to be repaired.
#[derive(Serialize, ToSchema)]
#[schema(as = Alarm)]
struct AlarmBody {
    /// For programs: `nobody_leads`, `behind`, `live_logins`, `token_refused`, `parked`, `refused_updates`.
    kind: &'static str,
    /// For people, in the admin's language.
    text: String,
}

/// How everything stands now.
#[utoipa::path(
    get,
    path = "/api/admin/summary",
    operation_id = "get_summary",
    tag = "statistics",
    responses((status = 200, description = "How everything stands", body = Summary), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn summary(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
) -> Result<Json<Summary>, Problem> {
    let failed = |error: DatabaseError| Problem::internal(admin.language, &error);
    let (db, now) = (&state.app.db, state.app.clock.now());
    let midnight = Bucket::Day.beginning(now);
    // At the same time: each is a few lookups.
    let refused = RefusedUpdates::new(db);
    let (totals, today, progress, refused) = tokio::try_join!(
        totals(db, now),
        statistics::since(db, midnight),
        lag::progress(db, LONGEST_DELAY),
        refused.summary()
    )
    .map_err(failed)?;
    let alarms = alarms(&state, &progress, refused)
        .into_iter()
        .map(|alarm| AlarmBody { kind: alarm.kind(), text: alarm.say(admin.language) })
        .collect();
    Ok(Json(body(now, totals, &today, &progress, alarms)))
}

fn body(
    now: Timestamp,
    totals: Totals,
    today: &Counts,
    progress: &Progress,
    alarms: Vec<AlarmBody>,
) -> Summary {
    let waiting = progress.consumers.iter().filter_map(|consumer| consumer.waiting_since);
    let subscriptions = totals.subscriptions.iter();
    Summary {
        at: now,
        people: totals.people,
        authenticated: totals.authenticated,
        blocked: totals.blocked,
        live_logins: totals.live_logins,
        today: Today {
            registered: today.registered,
            logins: EndedLogins {
                authorized: today.logins_authorized,
                expired: today.logins_expired,
                cancelled: today.logins_cancelled,
                rejected: today.logins_rejected,
                failed: today.logins_failed,
            },
            invites_used: today.invites_used,
        },
        subscriptions: subscriptions
            .map(|(tier, active)| ActiveTier { tier: (*tier).into(), active: *active })
            .collect(),
        expiring: Expiring { in_1_day: totals.ending_in_1_day, in_7_days: totals.ending_in_7_days },
        open_invites: totals.open_invites,
        lag: LagBody {
            unplaced: progress.unplaced,
            behind: progress.consumers.iter().map(|consumer| consumer.behind).max().unwrap_or(0),
            waiting_since: waiting.chain(progress.unplaced_since).min(),
        },
        parked: usize::try_from(parked(progress)).unwrap_or(usize::MAX),
        alarms,
    }
}

fn parked(progress: &Progress) -> i64 {
    progress.parked.values().sum()
}

/// What `/readyz` would say of this process, and what the bot tells admins.
fn alarms(state: &ApiState, progress: &Progress, refused: Option<RefusedSummary>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    match progress.delay(LONGEST_DELAY) {
        Some(Delay::NobodyLeads) => alarms.push(Alarm::NobodyLeads),
        Some(Delay::Behind(waited)) => {
            alarms.push(Alarm::Behind { seconds: i64::try_from(waited.as_secs()).unwrap_or(i64::MAX) });
        }
        None => {}
    }
    if !state.live_logins.follows() {
        alarms.push(Alarm::LiveLogins);
    }
    if (state.token_is_refused)() {
        alarms.push(Alarm::TokenRefused);
    }
    if let Some(refused) = refused {
        alarms.push(Alarm::RefusedUpdates { count: refused.count });
    }
    if parked(progress) > 0 {
        alarms.push(Alarm::Parked { count: parked(progress) });
    }
    alarms
}
