//! The types of message, as receivers and subscriptions name them. The names never change.

use std::fmt;
use std::str::FromStr;

/// A type of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// A login was confirmed, and its session linked.
    LoginAuthorized,
    /// A login ended without that: expired, cancelled, rejected or failed.
    LoginEnded,
    /// An invite started a subscription.
    SubscriptionStarted,
    /// An admin or a service granted, renewed or replaced one.
    SubscriptionChanged,
    /// Its time was over.
    SubscriptionExpired,
    /// An admin or a service ended it.
    SubscriptionRevoked,
    /// The person ended the linked session in Telegram.
    SessionRevoked,
    /// The person ended the linked session here.
    SessionLoggedOut,
    /// The linked session was handed over to another service.
    SessionExported,
    /// The person is refused everywhere.
    UserBlocked,
    /// The person is let in again.
    UserUnblocked,
    /// Who the person is was forgotten.
    UserErased,
    /// Somebody tries the webhook. It is about no event, and goes to every webhook for which it is ordered.
    Test,
}

/// No message has this type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no message type {0:?}")]
pub struct UnknownType(pub String);

impl MessageType {
    /// Those that a webhook can choose.
    pub const ALL: [Self; 12] = [
        Self::LoginAuthorized,
        Self::LoginEnded,
        Self::SubscriptionStarted,
        Self::SubscriptionChanged,
        Self::SubscriptionExpired,
        Self::SubscriptionRevoked,
        Self::SessionRevoked,
        Self::SessionLoggedOut,
        Self::SessionExported,
        Self::UserBlocked,
        Self::UserUnblocked,
        Self::UserErased,
    ];

    /// `subscription.started`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LoginAuthorized => "login.authorized",
            Self::LoginEnded => "login.ended",
            Self::SubscriptionStarted => "subscription.started",
            Self::SubscriptionChanged => "subscription.changed",
            Self::SubscriptionExpired => "subscription.expired",
            Self::SubscriptionRevoked => "subscription.revoked",
            Self::SessionRevoked => "session.revoked",
            Self::SessionLoggedOut => "session.logged_out",
            Self::SessionExported => "session.exported",
            Self::UserBlocked => "user.blocked",
            Self::UserUnblocked => "user.unblocked",
            Self::UserErased => "user.erased",
            Self::Test => "webhook.test",
        }
    }

    /// The type of the message about an event of this stored name; None: no message is about it.
    pub fn of_event(name: &str) -> Option<Self> {
        Some(match name {
            "AuthorizationConfirmed" => Self::LoginAuthorized,
            "LoginExpired" | "LoginCancelled" | "LoginFailed" | "AuthorizationRejected" => Self::LoginEnded,
            "SubscriptionActivated" => Self::SubscriptionStarted,
            "SubscriptionChanged" => Self::SubscriptionChanged,
            "SubscriptionExpired" => Self::SubscriptionExpired,
            "SubscriptionRevoked" => Self::SubscriptionRevoked,
            "AuthorizationRevoked" => Self::SessionRevoked,
            "LoggedOut" => Self::SessionLoggedOut,
            "SessionExported" => Self::SessionExported,
            "AccountBlocked" => Self::UserBlocked,
            "AccountUnblocked" => Self::UserUnblocked,
            "AccountErased" => Self::UserErased,
            _ => return None,
        })
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MessageType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| UnknownType(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use domain::Event;

    use super::*;

    #[test]
    fn each_type_but_the_test_is_about_an_event_that_there_is() {
        let told: std::collections::BTreeSet<_> = Event::names().filter_map(MessageType::of_event).collect();
        assert_eq!(told, MessageType::ALL.into());
        for kind in MessageType::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("webhook.test".parse::<MessageType>().is_err(), "nobody subscribes to tests");
    }
}
