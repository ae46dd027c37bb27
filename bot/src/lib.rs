//! The bot's [`chat`], over the Bot API: what people write and press, and what they are answered.
//!
//! Not here: the use cases (`app`) and the logins at Telegram (`login-worker`).

pub mod chat;
#[cfg(fuzzing)]
pub use chat::fuzzing;
