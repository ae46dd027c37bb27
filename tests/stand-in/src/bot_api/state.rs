//! The state of the server: chats and their messages, callback queries, pending faults, and past calls.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use super::faults::Faults;
use super::keyboard::{Button, Keyboard};
use super::profile::Profile;
use super::text::{Entity, Text};
use super::updates::Updates;
use crate::accounts::Account;

/// The one group of this Telegram, in which the bot is a member.
pub const GROUP_ID: i64 = -1_002_000_000_001;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A person.
    Person,
    /// The bot.
    Bot,
}

/// A message as it stands in a chat now. Serialised as the sandbox page wants it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// Its id, unique on this server.
    pub message_id: i64,
    /// Whose it is.
    pub from: From,
    /// When it was sent, Unix seconds.
    pub date: i64,
    /// When it was edited last, Unix seconds.
    pub edited: Option<i64>,
    /// Its text without markup; empty for a contact.
    pub text: String,
    /// The markup.
    pub entities: Vec<Entity>,
    /// A shared contact, as the Bot API describes it.
    pub contact: Option<Value>,
    /// The inline keyboard under it.
    pub keyboard: Option<Keyboard>,
    /// It opens a reply to itself, with these words in the empty input field (`force_reply`).
    #[serde(skip)]
    pub asks_for_reply: Option<String>,
    /// The message that it replies to.
    #[serde(skip)]
    pub reply_to: Option<i64>,
    /// The author's id.
    #[serde(skip)]
    pub sender_id: i64,
    /// Whether the person emptied the chat on their side: the bot can still edit it, nobody sees it.
    #[serde(skip)]
    pub hidden: bool,
}

impl Message {
    /// The first button on which exactly this stands.
    pub fn button(&self, text: &str) -> Option<&Button> {
        self.buttons().find(|button| button.text == text)
    }

    /// All buttons, row by row.
    pub fn buttons(&self) -> impl Iterator<Item = &Button> {
        self.keyboard.iter().flatten().flatten()
    }

    /// The Mini App that its first `web_app` button opens.
    pub fn web_app_url(&self) -> Option<&str> {
        self.buttons().find_map(Button::web_app_url)
    }
}

/// A chat of the bot's.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub messages: BTreeMap<i64, Message>,
    /// The person stopped the bot.
    pub blocked: bool,
    /// Until when the bot is shown as typing.
    pub typing_until: Option<tokio::time::Instant>,
}

/// A press that waits for the bot's answer, or has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Callback {
    pub answer: Option<(Option<String>, bool)>,
}

/// A call that the bot made, for a test that counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method, in lower case.
    pub method: String,
    /// The chat it was about.
    pub chat_id: Option<i64>,
    /// When it came.
    pub at: Instant,
    /// The HTTP status of the answer; none while it is under way, or where it was never answered.
    pub status: Option<u16>,
}

pub(super) struct State {
    pub chats: BTreeMap<i64, Chat>,
    pub next_message_id: i64,
    pub next_callback_id: u64,
    pub callbacks: HashMap<String, Callback>,
    pub updates: Updates,
    pub profile: Profile,
    pub faults: Faults,
    pub calls: Vec<Call>,
}

impl State {
    /// `now` also makes ids that an earlier run of this server, with the same bot on the other side, did not give out.
    pub fn new(now: i64) -> Self {
        Self {
            chats: BTreeMap::from([(GROUP_ID, Chat::default())]),
            next_message_id: 1,
            next_callback_id: u64::try_from(now).unwrap_or_default() << 20,
            callbacks: HashMap::new(),
            updates: Updates::new(now),
            profile: Profile::default(),
            faults: Faults::default(),
            calls: Vec::new(),
        }
    }

    /// Puts a message into a chat and gives its id.
    pub fn put(
        &mut self,
        chat_id: i64,
        from: From,
        sender_id: i64,
        date: i64,
        text: Text,
        keyboard: Option<Keyboard>,
    ) -> &mut Message {
        let message_id = self.next_message_id;
        self.next_message_id += 1;
        let chat = self.chats.entry(chat_id).or_default();
        if from == From::Bot {
            chat.typing_until = None;
        }
        chat.messages.entry(message_id).or_insert(Message {
            message_id,
            from,
            date,
            edited: None,
            text: text.text,
            entities: text.entities,
            contact: None,
            keyboard,
            asks_for_reply: None,
            reply_to: None,
            sender_id,
            hidden: false,
        })
    }
}

/// A person as a `User` of the Bot API.
pub(super) fn user_json(person: &Account) -> Value {
    let mut user = json!({"id": person.id, "is_bot": false, "first_name": person.first_name});
    set(&mut user, "last_name", person.last_name.as_deref());
    set(&mut user, "username", person.username.as_deref());
    set(&mut user, "language_code", person.language_code.as_deref());
    user
}

/// The `Chat` of the Bot API.
pub(super) fn chat_json(chat_id: i64, person: Option<&Account>) -> Value {
    let Some(person) = person else {
        return json!({"id": chat_id, "type": "supergroup", "title": "Friends"});
    };
    let mut chat = json!({"id": chat_id, "type": "private", "first_name": person.first_name});
    set(&mut chat, "last_name", person.last_name.as_deref());
    set(&mut chat, "username", person.username.as_deref());
    chat
}

/// The `Message` of the Bot API. `chat` and `from` are whole objects there.
pub(super) fn message_json(message: &Message, chat: Value, from: Value) -> Value {
    let mut json =
        json!({"message_id": message.message_id, "from": from, "chat": chat, "date": message.date});
    match &message.contact {
        Some(contact) => json["contact"] = contact.clone(),
        None => json["text"] = message.text.as_str().into(),
    }
    if let Some(edited) = message.edited {
        json["edit_date"] = edited.into();
    }
    if !message.entities.is_empty() {
        json["entities"] = json!(message.entities);
    }
    if let Some(keyboard) = &message.keyboard {
        json["reply_markup"] = json!({"inline_keyboard": keyboard});
    }
    json
}

fn set(object: &mut Value, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        object[field] = value.into();
    }
}
