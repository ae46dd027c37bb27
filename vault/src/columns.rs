//! Values of columns as types of the domain.

use domain::LoginId;

/// The column `login_id`.
pub(crate) fn login_id(text: &str) -> Result<LoginId, sqlx::Error> {
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A bigint column that holds a count.
pub(crate) fn number(number: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(number).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
