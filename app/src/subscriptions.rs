//! Subscriptions that are granted without an invite.

use domain::{AccountCommand, AccountId, Tier};
use eventlog::Context;

use crate::app::App;
use crate::error::UseCaseError;

/// An admin's order to give a person a subscription, in place of the one that runs.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// The admin.
    pub granted_by: AccountId,
    /// Who gets it.
    pub account_id: AccountId,
    /// What they get.
    pub tier: Tier,
    /// 0 is unlimited; None: as the tier says.
    pub days: Option<u32>,
    /// The update of the bot that holds the order. The same one grants once.
    pub update_id: i64,
}

/// Grants a subscription; for how many days, 0 is unlimited.
///
/// # Errors
/// [`UseCaseError`]: the account takes none, or the database failed.
pub async fn grant(app: &App, grant: Grant) -> Result<u32, UseCaseError> {
    let Grant { granted_by, account_id, tier, update_id, .. } = grant;
    let days = grant.days.unwrap_or_else(|| app.tiers.terms(tier).days);
    let change = AccountCommand::ChangeSubscription {
        tier,
        days,
        limits: app.tiers.limits(tier),
        change_id: Some(format!("update/{update_id}")),
        at: app.clock.now(),
    };
    let context = Context::by(granted_by).with_account(account_id).with_update(update_id);
    app.store.account(account_id, change, context).await?;
    Ok(days)
}
