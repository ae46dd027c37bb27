//! An answer: what a handler returns, and what the outbox keeps of it until it is sent.

use domain::LoginId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teloxide::types::{
    InlineKeyboardButton, InlineKeyboardMarkup, MenuButton, MessageEntity, MessageEntityKind,
};
use texts::{Part, Style, Styled};

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
    /// How its parts look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<MessageEntity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyboard: Option<InlineKeyboardMarkup>,
    /// It asks for an answer: the client opens the input field with these words in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    /// The message of the bot that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<i32>,
    /// Where the message that it replaces is gone, nothing is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edit_only: bool,
    /// A warning: twice is better than not at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    /// What the chat's menu button opens, once this is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<MenuButton>,
}

impl Body {
    pub fn text(text: impl Into<Styled>) -> Self {
        let (text, parts) = text.into().into_parts();
        let entities = parts.into_iter().map(entity).collect();
        Self {
            text,
            entities,
            keyboard: None,
            ask: None,
            instead_of: None,
            edit_only: false,
            warning: false,
            menu: None,
        }
    }
}

fn entity(part: Part) -> MessageEntity {
    let kind = match part.style {
        Style::Bold => MessageEntityKind::Bold,
        Style::Code => MessageEntityKind::Code,
        Style::Quote => MessageEntityKind::Blockquote,
    };
    MessageEntity::new(kind, part.offset, part.length)
}

impl From<Body> for Reply {
    fn from(body: Body) -> Self {
        Self { key: None, not_after: None, to_stranger: false, body }
    }
}

impl Reply {
    pub fn text(text: impl Into<Styled>) -> Self {
        Body::text(text).into()
    }

    /// With these rows of buttons under it.
    pub fn with_buttons(mut self, rows: Vec<Vec<InlineKeyboardButton>>) -> Self {
        self.body.keyboard = Some(InlineKeyboardMarkup::new(rows));
        self
    }

    /// The client asks for an answer, with these words in the input field.
    pub fn asking(mut self, placeholder: &str) -> Self {
        self.body.ask = Some(placeholder.to_owned());
        self
    }

    /// It replaces the message whose button was pressed.
    pub fn instead_of(mut self, message: Option<i32>) -> Self {
        self.body.instead_of = message;
        self
    }

    /// Nothing is sent where the message that it replaces is gone.
    pub fn edit_only(mut self) -> Self {
        self.body.edit_only = true;
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
