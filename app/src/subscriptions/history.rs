//! The history of a person's subscription: what was granted, when, and by what.

use domain::account::SubscriptionStep;
use domain::{AccountId, Event, StreamKind};
use eventlog::{DatabaseError, Log};

use crate::app::App;

/// What happened to this person's subscriptions, the oldest first.
///
/// # Errors
/// The database's.
pub async fn history(app: &App, account: AccountId) -> Result<Vec<SubscriptionStep>, DatabaseError> {
    let events = Log::new(&app.db).stream(StreamKind::Account, &account.to_string()).await?;
    let steps = events.iter().filter_map(|event| {
        let Ok(Event::Account(decoded)) = &event.event else { return None };
        SubscriptionStep::of(decoded, event.metadata.actor.parse::<AccountId>().is_ok())
    });
    Ok(steps.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use domain::account::{Granter, SubscriptionChange};
    use domain::{AccountCommand, Tier, Tiers};
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

        let step = |days, tier, what| SubscriptionStep { at: day(days), tier, what };
        let granted = |until, by| SubscriptionChange::Granted { until: Some(day(until)), by };
        assert_eq!(
            told,
            [
                step(0, Tier::Premium, granted(30, Granter::Invite)),
                step(1, Tier::Premium, SubscriptionChange::Revoked),
                step(2, Tier::Basic, granted(3, Granter::Admin)),
                step(2, Tier::Basic, granted(4, Granter::Service)),
                step(4, Tier::Basic, SubscriptionChange::Expired),
            ]
        );
        assert_eq!(history(&app, admin).await.unwrap(), []);
    }
}
