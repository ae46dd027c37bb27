//! `/login CODE`, the beginning of a login.
//!
//! 1. Does this login exist already? Its id comes from the order, so that an order that is given twice means one login.
//! 2. Not too many tries.
//! 3. Which invite, and may this person have it?
//! 4. Would it replace a running subscription of another tier? Then the person is asked before anything is reserved.
//! 5. Reserve one use of the invite for the login.
//! 6. Start the login. If this process dies before that, the reactor starts it.
//!
//! `/login` alone begins one without an invite (steps 1, 2 and 6), for a person whose subscription runs.

use domain::account::Subscription;
use domain::{Account, AccountId, InviteError, InviteGrant, LoginId, LoginStatus, Tier};
use jiff::Timestamp;
use vault::normalise_code;

use super::steps::{Attempt, Counted, Reservation};
use crate::app::App;
use crate::error::UseCaseError;

/// Every login begins with its first attempt. The page may retry it.
const FIRST_ATTEMPT: u32 = 1;

/// A person's order to begin a login.
#[derive(Clone, Copy, Debug)]
pub struct LoginOrder<'a> {
    /// Which login: the same order always names the same.
    pub login_id: &'a LoginId,
    /// Who gives the order.
    pub account_id: AccountId,
    /// The same person at Telegram.
    pub telegram_id: i64,
    /// Their account, as it stood when the order came.
    pub account: &'a Account,
    /// The update of the bot that holds the order.
    pub update_id: i64,
}

/// Whether the person knows that a running subscription will be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// They have to be asked first.
    Unasked,
    /// They have agreed.
    Given,
}

/// What became of the order.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// The login is live, with this invite; None: it needed none.
    Live(Option<InviteGrant>),
    /// The login had ended before this answer could be given. The person was told how.
    Ended,
    /// There were too many tries.
    TooManyTries {
        /// When the next one counts again.
        retry_at: Timestamp,
    },
    /// Nobody made an invite with this code.
    UnknownCode {
        /// How many tries this person has left for now.
        tries_left: u32,
    },
    /// The invite is not for this person, or not any more.
    InviteRefused(InviteError),
    /// Nothing was reserved: the person has to agree first.
    WouldReplace {
        /// What runs now.
        running: Subscription,
        /// What the invite would give.
        tier: Tier,
    },
    /// Without an invite, only a person with a running subscription logs in.
    NoSubscription,
}

/// Begins a login with an invite.
///
/// # Errors
/// [`UseCaseError`]: what was reserved stays so; the same order goes on.
pub async fn by_code(
    app: &App,
    order: LoginOrder<'_>,
    code: &str,
    consent: Consent,
) -> Result<Begun, UseCaseError> {
    let (now, attempt) = (app.clock.now(), order.attempt());

    // 1.
    let status = app.store.load_login(order.login_id).await?.status();
    if let Some(ended) = ended(status) {
        return Ok(ended);
    }

    // 2.
    let mut tries_left = 0;
    if status.is_none() {
        match attempt.count(app, order.telegram_id).await? {
            Counted::Left(left) => tries_left = left,
            Counted::TooMany(retry_at) => return Ok(Begun::TooManyTries { retry_at }),
        }
    }

    // 3.
    let invite_id = match normalise_code(code) {
        Some(code) => app.vault.invite_of(&code).await?,
        None => None,
    };
    let Some(invite_id) = invite_id else { return Ok(Begun::UnknownCode { tries_left }) };
    let invite = app.store.load_invite(invite_id).await?;
    let Some(grant) = invite.grant() else { return Ok(Begun::UnknownCode { tries_left }) };
    if status.is_some() {
        return Ok(Begun::Live(Some(grant)));
    }
    if let Err(error) = invite.decide(attempt.redeem(now)) {
        return Ok(Begun::InviteRefused(error));
    }
    // An account of theirs that was erased may have used it.
    let person = app.keys.person_hmac(order.telegram_id);
    if app.vault.kept_after_erasure(&person).await?.used_invites.contains(&invite_id) {
        return Ok(Begun::InviteRefused(InviteError::AlreadyUsedByYou));
    }

    // 4.
    let running = order.account.subscription_at(now).filter(|running| running.tier != grant.tier);
    if let (Some(running), Consent::Unasked) = (running, consent) {
        return Ok(Begun::WouldReplace { running, tier: grant.tier });
    }

    // 5.
    if let Reservation::Refused(error) = attempt.reserve(app, invite_id, now).await? {
        return Ok(Begun::InviteRefused(error));
    }

    // 6.
    attempt.start(app, Some(grant), app.clock.now()).await?;
    Ok(Begun::Live(Some(grant)))
}

/// Begins a login without an invite.
///
/// # Errors
/// [`UseCaseError`]: the same order goes on.
pub async fn without_code(app: &App, order: LoginOrder<'_>) -> Result<Begun, UseCaseError> {
    if order.account.subscription_at(app.clock.now()).is_none() {
        return Ok(Begun::NoSubscription);
    }
    let status = app.store.load_login(order.login_id).await?.status();
    if let Some(ended) = ended(status) {
        return Ok(ended);
    }
    if status.is_none() {
        let attempt = order.attempt();
        if let Counted::TooMany(retry_at) = attempt.count(app, order.telegram_id).await? {
            return Ok(Begun::TooManyTries { retry_at });
        }
        attempt.start(app, None, app.clock.now()).await?;
    }
    Ok(Begun::Live(None))
}

impl<'a> LoginOrder<'a> {
    const fn attempt(&self) -> Attempt<'a> {
        Attempt {
            login_id: self.login_id,
            number: FIRST_ATTEMPT,
            account_id: self.account_id,
            update_id: Some(self.update_id),
        }
    }
}

fn ended(status: Option<LoginStatus>) -> Option<Begun> {
    status.filter(|status| !status.is_live()).map(|_| Begun::Ended)
}
