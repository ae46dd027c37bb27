//! One connection, each statement of which has a deadline, and the transactions on it.
//!
//! A statement waits 10 s for its answer. Statements that read the whole log wait 10 minutes. The connections for signals
//! and for presence are asked every few seconds whether they live.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Describe, Either, Error, Execute, Executor, PgConnection, Postgres};
use tokio::time::timeout;

use super::connections::Connections;
use crate::error::no_answer;

/// How long a connection may take on its way back into the pool, where it is pinged.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// How long a statement may take that reads a whole log, or gives all of it positions.
const LONG_ANSWER_WITHIN: Duration = Duration::from_secs(600);

/// A connection, from the pool or outside of it.
pub struct Connection {
    /// Taken only when this is dropped.
    raw: Option<Raw>,
    /// None outside of the pool.
    origin: Option<Origin>,
    answer_within: Duration,
    /// A statement is under way, or was given up before its answer: the connection cannot be used for another one.
    unfinished: bool,
}

enum Raw {
    Pooled(PoolConnection<Postgres>),
    Own(Box<PgConnection>),
}

/// The pool that a connection belongs to.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) connections: Connections,
    pub(super) generation: u64,
}

/// A transaction. Dropped without [`Self::commit`] or [`Self::rollback`], it ends with its connection.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    open: bool,
}

impl Connection {
    pub(super) fn pooled(raw: PoolConnection<Postgres>, origin: Origin) -> Self {
        let answer_within = origin.connections.answer_within();
        Self { raw: Some(Raw::Pooled(raw)), origin: Some(origin), answer_within, unfinished: false }
    }

    /// Outside of the pool.
    pub(crate) fn own(raw: PgConnection) -> Self {
        let raw = Some(Raw::Own(Box::new(raw)));
        Self { raw, origin: None, answer_within: LONG_ANSWER_WITHIN, unfinished: false }
    }

    /// With ten minutes for each answer, for statements that may have much to do.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.answer_within = LONG_ANSWER_WITHIN;
        self
    }

    /// Begins a transaction, with this statement. A future that is dropped before it is done closes the connection, and
    /// with it a transaction that may have begun.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn begin(mut self, statement: &str) -> Result<Transaction, Error> {
        self.execute(statement).await?;
        Ok(Transaction { connection: self, open: true })
    }

    /// The data of a `copy … to stdout`. Each next piece has to come within the deadline of a statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn copy_out<'c>(
        &'c mut self,
        statement: &'c str,
    ) -> Result<BoxStream<'c, Result<Bytes, Error>>, Error> {
        let (raw, running) = self.begin_statement(statement);
        let coming = running.within(raw.copy_out_raw(statement)).await?;
        Ok(running.each(coming))
    }

    /// Sends data into a `copy … from stdin`. The server has to take each piece within the deadline of a statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn copy_in(
        &mut self,
        statement: &str,
        pieces: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), Error> {
        let (raw, mut running) = self.begin_statement(statement);
        let mut copy = running.within(raw.copy_in_raw(statement)).await?;
        for piece in pieces {
            running.within(copy.send(piece)).await?;
        }
        running.within(copy.finish()).await?;
        running.end();
        Ok(())
    }

    /// Whether the server still answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&mut self) -> Result<(), Error> {
        let (raw, running) = self.begin_statement("ping");
        running.finish(raw.ping()).await
    }

    /// Tells the server, and closes it. Where that fails, it is dropped.
    pub async fn close(mut self) {
        let closed = async {
            match self.raw.take() {
                Some(Raw::Pooled(raw)) => raw.close().await,
                Some(Raw::Own(raw)) => raw.close().await,
                None => Ok(()),
            }
        };
        let _ = timeout(BACK_WITHIN, closed).await;
    }

    /// For a library that takes sqlx's own connection, and waits without a deadline.
    pub(crate) fn without_deadlines(&mut self) -> &mut PgConnection {
        raw(&mut self.raw)
    }

    fn begin_statement<'c>(&'c mut self, statement: &'c str) -> (&'c mut PgConnection, Running<'c>) {
        self.unfinished = true;
        let running = Running {
            statement,
            origin: self.origin.as_ref(),
            answer_within: self.answer_within,
            unfinished: &mut self.unfinished,
        };
        (raw(&mut self.raw), running)
    }
}

fn raw(raw: &mut Option<Raw>) -> &mut PgConnection {
    match raw.as_mut().expect("only dropping takes it") {
        Raw::Pooled(raw) => raw,
        Raw::Own(raw) => raw,
    }
}

/// A statement under way, and its deadline.
struct Running<'c> {
    statement: &'c str,
    origin: Option<&'c Origin>,
    answer_within: Duration,
    unfinished: &'c mut bool,
}

impl<'c> Running<'c> {
    /// Waits for an answer until the deadline.
    async fn within<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match timeout(self.answer_within, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.failed(&error);
                Err(error)
            }
            Err(_) => {
                if let Some(origin) = self.origin {
                    origin.connections.give_up(origin.generation);
                }
                Err(no_answer(self.statement))
            }
        }
    }

    /// The same, to the end of the statement.
    async fn finish<T>(mut self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let answer = self.within(answer).await;
        match &answer {
            Ok(_) | Err(Error::Database(_)) => self.end(),
            Err(_) => {}
        }
        answer
    }

    /// The same, for each piece of an answer, to the end of the statement.
    fn each<T: Send + 'c>(self, coming: BoxStream<'c, Result<T, Error>>) -> BoxStream<'c, Result<T, Error>> {
        Box::pin(stream::unfold(Some((self, coming)), async |state| {
            let (mut running, mut coming) = state?;
            let next = running.within(async { coming.next().await.transpose() }).await;
            match next {
                Ok(Some(piece)) => Some((Ok(piece), Some((running, coming)))),
                Ok(None) => {
                    running.end();
                    None
                }
                Err(error) => {
                    if matches!(error, Error::Database(_)) {
                        running.end();
                    }
                    Some((Err(error), None))
                }
            }
        }))
    }

    fn failed(&self, error: &Error) {
        let Some(origin) = self.origin else { return };
        match error {
            // read_only_sql_transaction: this server is a standby by now.
            Error::Database(error) if error.code().as_deref() == Some("25006") => {
                origin.connections.give_up(origin.generation);
            }
            Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => origin.connections.search_server(),
            _ => {}
        }
    }

    fn end(&mut self) {
        *self.unfinished = false;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(Raw::Pooled(mut raw)) = self.raw.take() else { return };
        if self.unfinished {
            drop(raw.detach());
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(BACK_WITHIN, raw.return_to_pool()));
        } else {
            drop(raw.leak());
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Transaction {
    /// Commits it.
    ///
    /// # Errors
    /// The server refused, or was not there. In the latter case it is not known whether it is committed.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.connection.execute("commit").await?;
        self.open = false;
        Ok(())
    }

    /// Rolls it back.
    ///
    /// # Errors
    /// The server was not there, and rolls it back by itself.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.connection.execute("rollback").await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.connection.unfinished |= self.open;
    }
}

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (raw, running) = self.begin_statement(query.sql());
        running.each(raw.fetch_many(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (raw, running) = self.begin_statement(query.sql());
        Box::pin(running.finish(raw.fetch_optional(query)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        let (raw, running) = self.begin_statement(sql);
        Box::pin(running.finish(raw.prepare_with(sql, parameters)))
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let (raw, running) = self.begin_statement(sql);
        Box::pin(running.finish(raw.describe(sql)))
    }
}
