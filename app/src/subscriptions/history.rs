//! The history of a person's subscription: what was granted, when, and by what.

use domain::{AccountEvent, AccountId, Event, StreamKind, Tier};
use eventlog::{DatabaseError, Log};
use jiff::Timestamp;

use crate::app::App;

/// Something that happened to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which subscription.
    pub tier: Tier,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It was granted until then; None: without an end.
    Granted {
        /// The end.
        until: Option<Timestamp>,
        /// By what.
        by: Granter,
    },
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
}

/// What happened to this person's subscriptions, the oldest first.
///
/// # Errors
/// The database's.
pub async fn history(app: &App, account: AccountId) -> Result<Vec<Entry>, DatabaseError> {
    let events = Log::new(&app.db).stream(StreamKind::Account, &account.to_string()).await?;
    let entries = events.iter().filter_map(|event| {
        let Ok(Event::Account(it)) = &event.event else { return None };
        let by_a_person = event.metadata.actor.parse::<AccountId>().is_ok();
        let (tier, what) = match it {
            AccountEvent::SubscriptionActivated { tier, expires_at, .. } => {
                (*tier, What::Granted { until: *expires_at, by: Granter::Invite })
            }
            AccountEvent::SubscriptionChanged { tier, expires_at, .. } => {
                let by = if by_a_person { Granter::Admin } else { Granter::Service };
                (*tier, What::Granted { until: *expires_at, by })
            }
            AccountEvent::SubscriptionExpired { tier, .. } => (*tier, What::Expired),
            AccountEvent::SubscriptionRevoked { tier, .. } => (*tier, What::Revoked),
            AccountEvent::AccountRegistered { .. }
            | AccountEvent::ProfileChanged { .. }
            | AccountEvent::RoleChanged { .. }
            | AccountEvent::AccountBlocked { .. }
            | AccountEvent::AccountUnblocked { .. }
            | AccountEvent::LoggedOut { .. }
            | AccountEvent::AuthorizationRevoked { .. }
            | AccountEvent::SessionExported { .. }
            | AccountEvent::AccountErased { .. } => return None,
        };
        Some(Entry { at: it.at(), tier, what })
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::{AccountCommand, Tiers};
    use eventlog::Context;
    use vault::DerivedKeys;

    use super::*;
    use crate::testing::Story;

    #[tokio::test]
    async fn a_history_tells_what_was_granted_by_what_and_how_it_ended() {
        let story = Story::begin().await;
        let app =
            App::new(&story.db, Arc::new(DerivedKeys::random()), story.clock.clone(), story.tiers.clone());
        let (ilya, admin) = (story.person(1, "{}").await, story.person(2, "{}").await);
        let invite = story.invite(1, None).await;
        let begun = story.clock.now();
        let login = story.redeem(ilya, invite).await;
        story.settle().await;
        story.confirm(ilya, invite, &login).await;
        story.settle().await;
        let day = |days: u64| begun + Duration::from_secs(days * 24 * 3600);
        story.manual_clock.set(day(1));
        story.account(ilya, AccountCommand::RevokeSubscription { at: day(1) }).await;
        let grant = |at| AccountCommand::ChangeSubscription {
            tier: Tier::Basic,
            days: 1,
            limits: Tiers::default().limits(Tier::Basic),
            change_id: None,
            at,
        };
        story.store.account(ilya, grant(day(2)), Context::by(admin)).await.unwrap();
        story.store.account(ilya, grant(day(2)), Context::tool("import")).await.unwrap();
        story.account(ilya, AccountCommand::ExpireSubscription { at: day(4) }).await;
        story.settle().await;

        let told = history(&app, ilya).await.unwrap();

        let entry = |days, tier, what| Entry { at: day(days), tier, what };
        let granted = |until, by| What::Granted { until: Some(day(until)), by };
        assert_eq!(
            told,
            [
                entry(0, Tier::Premium, granted(30, Granter::Invite)),
                entry(1, Tier::Premium, What::Revoked),
                entry(2, Tier::Basic, granted(3, Granter::Admin)),
                entry(2, Tier::Basic, granted(4, Granter::Service)),
                entry(4, Tier::Basic, What::Expired),
            ]
        );
        assert_eq!(history(&app, admin).await.unwrap(), []);
    }
}
