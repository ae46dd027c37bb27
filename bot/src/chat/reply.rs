//! An answer: what a handler returns, and what the outbox keeps of it until it is sent.

use domain::LoginId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teloxide::types::{InlineKeyboardButton, InlineKeyboardMarkup};

/// What a handler returns.
pub(super) struct Reply {
    /// The key in the outbox; None: the update makes one.
    pub key: Option<String>,
    /// It is not sent after this.
    pub not_after: Option<Timestamp>,
    /// It is sent where nothing else is to be sent.
    pub to_stranger: bool,
    pub body: Body,
}

/// A message as the outbox keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Body {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<InlineKeyboardMarkup>,
    /// The message of the bot that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<i32>,
    /// A warning: twice is better than not at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Self {
        let body = Body { text: text.into(), keyboard: None, instead_of: None, warning: false };
        Self { key: None, not_after: None, to_stranger: false, body }
    }

    /// With these rows of buttons under it.
    pub fn with_buttons(mut self, rows: Vec<Vec<InlineKeyboardButton>>) -> Self {
        self.body.keyboard = Some(InlineKeyboardMarkup::new(rows));
        self
    }

    /// It replaces the message whose button was pressed.
    pub fn instead_of(mut self, message: Option<i32>) -> Self {
        self.body.instead_of = message;
        self
    }

    /// It is sent twice rather than not at all.
    pub fn warning(mut self) -> Self {
        self.body.warning = true;
        self
    }

    pub fn with_key(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    pub fn not_after(mut self, moment: Timestamp) -> Self {
        self.not_after = Some(moment);
        self
    }
}

/// The key of the message with a login's button. There is one for each login, whichever update asked for it.
pub(super) fn card_key(login: &LoginId) -> String {
    format!("login/{login}/card")
}

/// The login whose card has this key; None: it is the key of another message.
pub(super) fn card_of(key: &str) -> Option<LoginId> {
    key.strip_prefix("login/")?.strip_suffix("/card")?.parse().ok()
}
