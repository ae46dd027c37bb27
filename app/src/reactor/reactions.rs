//! What follows from one event: the commands, attempts and messages of each reaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::login::CancelReason;
use domain::policy::{self, Notice, Reaction};
use domain::{
    AccountCommand, AccountId, Event, InviteCommand, InviteGrant, InviteId, LoginCommand, LoginEvent,
    LoginId, LoginStatus, Role, RoleSource, StreamKind, Tiers,
};
use jiff::SignedDuration;

use super::prefetched::Prefetched;
use crate::log_targets::LOGIN_STEPS;
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::log::LogEvent;
use eventlog::store::{Context, Store, StoreError};
use messages::outbox::NewNotice;
use projections::views::login_status::{self, LoginRow};
use projections::views::users;
use vault::Vault;

/// How old an event may be to send a notice: a backup that is restored next week must not send those of today.
const NOTICE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Carries reactions out.
#[derive(Debug)]
pub(super) struct Reactions {
    db: Database,
    store: Store,
    vault: Vault,
    clock: Clock,
    tiers: Arc<Tiers>,
}

impl Reactions {
    pub fn new(db: &Database, clock: &Clock, tiers: &Arc<Tiers>) -> Self {
        Self {
            db: db.clone(),
            store: Store::new(db),
            vault: Vault::new(db),
            clock: clock.clone(),
            tiers: Arc::clone(tiers),
        }
    }

    /// Does everything that follows from an event, but for the notices: those are added to `notices`.
    pub async fn follow_from(
        &self,
        event: &LogEvent,
        decoded: &Event,
        prefetched: &Prefetched,
        notices: &mut Vec<NewNotice>,
    ) -> Result<(), DatabaseError> {
        self.end_attempt(event, decoded).await?;
        for reaction in policy::react(&event.stream_id, decoded) {
            self.carry_out(event, reaction, prefetched, notices).await?;
        }
        Ok(())
    }

    /// A login that ended without a session leaves a key at Telegram. The worker of the attempt logs it out.
    async fn end_attempt(&self, event: &LogEvent, decoded: &Event) -> Result<(), DatabaseError> {
        let Event::Login(
            login_event @ (LoginEvent::AuthorizationRejected { .. }
            | LoginEvent::LoginExpired { .. }
            | LoginEvent::LoginCancelled { .. }
            | LoginEvent::LoginFailed { .. }),
        ) = decoded
        else {
            return Ok(());
        };
        let Ok(login_id) = event.stream_id.parse() else { return Ok(()) };
        self.vault.end_attempt(&login_id, login_event.attempt()).await
    }

    async fn carry_out(
        &self,
        event: &LogEvent,
        reaction: Reaction,
        prefetched: &Prefetched,
        notices: &mut Vec<NewNotice>,
    ) -> Result<(), DatabaseError> {
        match reaction {
            Reaction::StartLogin { login_id, account_id, grant, attempt } => {
                self.start_login(event, &login_id, account_id, grant, attempt).await
            }
            Reaction::OpenAttempt { account_id, login_id, attempt } => {
                self.open_attempt(event, account_id, &login_id, attempt, prefetched).await
            }
            Reaction::CancelEarlier { account_id, login_id, .. } => {
                let live = match prefetched.live.get(&account_id) {
                    Some(live) => live.clone(),
                    None => login_status::live_of(&self.db, account_id).await?,
                };
                for other in live {
                    if other.login_id != login_id && other.started_position < event.position {
                        self.cancel_row(event, &other, CancelReason::NewerLogin).await?;
                    }
                }
                Ok(())
            }
            Reaction::CancelLive { account_id, reason } => {
                for live in login_status::live_of(&self.db, account_id).await? {
                    if live.started_position < event.position {
                        self.cancel_row(event, &live, reason).await?;
                    }
                }
                Ok(())
            }
            Reaction::Release { invite_id, account_id, login_id, attempt } => {
                self.release(event, invite_id, account_id, login_id, attempt).await
            }
            Reaction::Activate { account_id, login_id, attempt, grant } => {
                self.activate(event, account_id, login_id, attempt, grant).await
            }
            Reaction::TellAdmins { account_id, role, source } => {
                self.tell_admins(event, account_id, role, source, notices).await
            }
            Reaction::Notify { account_id, notice } => {
                if let Notice::Authorized { login_id, tier: None } = &notice {
                    // Without an invite nothing is activated.
                    tracing::info!(login.id = login_id.short(), "QR login finished");
                }
                notices.push(notice_of(event, account_id, notice));
                Ok(())
            }
            Reaction::ShowCard { account_id, login_id } => {
                let account_id = match account_id.or(event.metadata.account_id) {
                    Some(account_id) => Some(account_id),
                    None => login_status::by_id(&self.db, &login_id).await?.map(|login| login.account_id),
                };
                notices.extend(account_id.map(|it| notice_of(event, it, Notice::CardChanged { login_id })));
                Ok(())
            }
        }
    }

