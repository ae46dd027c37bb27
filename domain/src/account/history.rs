//! The history of a person's subscription, as their account's events tell it.

use jiff::Timestamp;

use super::event::AccountEvent;
use super::past::{PastChange, PastChangeKind};
use crate::tier::Tier;

/// Something that happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionStep {
    /// When.
    pub at: Timestamp,
    /// Which subscription.
    pub tier: Tier,
    /// What.
    pub what: SubscriptionChange,
}

/// What happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// It was granted until then; None: without an end.
    Granted {
        /// The end.
        until: Option<Timestamp>,
        /// By what.
        by: Granter,
    },
    /// It happened in the system that the person was taken over from.
    Before(PastChangeKind),
    /// Its time was over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

/// By what a subscription was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granter {
    /// A login with an invite.
    Invite,
    /// An admin in person.
    Admin,
    /// A tool or a service.
    Service,
    /// The system that the person was taken over from.
    Import,
}

impl SubscriptionStep {
    /// What an event did to the subscription; None: nothing. `by_a_person`: a person caused the event.
    pub fn of(event: &AccountEvent, by_a_person: bool) -> Option<Self> {
        let (tier, what) = match event {
            AccountEvent::SubscriptionActivated { tier, expires_at, .. } => {
                (*tier, SubscriptionChange::Granted { until: *expires_at, by: Granter::Invite })
            }
            AccountEvent::SubscriptionChanged { tier, expires_at, .. } => {
                let by = if by_a_person { Granter::Admin } else { Granter::Service };
                (*tier, SubscriptionChange::Granted { until: *expires_at, by })
            }
            AccountEvent::SubscriptionImported { tier, expires_at, .. } => {
                (*tier, SubscriptionChange::Granted { until: *expires_at, by: Granter::Import })
            }
            AccountEvent::SubscriptionHistoryImported { change, .. } => {
                let PastChange { changed_at, change, from_tier, to_tier, .. } = change;
                let tier = to_tier.or(*from_tier).unwrap_or(Tier::Free);
                return Some(Self { at: *changed_at, tier, what: SubscriptionChange::Before(*change) });
            }
            AccountEvent::SubscriptionExpired { tier, .. } => (*tier, SubscriptionChange::Expired),
            AccountEvent::SubscriptionRevoked { tier, .. } => (*tier, SubscriptionChange::Revoked),
            AccountEvent::AccountRegistered { .. }
            | AccountEvent::ProfileChanged { .. }
            | AccountEvent::RoleChanged { .. }
            | AccountEvent::AccountBlocked { .. }
            | AccountEvent::AccountUnblocked { .. }
            | AccountEvent::LoggedOut { .. }
            | AccountEvent::AuthorizationRevoked { .. }
            | AccountEvent::SessionExported { .. }
            | AccountEvent::SessionImported { .. }
            | AccountEvent::SessionRejected { .. }
            | AccountEvent::SessionReturned { .. }
            | AccountEvent::RebuildOrdered { .. }
            | AccountEvent::RebuildCancelled { .. }
            | AccountEvent::ParkedReplayOrdered { .. }
            | AccountEvent::AccountErased { .. } => return None,
        };
        Some(Self { at: event.at(), tier, what })
    }
}
