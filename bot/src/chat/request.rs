//! What a person asks of the bot.

use vault::Origin;

use super::person::Person;

/// What a person asks, and where the answer goes.
pub(super) struct Request {
    pub update_id: i64,
    pub chat_id: i64,
    pub person: Person,
    /// The message whose button was pressed.
    pub pressed: Option<i32>,
}

impl Request {
    /// What an order came by. The same button of the same message means the same order, however often it is pressed; `choice`
    /// tells apart what one message may order.
    pub fn origin(&self, choice: &str) -> Origin {
        match self.pressed {
            Some(message) => Origin::Button(message, choice.to_owned()),
            None => Origin::Update(self.update_id),
        }
    }
}
