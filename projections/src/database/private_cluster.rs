//! A PostgreSQL of our own.

use std::path::Path;

use secrecy::SecretString;

use super::DatabaseError;

/// A running private PostgreSQL.
#[derive(Debug)]
pub struct PrivateCluster {}

impl PrivateCluster {
    /// Starts it.
    pub async fn start(_data_dir: &Path) -> Result<Self, DatabaseError> {
        todo!()
    }

    /// Of the database `qr_login`.
    pub fn url(&self) -> SecretString {
        todo!()
    }

    /// Makes another database; its url.
    pub async fn create_database(&self, _name: &str) -> Result<SecretString, DatabaseError> {
        todo!()
    }

    /// Stops it.
    pub async fn stop(self) -> Result<(), DatabaseError> {
        todo!()
    }
}
