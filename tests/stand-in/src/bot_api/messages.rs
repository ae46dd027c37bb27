//! What the bot writes: sending, editing, deleting, and its answers to pressed buttons.

use std::time::Duration;

use serde_json::{Value, json};

use super::BotApi;
use super::keyboard;
use super::params::Params;
use super::refusal::Refusal;
use super::state::{Chat, From, GROUP_ID, Message, State, chat_json, message_json, user_json};
use super::text::{MAX_LENGTH, Text};

/// How long "typing…" is shown after one `sendChatAction`.
const TYPING: Duration = Duration::from_secs(5);

impl BotApi {
    pub(super) fn send_message(&self, params: &Params) -> Result<Value, Refusal> {
        let text = text_of(params)?;
        if text.length() > MAX_LENGTH {
            return Err(Refusal::bad_request("message is too long"));
        }
        let mut state = self.state();
        let chat_id = self.open_chat(&mut state, params)?;
        let markup: Option<Value> = params.object("reply_markup", "reply keyboard markup JSON object")?;
        let asks_for_reply = keyboard::asks_for_reply(markup.as_ref())?;
        let (keyboard, _) = keyboard::checked(markup, chat_id > 0)?;
        self.check_reply(&state, chat_id, params)?;
        let date = self.now();
        let message = state.put(chat_id, From::Bot, self.id(), date, text, keyboard);
        message.asks_for_reply = asks_for_reply;
        let message = message.clone();
        drop(state);
        self.touch();
        Ok(self.message_json(chat_id, &message))
    }

    pub(super) fn edit_message_text(&self, params: &Params) -> Result<Value, Refusal> {
        let text = text_of(params)?;
        if text.length() > MAX_LENGTH {
            return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
        }
        self.edit(params, Some(text))
    }

    pub(super) fn edit_message_reply_markup(&self, params: &Params) -> Result<Value, Refusal> {
        self.edit(params, None)
    }

