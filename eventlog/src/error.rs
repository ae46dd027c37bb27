//! Why the database cannot be used, and which failures pass by themselves.

use std::io;

use sqlx::migrate::MigrateError;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not a URL of a PostgreSQL database. Its text may hold a password and stays out of the message.
    #[error("not a postgresql:// URL")]
    Url,
    /// `target_session_attrs` has a value that libpq does not know, or that is not supported here.
    #[error("target_session_attrs is none of any, read-write, read-only, primary, standby")]
    SessionAttributes,
    /// `PGPASSWORD_FILE` cannot be read.
    #[error("PGPASSWORD_FILE ({0}) cannot be read")]
    PasswordFile(String, #[source] io::Error),
    /// The server is too old.
    #[error("PostgreSQL {0} is too old: 14 or newer is needed")]
    TooOld(i32),
    /// No connection could be made, and it is known why.
    #[error("{problem}")]
    Connect {
        /// Why, and where: `connection refused at 127.0.0.1:5432`. It says what `error` says.
        problem: String,
        /// As the driver has it.
        error: Box<sqlx::Error>,
    },
    /// PostgreSQL refused, or was not there.
    #[error("PostgreSQL failed")]
    Sql(#[from] sqlx::Error),
    /// The server takes no writes now.
    #[error("the server takes no writes: it is a standby, or set to read-only")]
    ReadOnly,
    /// The tables are older than this program, and this role may not change them.
    #[error(
        "the tables are not up to date, and the role of DATABASE_URL does not own them: set DATABASE_OWNER_URL, or start a process that has it first"
    )]
    NotOwner,
    /// The tables are of a newer version, which has taken away what this one needs.
    #[error(
        "the tables are of a newer version of this program, and this one cannot work with them: run that version, or restore the database of this one"
    )]
    NewerTables,
    /// The tables could not be brought up to date.
    #[error("the tables could not be brought up to date")]
    Migrate(#[from] MigrateError),
    /// This program cannot read a stored event of this stream.
    #[error("an event of {0} cannot be read")]
    Unreadable(String),
    /// Positions that were there are gone, or mean other events: a standby took over without the tail, or a backup was restored.
    #[error("the log has been set back: a standby took over, or a backup was restored")]
    SetBack,
}

impl DatabaseError {
    /// Whether the failure may pass by itself: the database is not reachable, is stopping or starting, takes no more
    /// connections, takes no writes now, or has no room.
    pub fn is_transient(&self) -> bool {
        is_transient(self)
    }

    /// Whether there is no server at the address that was given: it refuses connections, or has no such name. It may come later, so a
    /// service waits for it. A person at a terminal does not.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Connect { error, .. } => match &**error {
                sqlx::Error::Io(error) => {
                    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
                        || is_unknown_host(error)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether this role may not do what was asked.
    pub fn is_of_rights(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        // insufficient_privilege
        error.code().is_some_and(|code| code == "42501")
    }

    /// Whether the database has not the tables or columns that a statement asked for.
    pub fn is_of_other_tables(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        // undefined_table, undefined_column, undefined_function, invalid_schema_name
        error.code().is_some_and(|code| ["42P01", "42703", "42883", "3F000"].contains(&&*code))
    }
}

/// Whether a name has no address. The resolver's error has no kind of its own.
pub(crate) fn is_unknown_host(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address information")
}

/// The same for an error that a failure of the database may have caused.
pub fn is_transient(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| match error.downcast_ref() {
        Some(DatabaseError::Connect { error, .. }) => passes(error),
        Some(DatabaseError::ReadOnly) => true,
        _ => error.downcast_ref().is_some_and(passes),
    })
}

fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        // A proxy without a server behind it answers nothing, or not as PostgreSQL does.
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            // Classes: connection_exception, insufficient_resources, operator_intervention.
            // Code: read_only_sql_transaction, from a standby.
            let code = error.code().unwrap_or_default();
            ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) || code == "25006"
        }
        _ => false,
    }
}

/// Whether one of our triggers or functions refused because a newer holder has the lease.
pub fn is_fenced(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "QR001")
}

/// The server did not answer in time. `what` was asked; of a statement only its beginning is told, which holds no values.
pub(crate) fn no_answer(what: &str) -> sqlx::Error {
    let words = what.split_whitespace().take(8).collect::<Vec<_>>().join(" ");
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in time to: {words}")))
}
