//! The roles of a database: the owner's, the service's, an auditor's.

use sqlx::Executor;

use super::handle::Database;
use crate::error::DatabaseError;
use crate::pool::Connection;

/// What one is allowed with this role is in migration 0005. A group: nobody logs in as it.
pub const AUDITOR_ROLE: &str = "qr_auditor";

/// A role that is to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Whether somebody may connect as it.
    pub may_log_in: bool,
}

impl Role<'_> {
    /// `create role …`, for a person who may.
    pub fn create(&self) -> String {
        let log_in = if self.may_log_in { "login" } else { "nologin" };
        format!("create role \"{}\" {log_in}", self.name.replace('"', "\"\""))
    }
}

impl Database {
    /// Makes a role where it is missing, without a password. Returns whether it was.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: this role may not make roles.
    pub async fn make_role(&self, role: Role<'_>) -> Result<bool, DatabaseError> {
        let mut connection = self.pool.acquire().await?;
        if is_there(&mut connection, role.name).await? {
            return Ok(false);
        }
        connection.execute(&*role.create()).await?;
        Ok(true)
    }

    /// Lets another role do what the service does, and no more. This one owns the tables, and they are up to date. The role is
    /// made if `make` says so.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`]: there is no such role, or this one does not own the tables.
    pub async fn grant_to_service(&self, role: &str, make: bool) -> Result<(), DatabaseError> {
        let mut transaction = self.pool.acquire().await?.patient().begin("begin").await?;
        // Two grants at once to one role fail.
        transaction.execute("select pg_advisory_xact_lock(hashtextextended('migrate', 0))").await?;
        if make && !is_there(&mut transaction, role).await? {
            transaction.execute(&*Role { name: role, may_log_in: true }.create()).await?;
        }
        sqlx::query!("select grant_to_service($1::text::name)", role).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn is_there(connection: &mut Connection, role: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select exists (select from pg_roles where rolname = $1) as "is_there!""#, role)
        .fetch_one(connection)
        .await
}
