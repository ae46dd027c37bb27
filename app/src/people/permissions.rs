//! Blocks and roles: who is refused, who is an admin, who an auditor.
//!
//! 1. An order takes effect with its event: every later question is answered by it. Open sessions of the admins' app, which ask
//!    each time, are ended besides, so that they are not back where the order is taken back.
//! 2. The last admin stays: an order that would leave none is refused. Orders that take an admin away wait for each other, so
//!    that of two admins who remove each other one remains.
//! 3. `ADMIN_IDS` names the first admins. Who is named is one; who is named no longer is one only where an order made them so
//!    ([`domain::RoleSource`]). Nobody who is named can be ordered to be something else.

use std::collections::BTreeSet;

use domain::{AccountCommand, AccountError, AccountId, Role, StreamKind};
use eventlog::{Context, Database, DatabaseError, Log, Store, StoreError};
use jiff::Timestamp;
use vault::Vault;

use crate::error::UseCaseError;

/// The lock of orders that take an admin away: "QRLA".
const ADMINS_LOCK: i64 = 0x5152_4c41;

/// Gives and takes permissions. A cheap clone.
#[derive(Clone, Debug)]
pub struct Permissions {
    db: Database,
    store: Store,
    vault: Vault,
}

/// An order about one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PermissionOrder {
    /// Refuse them everywhere, from now on.
    Block,
    /// Let them in again.
    Unblock,
    /// Give them this role.
    Role(Role),
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It holds, by this order or by one before.
    Done,
    /// Nobody is known by this account, or not any more.
    Nobody,
    /// They are the last admin.
    LastAdmin,
    /// The settings name them as an admin.
    NamedInSettings,
}

impl Permissions {
    /// Over this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone(), store: Store::new(db), vault: Vault::new(db) }
    }

    /// Carries an order out. `named` are the Telegram ids of `ADMIN_IDS`. Repeating it changes nothing.
    ///
    /// # Errors
    /// The database failed: the same order goes on.
    pub async fn order(
        &self,
        account: AccountId,
        order: PermissionOrder,
        named: &[i64],
        now: Timestamp,
        context: Context,
    ) -> Result<Ordered, UseCaseError> {
        let takes_an_admin =
            matches!(order, PermissionOrder::Block | PermissionOrder::Role(Role::User | Role::Auditor));
        // Held until this returns.
        let lock = match takes_an_admin {
            true => Some(self.lock().await?),
            false => None,
        };
        let Some(subject) = self.vault.subject(account).await? else { return Ok(Ordered::Nobody) };
        if takes_an_admin {
            let is_named = named.contains(&subject.telegram_id);
            if matches!(order, PermissionOrder::Role(_)) && is_named {
                return Ok(Ordered::NamedInSettings);
            }
            if self.is_last_admin(account).await? {
                return Ok(Ordered::LastAdmin);
            }
        }
        let command = match order {
            PermissionOrder::Block => AccountCommand::Block { at: now },
            PermissionOrder::Unblock => AccountCommand::Unblock { at: now },
            PermissionOrder::Role(role) => AccountCommand::ChangeRole { role, at: now },
        };
        let done = self.store.account(account, command, context).await;
        drop(lock);
        match done {
            Ok(()) => {
                if takes_an_admin {
                    self.vault.end_admin_sessions_of(account, now).await?;
                }
                Ok(Ordered::Done)
            }
            Err(StoreError::Refused(AccountError::Unknown | AccountError::Erased)) => Ok(Ordered::Nobody),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether this account is an admin, and nobody else is. The log says so, not a view, which may be behind.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_last_admin(&self, account: AccountId) -> Result<bool, DatabaseError> {
        let admins = self.admins().await?;
        Ok(admins.contains(&account) && admins.len() == 1)
    }

    /// Makes the settings hold for everybody who is registered: who is named is an admin, who is named no longer is none.
    ///
    /// # Errors
    /// The database failed. Doing it again goes on.
    pub async fn apply_settings(&self, named: &[i64], now: Timestamp) -> Result<(), UseCaseError> {
        for account in self.with_a_role().await? {
            let is_named = match self.vault.subject(account).await? {
                Some(subject) => named.contains(&subject.telegram_id),
                None => continue,
            };
            if !is_named && self.store.load_account(account).await?.is_admin_by_settings() {
                self.name(account, false, now, Context::system()).await?;
            }
        }
        for telegram_id in named {
            if let Some(subject) = self.vault.subject_of(*telegram_id).await? {
                self.name(subject.account_id, true, now, Context::system()).await?;
            }
        }
        Ok(())
    }

    /// Makes the settings hold for one person.
    ///
    /// # Errors
    /// The database failed.
    pub async fn name(
        &self,
        account: AccountId,
        named: bool,
        now: Timestamp,
        context: Context,
    ) -> Result<(), UseCaseError> {
        let command = AccountCommand::NameAsAdmin { named, at: now };
        let done = self.store.account(account, command, context.with_account(account)).await;
        if !named {
            self.vault.end_admin_sessions_of(account, now).await?;
        }
        match done {
            // They are being forgotten, or have not written yet: their next message names them.
            Ok(()) | Err(StoreError::Refused(AccountError::Unknown | AccountError::Erased)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The admins who are neither blocked nor erased.
    async fn admins(&self) -> Result<BTreeSet<AccountId>, DatabaseError> {
        let mut admins = BTreeSet::new();
        for id in self.with_a_role().await? {
            let account = self.store.load_account(id).await?;
            if account.role() == Role::Admin && !account.is_blocked() && !account.is_erased() {
                admins.insert(id);
            }
        }
        Ok(admins)
    }

    /// The accounts whose role was ever changed.
    async fn with_a_role(&self) -> Result<Vec<AccountId>, DatabaseError> {
        let streams = Log::new(&self.db).streams_with(StreamKind::Account, "RoleChanged").await?;
        Ok(streams.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn lock(&self) -> Result<eventlog::database::Transaction, DatabaseError> {
        let mut transaction = self.db.begin("begin").await?;
        sqlx::query!("select pg_advisory_xact_lock($1)", ADMINS_LOCK).execute(&mut *transaction).await?;
        Ok(transaction)
    }
}
