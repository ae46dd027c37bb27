//! What a person asks of the bot.

use super::person::Person;

/// What a person asks, and where the answer goes.
pub(super) struct Request {
    pub update_id: i64,
    pub chat_id: i64,
    pub person: Person,
    /// The message whose button was pressed.
    pub pressed: Option<i32>,
}
