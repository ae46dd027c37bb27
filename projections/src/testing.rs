//! A real PostgreSQL for tests.

use secrecy::SecretString;

use crate::database::Database;

/// A fresh, migrated database.
#[derive(Debug)]
pub struct TestDatabase {
    /// Connected.
    pub db: Database,
    /// Its url.
    pub url: SecretString,
}

/// A fresh, migrated database.
pub async fn database() -> TestDatabase {
    todo!()
}

/// The url of a fresh, migrated database.
pub async fn url() -> SecretString {
    todo!()
}
