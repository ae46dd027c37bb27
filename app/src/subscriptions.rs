//! Subscriptions that are granted without an invite, and those that are ended before their time.

use cqrs_es::Aggregate;
use domain::account::Subscription;
use domain::{Account, AccountCommand, AccountEvent, AccountId, ApiKeyId, Event, StreamKind, Tier};
use eventlog::{Context, Log};
use jiff::Timestamp;
use vault::OrderSeed;

use crate::app::App;
use crate::error::UseCaseError;
use crate::invites::MOST_VALID_DAYS;

pub mod changes;
pub mod history;

/// The longest subscription that can be ordered, in days: a hundred years.
pub const MOST_DAYS: u32 = MOST_VALID_DAYS;
/// The longest reason of an order about a person, in characters.
pub const LONGEST_REASON: usize = 500;

/// An admin's order to give a person a subscription, in place of the one that runs.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who gets it.
    pub account_id: AccountId,
    /// What they get.
    pub tier: Tier,
    /// 0 is unlimited; None: as the tier says.
    pub days: Option<u32>,
    /// The same order has the same one, and grants once.
    pub change_id: String,
    /// Who ordered it.
    pub context: Context,
}

/// A subscription that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// For how many days; 0 is unlimited.
    pub days: u32,
    /// When it ends; None is never.
    pub expires_at: Option<Timestamp>,
}

/// An admin's order to take a grant back: what held before it holds again.
#[derive(Clone, Copy, Debug)]
pub struct TakeBack {
    /// The admin.
    pub ordered_by: AccountId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The update that held the other order.
    pub granted_by_update: i64,
    /// The update that holds this one.
    pub update_id: i64,
}

/// Grants a subscription.
///
/// # Errors
/// [`UseCaseError`]: the account takes none, or the database failed.
pub async fn grant(app: &App, grant: Grant) -> Result<Granted, UseCaseError> {
    let Grant { account_id, tier, change_id, context, .. } = grant;
    let days = grant.days.unwrap_or_else(|| app.tiers.terms(tier).days);
    let change = AccountCommand::ChangeSubscription {
        tier,
        days,
        limits: app.tiers.limits(tier),
        change_id: Some(change_id),
        at: app.clock.now(),
    };
    app.store.account(account_id, change, context).await?;
    let running = app.store.load_account(account_id).await?.subscription_at(app.clock.now());
    Ok(Granted { days, expires_at: running.and_then(|running| running.expires_at) })
}

/// What became of an order to take a grant back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// The subscription before it runs again, as it did.
    RunsAgain(Subscription),
    /// There was none before, and there is none now.
    Ended,
    /// Nothing was done: the subscription has changed since.
    ChangedSince,
}

/// What held before a grant.
#[derive(Clone, Copy)]
enum Before {
    NotKnown,
    Nothing,
    Running(Subscription),
}

/// Takes a grant back. Doing it again changes nothing.
///
/// # Errors
/// [`UseCaseError`]: the account takes none, or the database failed.
pub async fn take_back(app: &App, order: TakeBack) -> Result<TakenBack, UseCaseError> {
    let TakeBack { ordered_by, account_id, granted_by_update, update_id } = order;
    let mut account = Account::default();
    let mut before = Before::NotKnown;
    for event in Log::new(&app.db).stream(StreamKind::Account, &account_id.to_string()).await? {
        let Ok(Event::Account(decoded)) = event.event else { continue };
        let changes = matches!(
            decoded,
            AccountEvent::SubscriptionChanged { .. }
                | AccountEvent::SubscriptionActivated { .. }
                | AccountEvent::SubscriptionExpired { .. }
                | AccountEvent::SubscriptionRevoked { .. }
        );
        if changes && event.metadata.update_id == Some(granted_by_update) {
            before = account.subscription_at(app.clock.now()).map_or(Before::Nothing, Before::Running);
        } else if changes && event.metadata.update_id != Some(update_id) {
            // What this very order has changed, before it is handled again, does not count.
            before = Before::NotKnown;
        }
        account.apply(decoded);
    }
    let running = match before {
        Before::NotKnown => return Ok(TakenBack::ChangedSince),
        Before::Nothing => {
            revoke(app, account_id, Context::by(ordered_by).with_update(update_id)).await?;
            return Ok(TakenBack::Ended);
        }
        Before::Running(running) => running,
    };
    let (change_id, at) = (change_id_of_update(update_id), app.clock.now());
    let restore = AccountCommand::RestoreSubscription { subscription: running, change_id, at };
    let context = Context::by(ordered_by).with_account(account_id).with_update(update_id);
    app.store.account(account_id, restore, context).await?;
    Ok(TakenBack::RunsAgain(running))
}

/// The [`Grant::change_id`] of an order in the chat.
pub fn change_id_of_update(update_id: i64) -> String {
    format!("update/{update_id}")
}

/// The [`Grant::change_id`] of an order with a key that the admins' app made up.
pub fn change_id_of_request(admin: AccountId, key: &str) -> String {
    format!("request/{admin}/{key}")
}

/// The [`Grant::change_id`] of an order of another service, by its key.
pub fn change_id_of_key(key: &ApiKeyId, order: &OrderSeed) -> String {
    let order: String = order.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key/{key}/{order}")
}

/// Ends a person's subscription before its time, by an admin's order. Where none runs, nothing changes.
///
/// # Errors
/// [`UseCaseError`]: the account is unknown, or the database failed.
pub async fn revoke(app: &App, account_id: AccountId, context: Context) -> Result<(), UseCaseError> {
    let command = AccountCommand::RevokeSubscription { at: app.clock.now() };
    app.store.account(account_id, command, context).await?;
    Ok(())
}
