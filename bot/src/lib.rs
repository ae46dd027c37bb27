//! Everything that talks to Telegram: [`chat`] over the Bot API, as the bot; [`login`] over MTProto, as the person who
//! logs in. And [`invites`], which both the chat and the command line make.

pub mod chat;
pub mod invites;
pub mod login;