    /// Tells every admin of a changed role, and the person. The admin who ordered the change has the answer to the order; and a
    /// person whom the settings name has the admins' list of commands.
    async fn tell_admins(
        &self,
        event: &LogEvent,
        account_id: AccountId,
        role: Role,
        source: RoleSource,
        notices: &mut Vec<NewNotice>,
    ) -> Result<(), DatabaseError> {
        let by: Option<AccountId> = event.metadata.actor.parse().ok();
        let is_named = source.is_settings() && role == Role::Admin;
        let mut told: BTreeSet<AccountId> =
            users::admins(&self.db).await?.into_iter().map(|admin| admin.account_id).collect();
        if is_named {
            told.remove(&account_id);
        } else {
            told.insert(account_id);
        }
        for admin in told.into_iter().filter(|admin| Some(*admin) != by) {
            let changed = notice_of(event, admin, Notice::RoleChanged { account_id, role, source, by });
            notices.push(NewNotice { key: format!("{}/{admin}", changed.key), ..changed });
        }
        tracing::info!(account.id = %account_id, role = role.name(), "a role was changed");
        Ok(())
    }

    #[tracing::instrument(name = "activate", level = "error", skip_all, fields(login.id = login_id.short()))]
    async fn activate(
        &self,
        event: &LogEvent,
        account_id: AccountId,
        login_id: LoginId,
        attempt: u32,
        grant: InviteGrant,
    ) -> Result<(), DatabaseError> {
        let context = caused_by(event).with_account(account_id).with_login(&login_id);
        let limits = self.tiers.limits(grant.tier);
        let command = AccountCommand::Activate { login_id, attempt, grant, limits, at: self.clock.now() };
        // A repeated reaction changes nothing, and is not logged again.
        let account = self.store.load_account(account_id).await?;
        let is_first = account.decide(command.clone()).is_ok_and(|events| !events.is_empty());
        settled(self.store.account(account_id, command, context).await)?;
        if is_first {
            tracing::info!(target: LOGIN_STEPS, "subscription {} activated", grant.tier.name());
            tracing::info!("QR login finished");
        }
        Ok(())
    }

    async fn start_login(
        &self,
        event: &LogEvent,
        login_id: &LoginId,
        account_id: AccountId,
        grant: InviteGrant,
        attempt: u32,
    ) -> Result<(), DatabaseError> {
        let context = caused_by(event).with_account(account_id).with_login(login_id);
        let command = LoginCommand::Start { account_id, invite: Some(grant), attempt, at: self.clock.now() };
        settled(self.store.login(login_id, command, context).await)?;
        // If the attempt could not begin, or has ended before, nothing else gives its reservation back.
        let login = self.store.load_login(login_id).await?;
        let keeps_reservation = |status: LoginStatus| status.is_live() || status == LoginStatus::Authorized;
        if login.attempt() == attempt && login.status().is_some_and(keeps_reservation) {
            return Ok(());
        }
        self.release(event, grant.invite_id, account_id, login_id.clone(), attempt).await
    }

