//! `GET /api/admin/statistics`: what happened over time, by hours, days or weeks of UTC.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::get;
use eventlog::DatabaseError;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use projections::statistics::{BadRange, Bucket, Range, buckets};
use projections::views::hourly_counts::Counts;
use serde::{Deserialize, Serialize};
use texts::http::Text;
use utoipa::{IntoParams, ToSchema};

use super::guard::Admin;
use web::json::input::Parameters;
use web::json::refusals::Refusals;
use web::problem::Problem;
use web::route::Route;
use web::state::ApiState;

/// What is shown where nothing is asked for.
const USUAL: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn table() -> Vec<Route> {
    vec![(Method::GET, "/api/admin/statistics", get(over_time))]
}

/// Which stretch of time, in which parts. At most 1000 parts are answered.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatisticsQuery {
    /// From this day or time on; 30 days before the end, unless told otherwise.
    #[param(pattern = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$")]
    from: Option<String>,
    /// Up to this day, including it, or up to this time; until now, unless told otherwise.
    #[param(pattern = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?$")]
    to: Option<String>,
    /// What is added up together.
    #[serde(default)]
    #[param(inline, value_type = Option<BucketName>)]
    bucket: BucketName,
}

/// An hour, a day, or a week from Monday on; of UTC.
#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum BucketName {
    Hour,
    #[default]
    Day,
    Week,
}

/// What happened over time.
#[derive(Serialize, ToSchema)]
pub(super) struct Statistics {
    /// The beginning of the first bucket.
    from: Timestamp,
    /// The end of the last bucket.
    to: Timestamp,
    bucket: BucketName,
    /// One after the other, also those in which nothing happened.
    buckets: Vec<BucketBody>,
}

/// What happened in an hour, a day or a week.
#[derive(Serialize, ToSchema)]
#[schema(as = Bucket)]
struct BucketBody {
    start: Timestamp,
    /// People who wrote to the bot for the first time, also those who were erased since.
    registered: i64,
    logins: Logins,
    ways: Ways,
    subscriptions: Subscriptions,
    /// From the start of an attempt to its confirmation; null: nobody logged in.
    #[schema(required)]
    seconds_to_log_in: Option<SecondsBody>,
}

/// Attempts that began or ended; a retry is one more.
#[derive(Serialize, ToSchema)]
struct Logins {
    started: i64,
    authorized: i64,
    expired: i64,
    cancelled: i64,
    /// Another account confirmed.
    rejected: i64,
    failed: i64,
}

/// By which way people confirmed.
#[derive(Serialize, ToSchema)]
struct Ways {
    /// A QR code, or its link.
    qr: i64,
    /// A code on one phone.
    phone: i64,
}

/// Subscriptions that began or ended.
#[derive(Serialize, ToSchema)]
struct Subscriptions {
    /// Activated, granted or renewed: how many of each tier; a tier of which there was none is missing.
    started: BTreeMap<&'static str, i64>,
    /// Expired or revoked.
    ended: i64,
}

/// How long people took to log in.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondsToLogIn)]
struct SecondsBody {
    /// Half of them took at most so long.
    p50: f64,
    /// Nine of ten took at most so long.
    p90: f64,
    /// How many they are.
    count: i64,
}

/// What happened over time.
#[utoipa::path(
    get,
    path = "/api/admin/statistics",
    operation_id = "get_statistics",
    tag = "statistics",
    params(StatisticsQuery),
    responses((status = 200, description = "What happened over time", body = Statistics), Refusals)
)]
#[tracing::instrument(name = "request", level = "error", skip_all, fields(account.id))]
pub(super) async fn over_time(
    State(state): State<Arc<ApiState>>,
    admin: Admin,
    Parameters(asked): Parameters<StatisticsQuery>,
) -> Result<Json<Statistics>, Problem> {
    let bad = |text| Problem::new(StatusCode::BAD_REQUEST, admin.language, text);
    let range = range(&asked, state.app.clock.now()).map_err(|error| match error {
        Some(BadRange::TooLong) => bad(Text::RangeTooLong),
        Some(BadRange::Backwards) | None => bad(Text::BadRequest),
    })?;
    let failed = |error: DatabaseError| Problem::internal(admin.language, &error);
    let read = state.read(|app| async move { buckets(&app.db, range).await });
    let buckets = read.await.map_err(failed)?;
    Ok(Json(Statistics {
        from: range.from,
        to: range.to,
        bucket: asked.bucket,
        buckets: buckets.into_iter().map(|(start, counts)| BucketBody::of(start, &counts)).collect(),
    }))
}

