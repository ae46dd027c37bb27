//! The view `login_status`: one row for each login, with the state of its latest attempt. It holds account ids and no
//! names.
//!
//! The API folds live logins in memory with [`fold`]. It reads the others from here.

use std::borrow::Cow;

use domain::{AccountId, Event, InviteId, LoginEvent, LoginId, LoginState, LoginStatus, StreamKind};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::columns::{Columns as _, columns};
use super::lookups::Lookups;
use super::shape::Shape;
use super::view::{FoldError, Interest, LookupKind, RowsBy, View, stored};
use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Fact, LogEvent};

columns! {
    /// The state of a login: that of its latest attempt.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct LoginRow {
        /// The `session_id` of the Mini App.
        pub login_id: LoginId,
        /// The person who logs in.
        pub account_id: AccountId,
        /// From 1; a retry is the next.
        pub attempt: i32,
        /// The state of the attempt.
        pub status: LoginStatus,
        /// The position of its last event: it only grows.
        pub version: i64,
        /// The position of the event that began the attempt: of two logins, the newer one has the higher position.
        pub started_position: i64,
        /// The invite whose use is reserved.
        pub invite_id: Option<InviteId>,
        /// When the attempt began.
        pub started_at: Timestamp,
        /// When it expires, unless it ends before.
        pub deadline_at: Timestamp,
        /// When the QR code on the screen expires; None before the first.
        pub qr_expires_at: Option<Timestamp>,
        /// How Telegram sent the login code: `app`, `sms`, …
        pub code_via: Option<String>,
        /// The code's number of digits, where known.
        pub code_length: Option<i32>,
        /// The last code was wrong.
        pub code_rejected: bool,
        /// The last password was wrong.
        pub password_rejected: bool,
        /// Why it was cancelled (`person`, `newer_login`, …) or failed (`flood_wait`, …). While it is live: why Telegram
        /// refused the last input of the person (`wrong`, `number_banned`, …).
        pub reason: Option<String>,
        /// When it ended; None while it is live.
        pub ended_at: Option<Timestamp>,
    }
}

/// The state of the login after the event. An event that is not of that login changes nothing.
pub fn fold(row: Option<LoginRow>, event: &LogEvent) -> Option<LoginRow> {
    after(row, &event.fact())
}

fn after(row: Option<LoginRow>, fact: &Fact<'_>) -> Option<LoginRow> {
    let Ok(Event::Login(login_event)) = fact.event else { return row };
    let before = row.as_ref().map(LoginRow::state);
    let state = LoginState::after(before, login_event)?;
    let (login_id, started_position) = match row {
        Some(row) if !matches!(login_event, LoginEvent::LoginStarted { .. }) => {
            (row.login_id, row.started_position)
        }
        _ => (fact.stream_id.parse().ok()?, fact.position),
    };
    Some(LoginRow {
        login_id,
        account_id: state.account_id,
        attempt: integer(state.attempt),
        status: state.status,
        version: fact.position,
        started_position,
        invite_id: state.invite_id,
        started_at: stored(state.started_at),
        deadline_at: stored(state.deadline_at),
        qr_expires_at: state.qr_expires_at.map(stored),
        code_via: state.code_via.as_ref().and_then(name_of),
        code_length: state.code_length.map(integer),
        code_rejected: state.code_rejected,
        password_rejected: state.password_rejected,
        reason: state.reason.as_ref().and_then(name_of),
        ended_at: state.ended_at.map(stored),
    })
}

impl LoginRow {
    /// The state that the row was made from.
    pub fn state(&self) -> LoginState {
        LoginState {
            account_id: self.account_id,
            attempt: u32::try_from(self.attempt).unwrap_or_default(),
            status: self.status,
            invite_id: self.invite_id,
            started_at: self.started_at,
            deadline_at: self.deadline_at,
            qr_expires_at: self.qr_expires_at,
            code_via: self.code_via.as_deref().and_then(named),
            code_length: self.code_length.and_then(|digits| u32::try_from(digits).ok()),
            code_rejected: self.code_rejected,
            password_rejected: self.password_rejected,
            reason: self.reason.as_deref().and_then(named),
            ended_at: self.ended_at,
        }
    }
}

