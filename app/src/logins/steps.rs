//! The steps that beginning a login and retrying it share. An attempt reserves its invite before it starts, so that an
//! invite is never used by more people than it is made for.

use domain::{
    AccountId, InviteCommand, InviteError, InviteGrant, InviteId, LoginCommand, LoginError, LoginId,
};
use eventlog::{Context, DatabaseError, StoreError};
use jiff::Timestamp;
use vault::limits::LimitError;

use crate::app::App;
use crate::error::UseCaseError;

/// One attempt of a login, which is to be started.
pub(super) struct Attempt<'a> {
    pub login_id: &'a LoginId,
    pub number: u32,
    pub account_id: AccountId,
    /// Because of which update of the bot.
    pub update_id: Option<i64>,
}

/// What became of a reservation.
pub(super) enum Reservation {
    Made,
    Refused(InviteError),
}

/// What became of a try.
pub(super) enum Counted {
    /// It counts; so many are left.
    Left(u32),
    /// There were too many. The next one counts then.
    TooMany(Timestamp),
}

impl Attempt<'_> {
    /// Counts a try of this person; the same attempt counts once.
    pub async fn count(&self, app: &App, telegram_id: i64) -> Result<Counted, DatabaseError> {
        let person = app.keys.person_hmac(telegram_id);
        match app.limits().try_login(&person, self.login_id, self.number, app.clock.now()).await {
            Ok(left) => Ok(Counted::Left(left)),
            Err(LimitError::RetryAt(at)) => Ok(Counted::TooMany(at)),
            Err(LimitError::Database(error)) => Err(error),
        }
    }

    /// The command that [`Self::reserve`] gives.
    pub fn redeem(&self, at: Timestamp) -> InviteCommand {
        let login_id = self.login_id.clone();
        InviteCommand::Redeem { account_id: self.account_id, login_id, attempt: self.number, at }
    }

    /// Reserves one use of the invite. Repeating it changes nothing.
    pub async fn reserve(
        &self,
        app: &App,
        invite_id: InviteId,
        at: Timestamp,
    ) -> Result<Reservation, UseCaseError> {
        match app.store.invite(invite_id, self.redeem(at), self.context()).await {
            Ok(()) => Ok(Reservation::Made),
            Err(StoreError::Refused(error)) => Ok(Reservation::Refused(error)),
            Err(other) => Err(other.into()),
        }
    }

    /// Starts it. Repeating it changes nothing.
    pub async fn start(
        &self,
        app: &App,
        invite: Option<InviteGrant>,
        at: Timestamp,
    ) -> Result<(), StoreError<LoginError>> {
        let start = LoginCommand::Start { account_id: self.account_id, invite, attempt: self.number, at };
        app.store.login(self.login_id, start, self.context()).await
    }

    fn context(&self) -> Context {
        let context = Context::by(self.account_id).with_login(self.login_id);
        self.update_id.into_iter().fold(context, Context::with_update)
    }
}
