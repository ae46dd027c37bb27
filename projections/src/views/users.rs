//! Who is this person to us? The one table that other services read, under the public name `users`.
//!
//! Names are opened with the person's own key, which the vault holds until the person is erased; after that neither
//! the live table nor a rebuild can name anybody.

use domain::{AccountId, Limits, Role, Tier};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::database::{Database, DatabaseError};

/// A person, as the public table tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The person, as Telegram knows them.
    pub telegram_id: i64,
    /// The person, as events know them.
    pub account_id: AccountId,
    /// As Telegram last told it.
    pub first_name: Option<String>,
    /// As Telegram last told it.
    pub last_name: Option<String>,
    /// Without the @.
    pub username: Option<String>,
    /// IETF tag.
    pub language_code: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// Whether a session is linked.
    pub is_authenticated: bool,
    /// Refused everywhere.
    pub is_blocked: bool,
    /// `free` without a subscription.
    pub subscription_type: Tier,
    /// Whether it runs.
    pub subscription_status: SubscriptionStatus,
    /// None without one.
    pub subscription_started_at: Option<Timestamp>,
    /// None: unlimited, or none.
    pub subscription_expires_at: Option<Timestamp>,
    /// Of the limits.
    pub max_channels: i32,
    /// As granted; without a running subscription the free ones.
    pub limits: Limits,
    /// Who made the invite that started the first subscription.
    pub invited_by: Option<AccountId>,
    /// Whether the linked session was handed over.
    pub session_exported: bool,
    /// When the person first wrote to us.
    pub created_at: Timestamp,
    /// When anything here last changed.
    pub updated_at: Timestamp,
}

/// Whether a person's subscription runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// There never was one.
    None,
    /// It runs.
    Active,
    /// Its time is over.
    Expired,
}

/// What Telegram tells about a person; the JSON that `AccountRegistered` and `ProfileChanged` hold sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// First name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Without the @.
    #[serde(default)]
    pub username: Option<String>,
    /// IETF tag.
    #[serde(default)]
    pub language_code: Option<String>,
}

const COLUMNS: &str = "telegram_id, account_id, first_name, last_name, username, language_code, role, \
     is_authenticated, is_blocked, subscription_type, subscription_status, subscription_started_at, \
     subscription_expires_at, max_channels, limits, invited_by, session_exported, created_at, updated_at";

/// A person by their Telegram id.
///
/// # Errors
/// The database's.
pub async fn by_telegram_id(db: &Database, telegram_id: i64) -> Result<Option<User>, DatabaseError> {
    let sql = format!("select to_jsonb(r) from (select {COLUMNS} from users where telegram_id = $1) r");
    let row = sqlx::query_scalar(&sql).bind(telegram_id).fetch_optional(db.pool()).await?;
    Ok(row.map(|Json(row)| row))
}

/// A person by their account id.
///
/// # Errors
/// The database's.
pub async fn by_account(db: &Database, account: AccountId) -> Result<Option<User>, DatabaseError> {
    let sql = format!("select to_jsonb(r) from (select {COLUMNS} from users where account_id = $1) r");
    let row = sqlx::query_scalar(&sql).bind(account.0).fetch_optional(db.pool()).await?;
    Ok(row.map(|Json(row)| row))
}

/// People, the latest to register first.
///
/// # Errors
/// The database's.
pub async fn list(db: &Database, limit: i64, offset: i64) -> Result<Vec<User>, DatabaseError> {
    let sql = format!(
        "select to_jsonb(r) from (select {COLUMNS} from users order by created_at desc, account_id \
         limit $1 offset $2) r"
    );
    let rows: Vec<Json<User>> =
        sqlx::query_scalar(&sql).bind(limit).bind(offset).fetch_all(db.pool()).await?;
    Ok(rows.into_iter().map(|Json(row)| row).collect())
}

/// How many people there are.
///
/// # Errors
/// The database's.
pub async fn count(db: &Database) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar("select count(*) from users").fetch_one(db.pool()).await?)
}
