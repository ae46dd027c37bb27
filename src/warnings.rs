//! What a service says of its database at its start: that it can do more than it has to, or less than it could.

use eventlog::database::{Database, DatabaseError};
use projections::views::users::filtered::finds_parts_of_names;

/// Says all of it, a line each.
///
/// # Errors
/// The database's.
pub async fn warn(db: &Database) -> Result<(), DatabaseError> {
    warn_of_owner(db).await?;
    warn_of_search(db).await?;
    warn_of_standbys(db).await
}

/// Says where the service's role can do more than it has to.
async fn warn_of_owner(db: &Database) -> Result<(), DatabaseError> {
    if db.owns_log().await? {
        tracing::info!(
            "DATABASE_URL: the role owns the log, and could change it: give the service a role of its own, and set DATABASE_OWNER_URL"
        );
    }
    Ok(())
}

/// Says where people are found by less than they could be.
async fn warn_of_search(db: &Database) -> Result<(), DatabaseError> {
    if !finds_parts_of_names(db).await? {
        tracing::info!(
            "PostgreSQL has no pg_trgm: admins find people by the beginning of a name alone; install it (contrib), then run `replay rebuild users`"
        );
    }
    Ok(())
}

/// Says where a failover would lose what people were told of.
async fn warn_of_standbys(db: &Database) -> Result<(), DatabaseError> {
    let of = db.durability().await?;
    if of.synchronous_standby_names.is_empty() && of.standbys.attached > 0 {
        tracing::warn!(
            standbys = of.standbys.attached,
            "DATABASE_URL: replication is asynchronous: a failover loses the last logins, which people were told of already; set synchronous_standby_names, or synchronous_mode in Patroni"
        );
    }
    Ok(())
}