    /// Opens the attempt for a worker, unless it has ended: a repeated reaction must not open it again. If the person was
    /// blocked or erased meanwhile, it is cancelled.
    async fn open_attempt(
        &self,
        event: &LogEvent,
        account_id: AccountId,
        login_id: &LoginId,
        attempt: u32,
        prefetched: &Prefetched,
    ) -> Result<(), DatabaseError> {
        let login = match prefetched.logins.get(login_id) {
            Some(login) => login.clone(),
            None => self.store.load_login(login_id).await?,
        };
        let account = match prefetched.accounts.get(&account_id) {
            Some(account) => account.clone(),
            None => self.store.load_account(account_id).await?,
        };
        let live = login.attempt() == attempt && login.status().is_some_and(|status| status.is_live());
        if !live {
            return Ok(());
        }
        if account.is_erased() {
            return self.cancel(event, account_id, login_id, attempt, CancelReason::Erased).await;
        }
        if account.is_blocked() {
            return self.cancel(event, account_id, login_id, attempt, CancelReason::Blocked).await;
        }
        self.vault.open_attempt(login_id, attempt, account_id).await
    }

    async fn cancel_row(
        &self,
        event: &LogEvent,
        row: &LoginRow,
        reason: CancelReason,
    ) -> Result<(), DatabaseError> {
        let attempt = u32::try_from(row.attempt).unwrap_or(u32::MAX);
        self.cancel(event, row.account_id, &row.login_id, attempt, reason).await
    }

    async fn cancel(
        &self,
        event: &LogEvent,
        account_id: AccountId,
        login_id: &LoginId,
        attempt: u32,
        reason: CancelReason,
    ) -> Result<(), DatabaseError> {
        let context = caused_by(event).with_account(account_id).with_login(login_id);
        let command = LoginCommand::Cancel { attempt, reason, at: self.clock.now() };
        settled(self.store.login(login_id, command, context).await)
    }

    async fn release(
        &self,
        event: &LogEvent,
        invite_id: InviteId,
        account_id: AccountId,
        login_id: LoginId,
        attempt: u32,
    ) -> Result<(), DatabaseError> {
        let context = caused_by(event).with_account(account_id).with_login(&login_id);
        let command = InviteCommand::Release { account_id, login_id, attempt, at: self.clock.now() };
        settled(self.store.invite(invite_id, command, context).await)
    }
}

/// [`name_of`] for the log: of a login's id, which opens a page, only the beginning.
pub(super) fn logged_name_of(event: &LogEvent) -> String {
    let login_id = event.stream_id.parse::<LoginId>().ok();
    let login_id = login_id.as_ref().filter(|_| event.stream == StreamKind::Login.name());
    let id = login_id.map_or(event.stream_id.as_str(), LoginId::short);
    format!("{}/{id}/{}", event.stream, event.sequence)
}

/// `stream/id/sequence`: the name of this event in the metadata of other events and in keys of messages.
pub(super) fn name_of(event: &LogEvent) -> String {
    format!("{}/{}/{}", event.stream, event.stream_id, event.sequence)
}

fn notice_of(event: &LogEvent, account: AccountId, notice: Notice) -> NewNotice {
    let key = format!("{}/{}", name_of(event), notice.kind());
    NewNotice { key, account, notice, not_after: event.recorded_at.checked_add(NOTICE_WITHIN).ok() }
}

fn caused_by(event: &LogEvent) -> Context {
    Context::system().with_cause(name_of(event))
}

/// A refusal by the aggregate is final, because its state is newer than the event. Other errors are tried again.
fn settled<E: std::error::Error + 'static>(outcome: Result<(), StoreError<E>>) -> Result<(), DatabaseError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(StoreError::Refused(reason)) => {
            tracing::debug!(
                reason = &reason as &dyn std::error::Error,
                "an aggregate refused what followed from an event"
            );
            Ok(())
        }
        Err(StoreError::Database(error)) => Err(error),
        Err(error @ StoreError::Fenced) => Err(DatabaseError::Sql(sqlx::Error::Protocol(error.to_string()))),
    }
}