    fn edit(&self, params: &Params, text: Option<Text>) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat_id = self.open_chat(&mut state, params)?;
        let (keyboard, other) = keyboard::checked(
            params.object("reply_markup", "reply keyboard markup JSON object")?,
            chat_id > 0,
        )?;
        if other {
            return Err(Refusal::bad_request("inline keyboard expected"));
        }
        let date = self.now();
        let message = message_of(&mut state, chat_id, params, "message to edit not found")?;
        if message.from != From::Bot {
            return Err(Refusal::bad_request("message can't be edited"));
        }
        let same_text =
            text.as_ref().is_none_or(|text| text.text == message.text && text.entities == message.entities);
        if same_text && keyboard == message.keyboard {
            return Err(Refusal::bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same \
                 as a current content and reply markup of the message",
            ));
        }
        if let Some(text) = text {
            message.text = text.text;
            message.entities = text.entities;
        }
        message.keyboard = keyboard;
        message.edited = Some(date);
        let message = message.clone();
        drop(state);
        self.touch();
        Ok(self.message_json(chat_id, &message))
    }

    pub(super) fn delete_message(&self, params: &Params) -> Result<Value, Refusal> {
        let mut state = self.state();
        let chat_id = self.open_chat(&mut state, params)?;
        let message = message_of(&mut state, chat_id, params, "message to delete not found")?;
        if message.from == From::Person && chat_id == GROUP_ID {
            return Err(Refusal::bad_request("message can't be deleted"));
        }
        let message_id = message.message_id;
        state.chats.entry(chat_id).or_default().messages.remove(&message_id);
        drop(state);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn send_chat_action(&self, params: &Params) -> Result<Value, Refusal> {
        let action = params.text("action").unwrap_or_default();
        if action.is_empty() {
            return Err(Refusal::bad_request("wrong parameter action in request"));
        }
        let mut state = self.state();
        let chat_id = self.open_chat(&mut state, params)?;
        let until = tokio::time::Instant::now() + TYPING;
        state.chats.entry(chat_id).or_default().typing_until = (action == "typing").then_some(until);
        drop(state);
        self.touch();
        let api = self.clone();
        tokio::spawn(async move {
            // So that a waiting watcher sees the end.
            tokio::time::sleep_until(until).await;
            api.touch();
        });
        Ok(true.into())
    }

    pub(super) fn answer_callback_query(&self, params: &Params) -> Result<Value, Refusal> {
        let id = params.text("callback_query_id").unwrap_or_default();
        let text = params.text("text").filter(|text| !text.is_empty());
        if text.as_deref().is_some_and(|text| text.chars().count() > 200) {
            return Err(Refusal::bad_request("MESSAGE_TOO_LONG"));
        }
        let mut state = self.state();
        match state.callbacks.get_mut(&id) {
            Some(callback) if callback.answer.is_none() => {
                callback.answer = Some((text, params.flag("show_alert")));
            }
            _ => {
                return Err(Refusal::bad_request(
                    "query is too old and response timeout expired or query ID is invalid",
                ));
            }
        }
        drop(state);
        self.touch();
        Ok(true.into())
    }

    /// The chat of a call, if the bot may write there.
    fn open_chat(&self, state: &mut State, params: &Params) -> Result<i64, Refusal> {
        if params.text("chat_id").is_none_or(|id| id.is_empty()) {
            return Err(Refusal::bad_request("chat_id is empty"));
        }
        let not_found = || Refusal::bad_request("chat not found");
        let chat_id = params.integer("chat_id").map_err(|_| not_found())?.ok_or_else(not_found)?;
        match state.chats.get(&chat_id) {
            Some(Chat { blocked: true, .. }) => Err(Refusal::forbidden("bot was blocked by the user")),
            Some(_) => Ok(chat_id),
            None if self.accounts().get(chat_id).is_some() => {
                Err(Refusal::forbidden("bot can't initiate conversation with a user"))
            }
            None => Err(not_found()),
        }
    }

    fn check_reply(&self, state: &State, chat_id: i64, params: &Params) -> Result<(), Refusal> {
        let reply: Option<Value> = params.object("reply_parameters", "reply parameters")?;
        let Some(reply) = reply else { return Ok(()) };
        let known = reply["message_id"]
            .as_i64()
            .is_some_and(|id| state.chats.get(&chat_id).is_some_and(|chat| chat.messages.contains_key(&id)));
        match known || reply["allow_sending_without_reply"] == json!(true) {
            true => Ok(()),
            false => Err(Refusal::bad_request("message to be replied not found")),
        }
    }

    /// A message as the bot is told of it.
    pub(super) fn message_json(&self, chat_id: i64, message: &Message) -> Value {
        let from = match message.from {
            From::Bot => self.bot_user(),
            From::Person => {
                self.accounts().get(message.sender_id).as_ref().map(user_json).unwrap_or_default()
            }
        };
        message_json(message, chat_json(chat_id, self.accounts().get(chat_id).as_ref()), from)
    }

    /// A message of a person's, with the one that it replies to.
    pub(super) fn with_reply(&self, chat_id: i64, message: &Message, replied: Option<&Message>) -> Value {
        let mut json = self.message_json(chat_id, message);
        if let Some(replied) = replied {
            json["reply_to_message"] = self.message_json(chat_id, replied);
        }
        json
    }
}

fn text_of(params: &Params) -> Result<Text, Refusal> {
    let text = params.text("text").unwrap_or_default();
    let explicit = params.object("entities", "message entities")?;
    Text::sent(&text, params.text("parse_mode").as_deref(), explicit)
}

fn message_of<'a>(
    state: &'a mut State,
    chat_id: i64,
    params: &Params,
    otherwise: &str,
) -> Result<&'a mut Message, Refusal> {
    let message_id = params
        .integer("message_id")?
        .ok_or_else(|| Refusal::bad_request("message identifier is not specified"))?;
    state
        .chats
        .get_mut(&chat_id)
        .and_then(|chat| chat.messages.get_mut(&message_id))
        .ok_or_else(|| Refusal::bad_request(otherwise))
}
