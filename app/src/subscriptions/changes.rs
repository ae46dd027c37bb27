//! What an admin reads of a person's subscriptions: every change with its event, who made it, and why.

use cqrs_es::Aggregate;
use domain::account::Subscription;
use domain::{Account, AccountEvent, AccountId, Event, StreamKind, Tier};
use eventlog::log::LogEvent;
use eventlog::{DatabaseError, Log};
use jiff::Timestamp;

use crate::app::App;

/// A change of a person's subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What changed.
    pub kind: ChangeKind,
    /// Of which subscription.
    pub tier: Tier,
    /// When it ends since; None: never, or it is over.
    pub expires_at: Option<Timestamp>,
    /// By what.
    pub cause: ChangeCause,
    /// Who, as the event says: `system`, `tool:…`, `key:…` or an account id.
    pub actor: String,
    /// Why, in the words of the admin. None also where the person is forgotten.
    pub reason: Option<String>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A login with an invite started or extended it.
    Activated,
    /// It was granted where none ran.
    Granted,
    /// It was granted in place of the one that ran, or extends that.
    Changed,
    /// The one before runs again: a grant was taken back.
    Restored,
    /// It came from another system, as it stood there.
    Imported,
    /// Its time was over.
    Expired,
    /// It was ended before its time.
    Revoked,
}

/// By what a subscription changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeCause {
    /// By a login with an invite.
    Invite,
    /// By an admin, or an operator at the terminal.
    Admin,
    /// By another service, with its key.
    Service,
    /// By the service itself.
    Settings,
    /// Its time was over.
    Time,
    /// By the system that the person was taken over from.
    Import,
}

/// All changes of this person's subscriptions, the oldest first.
///
/// # Errors
/// The database's.
pub async fn changes(app: &App, account_id: AccountId) -> Result<Vec<Change>, DatabaseError> {
    let events = Log::new(&app.db).stream(StreamKind::Account, &account_id.to_string()).await?;
    let subject = app.vault.subject(account_id).await?;
    let mut account = Account::default();
    let mut before: Vec<Subscription> = Vec::new();
    let mut changes = Vec::new();
    for event in events {
        let Ok(Event::Account(decoded)) = &event.event else { continue };
        if let Some((kind, tier, expires_at)) = change_by(decoded, &account, &before) {
            let sealed = event.metadata.reason.as_ref();
            changes.push(Change {
                at: decoded.at(),
                kind,
                tier,
                expires_at,
                cause: cause_of(kind, &event),
                actor: event.metadata.actor.clone(),
                reason: sealed.and_then(|sealed| subject.as_ref()?.open(sealed)),
            });
            before.extend(account.subscription_at(decoded.at()));
        }
        account.apply(decoded.clone());
    }
    Ok(changes)
}

/// What an event does to the subscription of this account. `before`: all that ran before the one that runs.
fn change_by(
    event: &AccountEvent,
    account: &Account,
    before: &[Subscription],
) -> Option<(ChangeKind, Tier, Option<Timestamp>)> {
    Some(match event {
        AccountEvent::SubscriptionActivated { tier, expires_at, .. } => {
            (ChangeKind::Activated, *tier, *expires_at)
        }
        AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, at, .. } => {
            let changed = Subscription {
                tier: *tier,
                limits: *limits,
                started_at: *started_at,
                expires_at: *expires_at,
            };
            let running = account.subscription_at(*at);
            let kind = match running {
                None => ChangeKind::Granted,
                Some(running) if running != changed && before.contains(&changed) => ChangeKind::Restored,
                Some(_) => ChangeKind::Changed,
            };
            (kind, *tier, *expires_at)
        }
        AccountEvent::SubscriptionImported { tier, expires_at, .. } => {
            (ChangeKind::Imported, *tier, *expires_at)
        }
        AccountEvent::SubscriptionExpired { tier, .. } => (ChangeKind::Expired, *tier, None),
        AccountEvent::SubscriptionRevoked { tier, .. } => (ChangeKind::Revoked, *tier, None),
        AccountEvent::AccountRegistered { .. }
        | AccountEvent::ProfileChanged { .. }
        | AccountEvent::RoleChanged { .. }
        | AccountEvent::AccountBlocked { .. }
        | AccountEvent::AccountUnblocked { .. }
        | AccountEvent::LoggedOut { .. }
        | AccountEvent::AuthorizationRevoked { .. }
        | AccountEvent::SubscriptionHistoryImported { .. }
        | AccountEvent::SessionExported { .. }
        | AccountEvent::SessionImported { .. }
        | AccountEvent::SessionRejected { .. }
        | AccountEvent::SessionReturned { .. }
        | AccountEvent::RebuildOrdered { .. }
        | AccountEvent::RebuildCancelled { .. }
        | AccountEvent::ParkedReplayOrdered { .. }
        | AccountEvent::AccountErased { .. } => return None,
    })
}

