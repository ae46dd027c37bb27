//! The write side.

use domain::{
    Account, AccountCommand, AccountError, AccountId, Invite, InviteCommand, InviteError, InviteId, Login,
    LoginCommand, LoginError, LoginId,
};

use crate::database::{Database, DatabaseError};

/// Runs commands. A cheap clone.
#[derive(Clone, Debug)]
pub struct Store {}

/// Who gives a command, and in what connection; stored with each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Who.
    pub actor: Actor,
    /// Whom it is about.
    pub account_id: Option<AccountId>,
    /// In which login.
    pub login_id: Option<LoginId>,
    /// Because of which event: `stream/id/sequence`.
    pub causation_id: Option<String>,
    /// Because of which update of the bot.
    pub update_id: Option<i64>,
    /// The lease under which a worker acts.
    pub fence: Option<Fence>,
}

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person.
    Account(AccountId),
    /// The service itself.
    System,
    /// An operator's tool, by name.
    Tool(&'static str),
}

/// The lease of a worker on an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Which login.
    pub login_id: LoginId,
    /// Which attempt of it.
    pub attempt: u32,
    /// Which holder.
    pub epoch: i64,
}

/// Why a command led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError<E: std::error::Error + 'static> {
    /// The domain said no.
    #[error(transparent)]
    Refused(E),
    /// Others wrote to the same stream again and again.
    #[error("the stream kept changing")]
    Conflict,
    /// Another worker holds the attempt now.
    #[error("the lease has passed to another worker")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Context {
    /// The service itself.
    pub fn system() -> Self {
        Self::from_actor(Actor::System)
    }

    /// A person, about themselves.
    pub fn by(account: AccountId) -> Self {
        Self { account_id: Some(account), ..Self::from_actor(Actor::Account(account)) }
    }

    /// An operator's tool.
    pub fn tool(name: &'static str) -> Self {
        Self::from_actor(Actor::Tool(name))
    }

    fn from_actor(actor: Actor) -> Self {
        Self { actor, account_id: None, login_id: None, causation_id: None, update_id: None, fence: None }
    }

    /// About this person.
    #[must_use]
    pub fn with_account(self, account: AccountId) -> Self {
        Self { account_id: Some(account), ..self }
    }

    /// In this login.
    #[must_use]
    pub fn with_login(self, login: &LoginId) -> Self {
        Self { login_id: Some(login.clone()), ..self }
    }

    /// Because of this event.
    #[must_use]
    pub fn with_cause(self, causation_id: impl Into<String>) -> Self {
        Self { causation_id: Some(causation_id.into()), ..self }
    }

    /// Because of this update of the bot.
    #[must_use]
    pub fn with_update(self, update_id: i64) -> Self {
        Self { update_id: Some(update_id), ..self }
    }

    /// Only while this lease holds.
    #[must_use]
    pub fn with_fence(self, fence: &Fence) -> Self {
        Self { fence: Some(fence.clone()), login_id: Some(fence.login_id.clone()), ..self }
    }
}

impl Store {
    /// Over this database.
    pub fn new(_database: &Database) -> Self {
        todo!()
    }

    /// An order to an invite.
    pub async fn invite(
        &self,
        _id: InviteId,
        _command: InviteCommand,
        _context: Context,
    ) -> Result<(), StoreError<InviteError>> {
        todo!()
    }

    /// An order to a login.
    pub async fn login(
        &self,
        _id: &LoginId,
        _command: LoginCommand,
        _context: Context,
    ) -> Result<(), StoreError<LoginError>> {
        todo!()
    }

    /// An order to an account.
    pub async fn account(
        &self,
        _id: AccountId,
        _command: AccountCommand,
        _context: Context,
    ) -> Result<(), StoreError<AccountError>> {
        todo!()
    }

    /// The invite as its events say.
    pub async fn load_invite(&self, _id: InviteId) -> Result<Invite, DatabaseError> {
        todo!()
    }

    /// The login as its events say.
    pub async fn load_login(&self, _id: &LoginId) -> Result<Login, DatabaseError> {
        todo!()
    }

    /// The account as its events say.
    pub async fn load_account(&self, _id: AccountId) -> Result<Account, DatabaseError> {
        todo!()
    }
}
