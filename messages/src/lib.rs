//! What comes from the bot's chats and goes to them. The [`inbox`] keeps each update until it is handled; the [`outbox`]
//! keeps each message until it is sent.
//!
//! Not here: Telegram's Bot API, and what is answered (`bot`).

pub mod backlog;
pub mod inbox;
pub mod outbox;

pub use inbox::{Inbox, Update};
pub use outbox::{Message, Outbox, Sender, To};
