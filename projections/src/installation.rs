//! What a database belongs to: Telegram itself, or one private network. Written at the first start, compared at every
//! later one.

use crate::database::{Database, DatabaseError};

/// Why a database is refused.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// It was made with another network.
    #[error(
        "this database belongs to the network {of:?}, not to {wanted:?}: TELEGRAM_NETWORK_FILE or the database is the wrong one"
    )]
    OtherNetwork {
        /// Whose it is.
        of: String,
        /// Who asks.
        wanted: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Stamps the database with this network, or makes sure that it is stamped so.
///
/// # Errors
/// [`InstallationError::OtherNetwork`]: the database belongs to another one.
pub async fn belongs_to(db: &Database, network: &str) -> Result<(), InstallationError> {
    let stamp = "insert into installation (network) values ($1) on conflict (one) do nothing";
    sqlx::query(stamp).bind(network).execute(db.pool()).await.map_err(DatabaseError::from)?;
    let of: String = sqlx::query_scalar("select network from installation")
        .fetch_one(db.pool())
        .await
        .map_err(DatabaseError::from)?;
    if of == network {
        Ok(())
    } else {
        Err(InstallationError::OtherNetwork { of, wanted: network.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_belongs_to_the_network_of_its_first_start() {
        let test = crate::testing::database().await;
        belongs_to(&test.db, "telegram").await.expect("the first start stamps");
        belongs_to(&test.db, "telegram").await.expect("a later one agrees");
        let other = belongs_to(&test.db, "private:ab12").await;
        assert!(matches!(other, Err(InstallationError::OtherNetwork { of, .. }) if of == "telegram"));
    }
}
