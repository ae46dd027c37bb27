//! Everything that talks to Telegram: [`login`] over MTProto, as the person who logs in.

pub mod login;