fn integer(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The enum of this stored spelling.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
    T::deserialize(name).ok()
}

/// The stored spelling of a plain enum.
fn name_of(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

/// One login; None for an unknown one.
///
/// # Errors
/// The database's.
pub async fn by_id(db: &Database, login: &LoginId) -> Result<Option<LoginRow>, DatabaseError> {
    let row = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r where login_id = $1"#,
        login.as_str(),
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(|Json(row)| row))
}

/// Every login that may still become authorized, the next to expire first.
///
/// # Errors
/// The database's.
pub async fn live(db: &Database) -> Result<Vec<LoginRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r
            where ended_at is null order by deadline_at"#
    );
    Ok(unwrapped(rows.fetch_all(db.pool()).await?))
}

/// The live logins whose time is over, the first to expire first.
///
/// # Errors
/// The database's.
pub async fn expiring(db: &Database, now: Timestamp, limit: i64) -> Result<Vec<LoginRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r
            where ended_at is null and deadline_at <= $1 order by deadline_at limit $2"#,
        now.to_sqlx() as _,
        limit,
    );
    Ok(unwrapped(rows.fetch_all(db.pool()).await?))
}

/// When the next of the other live logins expires.
///
/// # Errors
/// The database's.
pub async fn next_to_expire(db: &Database, now: Timestamp) -> Result<Option<Timestamp>, DatabaseError> {
    let next = sqlx::query_scalar!(
        r#"select min(deadline_at) as "next: jiff_sqlx::Timestamp" from login_status
            where ended_at is null and deadline_at > $1"#,
        now.to_sqlx() as _,
    );
    Ok(next.fetch_one(db.pool()).await?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// The live logins of one person, oldest first. There is one at most, except between the start of a new one and the
/// end of the one before.
///
/// # Errors
/// The database's.
pub async fn live_of(db: &Database, account: AccountId) -> Result<Vec<LoginRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r
            where account_id = $1 and ended_at is null order by started_at, version"#,
        account.0,
    );
    Ok(unwrapped(rows.fetch_all(db.pool()).await?))
}

/// The live logins of several people, oldest first.
///
/// # Errors
/// The database's.
pub async fn live_of_any(db: &Database, accounts: &[AccountId]) -> Result<Vec<LoginRow>, DatabaseError> {
    let accounts: Vec<uuid::Uuid> = accounts.iter().map(|account| account.0).collect();
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r
            where account_id = any($1) and ended_at is null order by started_at, version"#,
        &accounts,
    );
    Ok(unwrapped(rows.fetch_all(db.pool()).await?))
}

/// The person's latest logins, newest first.
///
/// # Errors
/// The database's.
pub async fn latest_of(
    db: &Database,
    account: AccountId,
    limit: i64,
) -> Result<Vec<LoginRow>, DatabaseError> {
    let rows = sqlx::query_scalar!(
        r#"select to_jsonb(r) as "row!: Json<LoginRow>" from login_status r
            where account_id = $1 order by version desc limit $2"#,
        account.0,
        limit,
    );
    Ok(unwrapped(rows.fetch_all(db.pool()).await?))
}

fn unwrapped(rows: Vec<Json<LoginRow>>) -> Vec<LoginRow> {
    rows.into_iter().map(|Json(row)| row).collect()
}

/// The view `login_status`.
pub(super) struct LoginStatusView;

impl View for LoginStatusView {
    type Row = LoginRow;

    const SHAPE: Shape = Shape {
        name: "login_status",
        key: "login_id",
        key_type: "text",
        columns: LoginRow::NAMES,
        version: 1,
    };

    const INTEREST: Interest =
        Interest { rows_by: RowsBy::Stream(StreamKind::Login), events: &[], lookups: LookupKind::None };

    fn key<'a>(fact: &Fact<'a>) -> Option<Cow<'a, str>> {
        (fact.stream == StreamKind::Login.name()).then_some(Cow::Borrowed(fact.stream_id))
    }

    fn fold(row: Option<LoginRow>, fact: &Fact<'_>, _: &Lookups) -> Result<Option<LoginRow>, FoldError> {
        Ok(after(row, fact))
    }
}
