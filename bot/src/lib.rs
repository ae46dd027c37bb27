//! Everything that talks to Telegram: [`chat`] over the Bot API, as the bot; [`login`] over MTProto, as the person who
//! logs in.

pub mod chat;
pub mod login;