fn cause_of(kind: ChangeKind, event: &LogEvent) -> ChangeCause {
    match kind {
        ChangeKind::Activated => ChangeCause::Invite,
        ChangeKind::Imported => ChangeCause::Import,
        ChangeKind::Expired => ChangeCause::Time,
        ChangeKind::Granted | ChangeKind::Changed | ChangeKind::Restored | ChangeKind::Revoked => {
            match event.metadata.actor.as_str() {
                "system" => ChangeCause::Settings,
                actor if actor.starts_with("key:") => ChangeCause::Service,
                _ => ChangeCause::Admin,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use eventlog::Context;
    use vault::DerivedKeys;

    use super::*;
    use crate::subscriptions::{Grant, TakeBack, change_id_of_update, grant, revoke, take_back};
    use crate::testing::Story;

    #[tokio::test]
    async fn every_change_tells_who_made_it_and_why() {
        let story = Story::begin().await;
        let app =
            App::new(&story.db, Arc::new(DerivedKeys::random()), story.clock.clone(), story.tiers.clone());
        let (ilya, admin) = (story.person(1, "{}").await, story.person(2, "{}").await);
        let subject = app.vault.subject(ilya).await.unwrap().unwrap();
        let order = |tier, update: i64, reason: Option<&str>| {
            let context = Context::by(admin).with_update(update);
            let context = context.with_reason(reason.map(|reason| subject.seal(reason)));
            Grant { account_id: ilya, tier, days: Some(1), change_id: change_id_of_update(update), context }
        };
        let begun = story.clock.now();
        grant(&app, order(Tier::Basic, 1, Some("a friend of Anna"))).await.unwrap();
        grant(&app, order(Tier::Basic, 2, None)).await.unwrap();
        grant(&app, order(Tier::Premium, 3, None)).await.unwrap();
        story.settle().await;
        let back = TakeBack { ordered_by: admin, account_id: ilya, granted_by_update: 3, update_id: 4 };
        take_back(&app, back).await.unwrap();
        let why = Some(subject.seal("he asked"));
        revoke(&app, ilya, Context::by(admin).with_reason(why)).await.unwrap();
        story.settle().await;

        let told = changes(&app, ilya).await.unwrap();

        let day = |days: u64| Some(begun + Duration::from_secs(days * 24 * 3600));
        let short: Vec<_> =
            told.iter().map(|it| (it.kind, it.tier, it.expires_at, it.reason.as_deref())).collect();
        assert_eq!(
            short,
            [
                (ChangeKind::Granted, Tier::Basic, day(1), Some("a friend of Anna")),
                (ChangeKind::Changed, Tier::Basic, day(2), None),
                (ChangeKind::Changed, Tier::Premium, day(1), None),
                (ChangeKind::Restored, Tier::Basic, day(2), None),
                (ChangeKind::Revoked, Tier::Basic, None, Some("he asked")),
            ]
        );
        assert!(told.iter().all(|it| it.actor == admin.to_string() && it.cause == ChangeCause::Admin));
        // The log holds no word of it in the clear.
        let log: Vec<String> =
            sqlx::query_scalar("select metadata::text from events where metadata ->> 'reason' is not null")
                .fetch_all(story.db.pool())
                .await
                .unwrap();
        assert_eq!(log.len(), 2);
        assert!(log.iter().all(|it| !it.contains("Anna") && !it.contains("asked")), "{log:?}");
    }
}
