//! One connection, each statement of which has a deadline, and the transactions on it.

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

use super::pool::Pool;

/// How long a connection may take on its way back into the pool, where it is asked whether it lives.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// How long a statement may be silent that folds, compares or places what a whole log holds.
const LONG_ANSWER_WITHIN: Duration = Duration::from_secs(600);

/// A connection, of the pool or of its own.
pub struct Connection {
    /// Taken only when this is dropped.
    raw: Option<Raw>,
    /// Of the pool: which of its connections it is.
    home: Option<Home>,
    answer_within: Duration,
    /// A statement is under way, or was given up before its answer: nobody else can use the connection.
    unfinished: bool,
}

enum Raw {
    Pooled(PoolConnection<Postgres>),
    Own(Box<PgConnection>),
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub pool: Pool,
    pub number: u64,
}

/// A transaction. Dropped without [`Self::commit`] or [`Self::rollback`], it ends with its connection.
#[derive(Debug)]
pub struct Transaction {
    connection: Connection,
    open: bool,
}

/// What is said of a server that does not answer `what`: of a statement its beginning, which holds no values.
pub(super) fn silent(what: &str) -> Error {
    let words = what.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer in time to: {words}")))
}

impl Connection {
    pub(super) fn pooled(raw: PoolConnection<Postgres>, home: Home, answer_within: Duration) -> Self {
        Self { raw: Some(Raw::Pooled(raw)), home: Some(home), answer_within, unfinished: false }
    }

    pub(super) fn own(raw: PgConnection) -> Self {
        let raw = Some(Raw::Own(Box::new(raw)));
        Self { raw, home: None, answer_within: LONG_ANSWER_WITHIN, unfinished: false }
    }

    /// For statements that may take long, because there may be much to do.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.answer_within = LONG_ANSWER_WITHIN;
        self
    }

    /// Begins a transaction, with this statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn begin(mut self, statement: &str) -> Result<Transaction, Error> {
        // Before the statement: what is dropped in the middle of it may have begun.
        self.execute(statement).await?;
        Ok(Transaction { connection: self, open: true })
    }

    /// What comes of a `copy … to stdout`. The next piece has to come within the deadline of a statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn copy_out<'c>(
        &'c mut self,
        statement: &'c str,
    ) -> Result<BoxStream<'c, Result<Bytes, Error>>, Error> {
        let (raw, watch) = self.begin_statement(statement);
        let coming = watch.within(raw.copy_out_raw(statement)).await?;
        Ok(watch.each(coming))
    }

    /// Sends these pieces into a `copy … from stdin`. Each has to be taken within the deadline of a statement.
    ///
    /// # Errors
    /// The server refused, or was not there.
    pub async fn copy_in(
        &mut self,
        statement: &str,
        pieces: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), Error> {
        let (raw, mut watch) = self.begin_statement(statement);
        let mut copy = watch.within(raw.copy_in_raw(statement)).await?;
        for piece in pieces {
            watch.within(copy.send(piece)).await?;
        }
        watch.within(copy.finish()).await?;
        watch.end();
        Ok(())
    }

    /// Whether the server still answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&mut self) -> Result<(), Error> {
        let (raw, watch) = self.begin_statement("ping");
        watch.finish(raw.ping()).await
    }

    /// Closes it in order. One that cannot be is as good as closed.
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

    /// For a library that wants sqlx's own connection, and waits without a deadline.
    pub(super) fn without_deadlines(&mut self) -> &mut PgConnection {
        raw(&mut self.raw)
    }

    fn begin_statement<'c>(&'c mut self, statement: &'c str) -> (&'c mut PgConnection, Watch<'c>) {
        self.unfinished = true;
        let watch = Watch {
            statement,
            home: self.home.as_ref(),
            answer_within: self.answer_within,
            unfinished: &mut self.unfinished,
        };
        (raw(&mut self.raw), watch)
    }
}

fn raw(raw: &mut Option<Raw>) -> &mut PgConnection {
    match raw.as_mut().expect("only dropping takes it") {
        Raw::Pooled(raw) => raw,
        Raw::Own(raw) => raw,
    }
}

/// Looks after one statement.
struct Watch<'c> {
    statement: &'c str,
    home: Option<&'c Home>,
    answer_within: Duration,
    unfinished: &'c mut bool,
}

impl<'c> Watch<'c> {
    /// Waits for an answer, as long as the deadline allows.
    async fn within<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match timeout(self.answer_within, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.failed(&error);
                Err(error)
            }
            Err(_) => {
                if let Some(home) = self.home {
                    home.pool.give_up(home.number);
                }
                Err(silent(self.statement))
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
            let (mut watch, mut coming) = state?;
            let next = watch.within(async { coming.next().await.transpose() }).await;
            match next {
                Ok(Some(piece)) => Some((Ok(piece), Some((watch, coming)))),
                Ok(None) => {
                    watch.end();
                    None
                }
                Err(error) => {
                    if matches!(error, Error::Database(_)) {
                        watch.end();
                    }
                    Some((Err(error), None))
                }
            }
        }))
    }

    fn failed(&self, error: &Error) {
        let Some(home) = self.home else { return };
        match error {
            // read_only_sql_transaction: this server is a standby by now.
            Error::Database(error) if error.code().as_deref() == Some("25006") => {
                home.pool.give_up(home.number);
            }
            Error::Io(_) | Error::Tls(_) | Error::Protocol(_) => home.pool.look_for_server(),
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
    /// Ends it for good.
    ///
    /// # Errors
    /// The server refused, or was not there: whether it is committed is not known.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.connection.execute("commit").await?;
        self.open = false;
        Ok(())
    }

    /// Takes all of it back.
    ///
    /// # Errors
    /// The server was not there: it does the same by itself.
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
        let (raw, watch) = self.begin_statement(query.sql());
        watch.each(raw.fetch_many(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let (raw, watch) = self.begin_statement(query.sql());
        Box::pin(watch.finish(raw.fetch_optional(query)))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>>
    where
        'c: 'e,
    {
        let (raw, watch) = self.begin_statement(sql);
        Box::pin(watch.finish(raw.prepare_with(sql, parameters)))
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let (raw, watch) = self.begin_statement(sql);
        Box::pin(watch.finish(raw.describe(sql)))
    }
}
