//! The text of a message, as Standard Webhooks names its parts:
//!
//! ```json
//! {"type": "subscription.started", "timestamp": "2026-11-29T10:00:00Z",
//!  "data": {"position": 17, "account_id": "…", "telegram_id": 139883458, "login_id": "…", "tier": "premium", …}}
//! ```
//! The same message has the same text at each try.

use domain::{AccountEvent, AccountId, Event, LoginEvent, LoginId};
use eventlog::LogEvent;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::message_type::MessageType;

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    /// Of the event; null in a test.
    position: Option<i64>,
    account_id: Option<AccountId>,
    /// Null in a test, and in `user.erased`: nobody knows it any more.
    telegram_id: Option<i64>,
    login_id: Option<&'a str>,
    #[serde(flatten)]
    details: Map<String, Value>,
}

/// The message about an event. None: the event cannot be read.
pub(crate) fn of_event(
    kind: MessageType,
    event: &LogEvent,
    account: AccountId,
    telegram_id: Option<i64>,
) -> Option<String> {
    let decoded = event.event.as_ref().ok()?;
    let details = match details(decoded) {
        Value::Object(details) => details,
        _ => Map::new(),
    };
    let login_id = login_of(event, decoded);
    let data =
        Data { position: Some(event.position), account_id: Some(account), telegram_id, login_id, details };
    Some(text(kind, decoded.at(), data))
}

/// The message that only tries the webhook.
pub(crate) fn of_test(created_at: Timestamp) -> String {
    let nobody =
        Data { position: None, account_id: None, telegram_id: None, login_id: None, details: Map::new() };
    text(MessageType::Test, created_at, nobody)
}

fn text(kind: MessageType, timestamp: Timestamp, data: Data<'_>) -> String {
    serde_json::to_string(&Message { r#type: kind.name(), timestamp, data }).expect("a message is plain data")
}

fn login_of<'a>(event: &'a LogEvent, decoded: &'a Event) -> Option<&'a str> {
    let named = match decoded {
        Event::Login(_) => return Some(&event.stream_id),
        Event::Account(AccountEvent::SubscriptionActivated { login_id, .. }) => Some(login_id),
        Event::Account(account) => account.ended_session(),
        Event::Invite(_) | Event::Audit(_) | Event::Service(_) | Event::History(_) => None,
    };
    named.or(event.metadata.login_id.as_ref()).map(LoginId::as_str)
}

/// What a message of this type says besides. What is nobody else's business stays out: why an admin blocked somebody, and who
/// confirmed in the person's place.
fn details(event: &Event) -> Value {
    use AccountEvent::{
        SubscriptionActivated, SubscriptionChanged, SubscriptionExpired, SubscriptionRevoked,
    };
    match event {
        Event::Login(LoginEvent::AuthorizationConfirmed { method, .. }) => json!({"method": method}),
        Event::Login(LoginEvent::LoginExpired { .. }) => json!({"status": "expired", "reason": null}),
        Event::Login(LoginEvent::AuthorizationRejected { .. }) => {
            json!({"status": "rejected", "reason": null})
        }
        Event::Login(LoginEvent::LoginCancelled { reason, .. }) => {
            json!({"status": "cancelled", "reason": reason})
        }
        Event::Login(LoginEvent::LoginFailed { reason, .. }) => json!({"status": "failed", "reason": reason}),
        Event::Account(
            SubscriptionActivated { tier, limits, started_at, expires_at, .. }
            | SubscriptionChanged { tier, limits, started_at, expires_at, .. },
        ) => json!({"tier": tier, "limits": limits, "started_at": started_at, "expires_at": expires_at}),
        Event::Account(SubscriptionExpired { tier, .. } | SubscriptionRevoked { tier, .. }) => {
            json!({"tier": tier})
        }
        Event::Login(_)
        | Event::Account(_)
        | Event::Invite(_)
        | Event::Audit(_)
        | Event::Service(_)
        | Event::History(_) => Value::Null,
    }
}
