//! The way to PostgreSQL.

use secrecy::SecretString;
use sqlx::{PgConnection, PgPool};

use crate::wake::Wake;

mod private_cluster;

pub use private_cluster::PrivateCluster;

/// A pool of connections and the signals between their users. A cheap clone.
#[derive(Clone, Debug)]
pub struct Database {}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// PostgreSQL refused, or was not there.
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The private PostgreSQL could not be run; one line that says what to do.
    #[error("{0}")]
    Cluster(String),
}

impl Database {
    /// Connects.
    pub async fn connect(_url: &SecretString) -> Result<Self, DatabaseError> {
        todo!()
    }

    /// Brings the tables up to date.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        todo!()
    }

    /// The pool.
    pub fn pool(&self) -> &PgPool {
        todo!()
    }

    /// The signals.
    pub fn wake(&self) -> &Wake {
        todo!()
    }

    /// A connection of its own.
    pub async fn direct(&self) -> Result<PgConnection, DatabaseError> {
        todo!()
    }
}
