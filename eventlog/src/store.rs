//! The write side: a command becomes events at the end of one stream, or a reason why not. cqrs-es decides, postgres-es
//! reads, `appends` appends, and this adds what both leave to their callers:
//!
//! 1. Each command runs in a task of its own, so that a caller who is dropped (a closed connection, a lost lease) cannot
//!    cut it in half.
//! 2. In a process, commands to one stream run one after the other (`stream_locks`). Between processes the primary key lets
//!    one writer through. The other one reads again and decides again, as often as needed: each time, another command has
//!    appended an event.
//! 3. A trigger refuses a worker whose lease has passed to another one (QR001). It must not try again: its state is old.
//! 4. After the commit the sequencer is woken.
//!
//! Futures are boxed, so that a command is compiled in this crate alone, and not in each one that gives it.
//!
//! The write side has no views and no snapshots. postgres-es offers both, but with its views updates are lost, and with its
//! snapshots events are applied twice.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cqrs_es::{Aggregate, AggregateError, CqrsFramework};
use domain::{
    Account, AccountCommand, AccountError, AccountId, Audit, AuditCommand, AuditId, HISTORY_STREAM, History,
    HistoryCommand, Invite, InviteCommand, InviteError, InviteId, Login, LoginCommand, LoginError, LoginId,
    Service, ServiceCommand, ServiceError,
};
use futures::future::BoxFuture;
use telemetry::traces::{InSpan as _, Span};
use tracing::Instrument;

use crate::database::{Database, DatabaseError};
use crate::wake::Topic;

mod context;
mod repository;
mod stream;
#[cfg(test)]
mod tests;

pub use context::{Actor, Context, Fence};
use repository::Repository;
use stream::{Stream, StreamState, Streams};

/// The longest pause before a command is decided anew because another process has changed its stream.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Runs commands. A cheap clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    invites: Arc<Streams<Invite>>,
    logins: Arc<Streams<Login>>,
    accounts: Arc<Streams<Account>>,
    audits: Arc<Streams<Audit>>,
    services: Arc<Streams<Service>>,
    histories: Arc<Streams<History>>,
}

/// Why a command led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError<E: std::error::Error + 'static> {
    /// The domain said no.
    #[error(transparent)]
    Refused(E),
    /// Another worker holds the attempt now.
    #[error("the lease has passed to another worker")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl<E: std::error::Error> StoreError<E> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Fenced => "fenced",
            Self::Database(_) => "database",
        }
    }
}

impl Store {
    /// The store of this database.
    pub fn new(database: &Database) -> Self {
        let repository = Repository::new(database);
        Self {
            invites: Arc::new(Streams::new(repository.clone())),
            logins: Arc::new(Streams::new(repository.clone())),
            accounts: Arc::new(Streams::new(repository.clone())),
            audits: Arc::new(Streams::new(repository.clone())),
            services: Arc::new(Streams::new(repository.clone())),
            histories: Arc::new(Streams::new(repository)),
            database: database.clone(),
        }
    }

