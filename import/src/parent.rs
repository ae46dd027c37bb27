//! The database of the Python system. It is only read, in one transaction that sees one state of it, and of its tables only the
//! columns that are named here. `api_hash` and `phone_number` are not among them.
//!
//! Columns differ from one installation to the next: some are missing, and their types are not the same everywhere. So each is read
//! as text, and [`value`] says what it means. Times without a zone are taken as UTC, which is what the Python system wrote.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::report::Report;

#[cfg(test)]
mod tests;
pub mod value;

/// A table of the Python system, and which of its columns are read.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Those without which nothing can be taken.
    pub required: &'static [&'static str],
    /// Those that may be missing.
    pub optional: &'static [&'static str],
    /// What its rows are read in the order of.
    order_by: &'static str,
}

/// The people.
pub const USERS: Table = Table {
    name: "users",
    required: &["id", "telegram_id"],
    optional: &[
        "username",
        "first_name",
        "last_name",
        "created_at",
        "is_active",
        "is_authenticated",
        "is_blocked",
        "block_expires",
        "role",
        "subscription_type",
        "subscription_started_at",
        "subscription_expires",
        "max_channels",
        "invited_by",
    ],
    order_by: "id",
};

/// The invites.
pub const INVITES: Table = Table {
    name: "invite_codes",
    required: &["code"],
    optional: &[
        "created_by",
        "created_at",
        "used_by",
        "used_at",
        "expires_at",
        "max_uses",
        "uses_count",
        "default_subscription",
        "default_trial_days",
    ],
    order_by: "code",
};

/// What happened to subscriptions.
pub const HISTORY: Table = Table {
    name: "subscription_history",
    required: &["user_id", "action", "changed_at"],
    optional: &["old_type", "new_type", "changed_by", "notes"],
    order_by: "changed_at",
};

/// One state of the database, and times as this service reads them. A pooler in between keeps what is set in a transaction.
const BEGIN: &str = "begin isolation level repeatable read read only;
                     set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'";

/// A row, each column as text.
#[derive(Clone, Debug)]
pub struct TextRow {
    table: Table,
    values: Vec<Option<String>>,
}

impl TextRow {
    /// The text in this column; None: it is null, blank, or the column is missing.
    pub fn text(&self, column: &str) -> Option<&str> {
        let at = self.table.columns().position(|name| name == column)?;
        self.values[at].as_deref().map(str::trim).filter(|text| !text.is_empty())
    }
}

/// What a table holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Its rows.
    Rows(Vec<TextRow>),
    /// There is no such table.
    NoTable,
    /// It lacks a column without which nothing can be taken.
    NoColumn(&'static str),
}

impl Content {
    /// Its rows. A table that cannot be taken is told, and has none.
    pub fn rows(&self, table: Table, report: &mut Report) -> &[TextRow] {
        let why = match self {
            Self::Rows(rows) => return rows,
            Self::NoTable => "there is no such table".to_owned(),
            Self::NoColumn(column) => format!("it has no column {column}"),
        };
        report.table_not_taken(table.name, why);
        &[]
    }
}

/// The database, as far as it is read.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Who is known.
    pub users: Vec<TextRow>,
    /// Which invites there are.
    pub invites: Content,
    /// What happened to subscriptions.
    pub history: Content,
}

/// Why nothing could be read. The address is not in it: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// The address is none.
    #[error("--from is no address of a PostgreSQL database: postgres://user@host/database")]
    Address,
    /// The server refuses, or is not there.
    #[error("the database that --from names cannot be connected to")]
    Connect(#[source] sqlx::Error),
    /// A statement failed.
    #[error("the table {0} cannot be read")]
    Read(&'static str, #[source] sqlx::Error),
    /// It is the database of this service.
    #[error("--from names the database of a qr-login: it has to be that of the Python system")]
    Ours,
    /// It is none of the Python system.
    #[error(
        "the database that --from names has no table users with the columns id and telegram_id: is it that of the Python system?"
    )]
    NoUsers,
}

impl Table {
    fn columns(self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }
}

/// Reads the three tables.
///
/// # Errors
/// [`ParentError`].
pub async fn read(url: &str) -> Result<Parent, ParentError> {
    let options: PgConnectOptions = url.parse().map_err(|_| ParentError::Address)?;
    let options = options.application_name("qr-login import").disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await.map_err(ParentError::Connect)?;
    let parent = read_all(&mut connection).await;
    let _ = connection.close().await;
    parent
}

async fn read_all(connection: &mut PgConnection) -> Result<Parent, ParentError> {
    let failed = |error| ParentError::Read(USERS.name, error);
    sqlx::raw_sql(BEGIN).execute(&mut *connection).await.map_err(ParentError::Connect)?;
    let is_ours: bool = sqlx::query_scalar("select to_regclass('vault.subjects') is not null")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if is_ours {
        return Err(ParentError::Ours);
    }
    let Content::Rows(users) = rows(connection, USERS).await? else { return Err(ParentError::NoUsers) };
    let invites = rows(connection, INVITES).await?;
    let history = rows(connection, HISTORY).await?;
    Ok(Parent { users, invites, history })
}

async fn rows(connection: &mut PgConnection, table: Table) -> Result<Content, ParentError> {
    let failed = |error| ParentError::Read(table.name, error);
    let present: Option<Vec<String>> = sqlx::query_scalar(
        "select array_agg(attname::text) from pg_attribute
          where attrelid = to_regclass($1) and attnum > 0 and not attisdropped",
    )
    .bind(table.name)
    .fetch_one(&mut *connection)
    .await
    .map_err(failed)?;
    let Some(present) = present else { return Ok(Content::NoTable) };
    let has = |column: &str| present.iter().any(|name| name == column);
    if let Some(missing) = table.required.iter().find(|column| !has(column)) {
        return Ok(Content::NoColumn(missing));
    }
    let columns: Vec<String> = table
        .columns()
        .map(|column| if has(column) { format!("{column}::text") } else { "null::text".to_owned() })
        .collect();
    let Table { name, order_by, .. } = table;
    // With the table's name it is the column, and not the text that is selected under the same name: 2 comes before 10.
    let select = format!("select {} from {name} order by {name}.{order_by}", columns.join(", "));
    let rows = sqlx::query(&select).fetch_all(&mut *connection).await.map_err(failed)?;
    let rows = rows.into_iter().map(|row| {
        let values = (0..columns.len()).map(|at| row.try_get(at)).collect::<Result<_, _>>()?;
        Ok(TextRow { table, values })
    });
    Ok(Content::Rows(rows.collect::<Result<_, _>>().map_err(failed)?))
}

impl TextRow {
    /// A row of a test.
    #[cfg(test)]
    pub fn of(table: Table, values: &[(&str, &str)]) -> Self {
        let value = |column: &str| {
            values.iter().find(|(name, _)| *name == column).map(|(_, value)| (*value).to_owned())
        };
        Self { table, values: table.columns().map(value).collect() }
    }
}
