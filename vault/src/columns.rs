//! Values of columns as types of the domain.

use std::error::Error;

use domain::LoginId;

/// The column `login_id`.
pub(crate) fn login_id(text: &str) -> Result<LoginId, sqlx::Error> {
    text.parse().map_err(|error| undecodable("login_id", error))
}

/// The column `attempt`.
pub(crate) fn attempt(number: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(number).map_err(|error| undecodable("attempt", error))
}

fn undecodable(column: &str, error: impl Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }
}