    /// Gives a command to an invite.
    ///
    /// # Errors
    /// [`StoreError`]: the invite refuses, or the database does.
    pub fn invite(
        &self,
        id: InviteId,
        command: InviteCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<InviteError>>> {
        Box::pin(self.run(&self.invites, id.to_string(), command, context))
    }

    /// Gives a command to a login. The login of its events is this one, whatever the context has.
    ///
    /// # Errors
    /// [`StoreError`]: the login refuses, the lease has passed on, or the database refuses.
    pub fn login(
        &self,
        id: &LoginId,
        command: LoginCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<LoginError>>> {
        Box::pin(self.run(&self.logins, id.to_string(), command, context.with_login(id)))
    }

    /// Gives a command to an account. The account of its events is this one, whatever the context has.
    ///
    /// # Errors
    /// [`StoreError`]: the account refuses, or the database does.
    pub fn account(
        &self,
        id: AccountId,
        command: AccountCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<AccountError>>> {
        Box::pin(self.run(&self.accounts, id.to_string(), command, context.with_account(id)))
    }

    /// Gives a command to the audit.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn audit(
        &self,
        id: AuditId,
        command: AuditCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<Infallible>>> {
        Box::pin(self.run(&self.audits, id.to_string(), command, context))
    }

    /// Gives a command to an API key or a webhook, by its id.
    ///
    /// # Errors
    /// [`StoreError`]: there is none, or the database refuses.
    pub fn service(
        &self,
        id: &str,
        command: ServiceCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<ServiceError>>> {
        Box::pin(self.run(&self.services, id.to_owned(), command, context))
    }

    /// Gives a command to the history.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn history(
        &self,
        command: HistoryCommand,
        context: Context,
    ) -> BoxFuture<'_, Result<(), StoreError<Infallible>>> {
        Box::pin(self.run(&self.histories, HISTORY_STREAM.to_owned(), command, context))
    }

    /// The invite, folded from its events; a fresh one if there are none.
    ///
    /// # Errors
    /// The database failed, or holds an event that this program cannot read.
    pub async fn load_invite(&self, id: InviteId) -> Result<Invite, DatabaseError> {
        load(&self.invites, &id.to_string()).await
    }

    /// The login, folded from its events; a fresh one if there are none.
    ///
    /// # Errors
    /// As with [`Self::load_invite`].
    pub async fn load_login(&self, id: &LoginId) -> Result<Login, DatabaseError> {
        load(&self.logins, id.as_str()).await
    }

    /// The account, folded from its events; a fresh one if there are none.
    ///
    /// # Errors
    /// As with [`Self::load_invite`].
    pub async fn load_account(&self, id: AccountId) -> Result<Account, DatabaseError> {
        load(&self.accounts, &id.to_string()).await
    }

    async fn run<A>(
        &self,
        streams: &Arc<Streams<A>>,
        id: String,
        command: A::Command,
        context: Context,
    ) -> Result<(), StoreError<A::Error>>
    where
        A: Aggregate<Services = ()> + Clone + 'static,
        A::Command: Clone + Send + 'static,
        A::Error: Send + 'static,
    {
        let streams = Arc::clone(streams);
        let wake = self.database.wake().clone();
        let request = self.database.stream_locks().request(A::TYPE, &id);
        let task = async move {
            let mut lock = request.acquired().await;
            let state = lock.state.take().and_then(|state| state.downcast().ok());
            let stream = Stream::new(streams, state.map_or_else(StreamState::default, |state| *state));
            let done = decide_and_append(&stream, &id, command, context.metadata()).await;
            lock.state = Some(Box::new(stream.into_state()));
            drop(lock);
            if done.is_ok() {
                wake.notify(Topic::Appended);
            }
            done
        };
        let span = Span::new("append");
        span.set("log.stream", A::TYPE);
        let done = tokio::spawn(task.in_current_span()).in_span(span.clone()).await;
        match done {
            Ok(done) => done.inspect_err(|error| span.failed(error.kind())),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(DatabaseError::from(sqlx::Error::WorkerCrashed).into()),
            },
        }
    }
}

async fn decide_and_append<A>(
    stream: &Stream<A>,
    id: &str,
    command: A::Command,
    metadata: HashMap<String, String>,
) -> Result<(), StoreError<A::Error>>
where
    A: Aggregate<Services = ()> + Clone,
    A::Command: Clone,
    A::Error: 'static,
{
    let framework = CqrsFramework::new(stream, Vec::new(), ());
    let mut pause = Duration::from_millis(1);
    loop {
        match framework.execute_with_metadata(id, command.clone(), metadata.clone()).await {
            Ok(()) => return Ok(()),
            Err(AggregateError::UserError(reason)) => return Err(StoreError::Refused(reason)),
            Err(AggregateError::AggregateConflict) => {
                pause = LONGEST_PAUSE.min(pause * 2);
                tokio::time::sleep(up_to(pause)).await;
            }
            Err(other) => {
                return Err(match broken::<A>(other, id) {
                    DatabaseError::Sql(error) if crate::database::is_fenced(&error) => StoreError::Fenced,
                    error => StoreError::Database(error),
                });
            }
        }
    }
}

/// A random part of this: processes that collided must not retry at the same moment.
fn up_to(longest: Duration) -> Duration {
    let chance = getrandom::u32().unwrap_or(u32::MAX);
    longest.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

async fn load<A: Aggregate>(streams: &Streams<A>, id: &str) -> Result<A, DatabaseError> {
    match streams.read(id).await {
        Ok(state) => Ok(state.aggregate),
        Err(error) => Err(broken::<A>(error.into(), id)),
    }
}

fn broken<A: Aggregate>(error: AggregateError<A::Error>, id: &str) -> DatabaseError {
    use AggregateError::{
        AggregateConflict, DatabaseConnectionError, DeserializationError, UnexpectedError, UserError,
    };
    let source = match error {
        DatabaseConnectionError(source) | UnexpectedError(source) => source,
        // The messages of serde quote values, which may be personal.
        DeserializationError(_) | UserError(_) | AggregateConflict => {
            return DatabaseError::Unreadable(format!("{}/{id}", A::TYPE));
        }
    };
    match source.downcast::<sqlx::Error>() {
        Ok(error) => DatabaseError::Sql(*error),
        Err(_) => DatabaseError::Unreadable(format!("{}/{id}", A::TYPE)),
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