/// None as an error: one of the times cannot be read.
fn range(asked: &StatisticsQuery, now: Timestamp) -> Result<Range, Option<BadRange>> {
    let bucket = match asked.bucket {
        BucketName::Hour => Bucket::Hour,
        BucketName::Day => Bucket::Day,
        BucketName::Week => Bucket::Week,
    };
    let to = match &asked.to {
        Some(text) => read(text, SignedDuration::from_hours(24)).ok_or(None)?,
        None => now,
    };
    let from = match &asked.from {
        Some(text) => read(text, SignedDuration::ZERO).ok_or(None)?,
        // With the day that runs, 30 days.
        None => to.checked_sub(USUAL).map_err(|_| None)? + SignedDuration::from_hours(24),
    };
    Range::new(from, to, bucket).map_err(Some)
}

/// A time, or the beginning of a day and so much after it.
fn read(text: &str, of_a_day: SignedDuration) -> Option<Timestamp> {
    if text.len() == 10 {
        let date: Date = text.parse().ok().filter(|date: &Date| date.to_string() == text)?;
        let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        return midnight.checked_add(of_a_day).ok();
    }
    let is_time = text.len() >= 20 && text.as_bytes()[10] == b'T' && !text.ends_with(']');
    is_time.then(|| text.parse().ok()).flatten()
}

impl BucketBody {
    fn of(start: Timestamp, counts: &Counts) -> Self {
        let seconds = &counts.seconds_to_log_in;
        let percentiles = seconds.percentile(0.5).zip(seconds.percentile(0.9));
        Self {
            start,
            registered: counts.registered,
            logins: Logins {
                started: counts.logins_started,
                authorized: counts.logins_authorized,
                expired: counts.logins_expired,
                cancelled: counts.logins_cancelled,
                rejected: counts.logins_rejected,
                failed: counts.logins_failed,
            },
            ways: Ways { qr: counts.by_qr, phone: counts.by_phone },
            subscriptions: Subscriptions {
                started: counts
                    .subscriptions_started
                    .iter()
                    .map(|(tier, count)| (tier.name(), count))
                    .collect(),
                ended: counts.subscriptions_ended.total(),
            },
            seconds_to_log_in: percentiles.map(|(p50, p90)| SecondsBody { p50, p90, count: seconds.total() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Option<BadRange>> {
        let query = StatisticsQuery {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            bucket: BucketName::Day,
        };
        let range = range(&query, "2026-11-29T10:00:00Z".parse().unwrap())?;
        Ok((range.from.to_string(), range.to.to_string()))
    }

    #[test]
    fn a_day_is_whole_and_without_days_there_are_thirty() {
        let whole = |from: &str, to: &str| Ok((format!("{from}T00:00:00Z"), format!("{to}T00:00:00Z")));
        assert_eq!(asked(None, None), whole("2026-10-31", "2026-11-30"));
        assert_eq!(asked(Some("2026-11-01"), Some("2026-11-02")), whole("2026-11-01", "2026-11-03"));
        assert_eq!(
            asked(Some("2026-11-01T23:00:00Z"), Some("2026-11-02T00:00:00+03:00")),
            Err(Some(BadRange::Backwards))
        );
        assert_eq!(
            asked(Some("2026-11-01T12:00:00Z"), Some("2026-11-02T12:00:00Z")),
            whole("2026-11-01", "2026-11-03")
        );
    }

    #[test]
    fn what_is_no_time_and_what_is_too_long_is_refused() {
        for text in
            ["", "today", "20261101", "2026-11-31", "2026-11-01 10:00:00Z", "2026-11-01T10:00:00", "1e400"]
        {
            assert_eq!(asked(Some(text), None), Err(None), "{text}");
        }
        assert_eq!(asked(Some("2020-01-01"), None), Err(Some(BadRange::TooLong)));
    }
}
