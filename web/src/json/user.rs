//! A person as the API shows them.

use domain::{AccountId, Limits};
use jiff::Timestamp;
use projections::views::users::User;
use serde::Serialize;
use utoipa::ToSchema;

use super::names::{RoleName, StatusName, TierName};

/// A person.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserBody {
    /// The id in events.
    #[schema(value_type = String, format = Uuid)]
    account_id: AccountId,
    /// The id at Telegram.
    telegram_id: i64,
    #[schema(required)]
    first_name: Option<String>,
    #[schema(required)]
    last_name: Option<String>,
    /// Without the @.
    #[schema(required)]
    username: Option<String>,
    /// IETF tag.
    #[schema(required)]
    language_code: Option<String>,
    role: RoleName,
    /// Whether a session is linked.
    is_authenticated: bool,
    /// A blocked person is refused everywhere.
    is_blocked: bool,
    /// `free` without a subscription.
    subscription_type: TierName,
    subscription_status: StatusName,
    #[schema(required)]
    subscription_started_at: Option<Timestamp>,
    /// Null: unlimited, or none.
    #[schema(required)]
    subscription_expires_at: Option<Timestamp>,
    max_channels: i32,
    limits: LimitsBody,
    /// Who made the invite that started the first subscription.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    invited_by: Option<AccountId>,
    /// Whether the linked session was handed over.
    session_exported: bool,
    /// When the person first wrote to the bot.
    created_at: Timestamp,
    /// When anything here last changed.
    updated_at: Timestamp,
}

/// What a subscription allows.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Limits)]
pub struct LimitsBody {
    max_channels: i32,
    max_groups: i32,
    posts_per_day: i32,
    rag_per_day: i32,
    voice_per_day: i32,
    ai_digest: bool,
    priority: bool,
}

impl UserBody {
    /// As the person may see it: whose invite it was is not theirs to know.
    pub fn for_themselves(self) -> Self {
        Self { invited_by: None, ..self }
    }
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            account_id: user.account_id,
            telegram_id: user.telegram_id,
            first_name: user.first_name,
            last_name: user.last_name,
            username: user.username,
            language_code: user.language_code,
            role: user.role.into(),
            is_authenticated: user.is_authenticated,
            is_blocked: user.is_blocked,
            subscription_type: user.subscription_type.into(),
            subscription_status: user.subscription_status.into(),
            subscription_started_at: user.subscription_started_at,
            subscription_expires_at: user.subscription_expires_at,
            max_channels: user.max_channels,
            limits: user.limits.into(),
            invited_by: user.invited_by,
            session_exported: user.session_exported,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl From<Limits> for LimitsBody {
    fn from(limits: Limits) -> Self {
        let Limits {
            max_channels,
            max_groups,
            posts_per_day,
            rag_per_day,
            voice_per_day,
            ai_digest,
            priority,
        } = limits;
        Self { max_channels, max_groups, posts_per_day, rag_per_day, voice_per_day, ai_digest, priority }
    }
}
