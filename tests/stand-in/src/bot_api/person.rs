//! A person in the chat with the bot: writes, presses buttons, shares a number, reads messages, opens Mini Apps.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::launch::Launch;
use super::state::{Callback, From, GROUP_ID, Message, chat_json, user_json};
use super::text::Text;
use super::{BotApi, Command};
use crate::accounts::Account;

/// How long a person waits for the bot before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a pressed button waits for its answer.
const PRESS_PATIENCE: Duration = Duration::from_secs(5);

/// A person's side of their private chat with the bot.
#[derive(Clone)]
pub struct ChatPerson {
    api: BotApi,
    id: i64,
}

/// What came of pressing a button.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether the bot answered within 5 s.
    pub answered: bool,
    /// What it said.
    pub text: Option<String>,
    /// Whether it said so in an alert instead of a toast.
    pub alert: bool,
}

impl ChatPerson {
    pub(super) fn new(api: BotApi, id: i64) -> Self {
        Self { api, id }
    }

    /// Their Telegram id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Sends a text; its message id. Unblocks the bot, as writing to it does.
    pub fn send(&self, text: &str) -> i64 {
        self.set_blocked(false);
        self.put(self.id, Text::typed(text), None, None)
    }

    /// Sends a text as a reply to a message in the chat; its message id.
    pub fn reply(&self, to: i64, text: &str) -> i64 {
        self.set_blocked(false);
        self.put(self.id, Text::typed(text), None, Some(to))
    }

    /// Deletes a message in the chat for both sides.
    pub fn delete(&self, message_id: i64) {
        if let Some(chat) = self.api.state().chats.get_mut(&self.id) {
            chat.messages.remove(&message_id);
        }
        self.api.touch();
    }

    /// Sends a text to the group; its message id. The bot, in privacy mode, is told only of commands for it.
    pub fn send_in_group(&self, text: &str) -> i64 {
        self.put(GROUP_ID, Text::typed(text), None, None)
    }

    /// Shares the person's own contact in the chat; its message id. The number has no plus there, as from the apps.
    pub fn share_contact(&self) -> i64 {
        let account = self.account();
        let mut contact = json!({
            "phone_number": account.phone.trim_start_matches('+'),
            "first_name": account.first_name,
            "user_id": account.id,
        });
        if let Some(last_name) = &account.last_name {
            contact["last_name"] = last_name.as_str().into();
        }
        self.put(self.id, Text::default(), Some(contact), None)
    }

    /// Shares the number with a Mini App (`requestContact`): it stands in the chat, and the app gets this signed string.
    pub fn share_contact_with_mini_app(&self) -> String {
        self.share_contact();
        self.api.signed_contact(&self.account())
    }

    /// Presses a button and waits for the bot's answer, 5 s at most.
    ///
    /// # Errors
    /// Where no such button stands under a message that the person sees.
    pub async fn press(&self, message_id: i64, data: &str) -> Result<Answer> {
        let account = self.account();
        let mut changed = self.api.changes();
        let query_id = {
            let mut state = self.api.state();
            let message = state.chats.get(&self.id).and_then(|chat| chat.messages.get(&message_id));
            let message = message.filter(|message| !message.hidden).context("no such message in the chat")?;
            let has_it = message.buttons().any(|button| button.callback_data() == Some(data));
            ensure!(has_it, "no such button under message {message_id}");
            let shown = self.api.message_json(self.id, message);
            state.next_callback_id += 1;
            let query_id = state.next_callback_id.to_string();
            state.callbacks.insert(query_id.clone(), Callback::default());
            let query = json!({
                "id": query_id, "from": user_json(&account), "message": shown,
                "chat_instance": self.id.to_string(), "data": data,
            });
            state.updates.push("callback_query", query);
            query_id
        };
        self.api.touch();
        let deadline = Instant::now() + PRESS_PATIENCE;
        loop {
            changed.borrow_and_update();
            let answer =
                self.api.state().callbacks.get(&query_id).and_then(|callback| callback.answer.clone());
            if let Some((text, alert)) = answer {
                return Ok(Answer { answered: true, text, alert });
            }
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return Ok(Answer::default());
            }
        }
    }

    /// Waits for a message with a button of this text, and presses it.
    ///
    /// # Errors
    /// Where no such button appears in time.
    pub async fn press_button(&self, text: &str) -> Result<Answer> {
        let message = self.wait_for_message(|message| message.button(text).is_some()).await?;
        let button = message.button(text).and_then(|button| button.callback_data());
        self.press(message.message_id, button.context("that button sends nothing")?).await
    }

    /// What stands in the chat now, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.messages_in(self.id)
    }

    /// What stands in the group now.
    pub fn group_messages(&self) -> Vec<Message> {
        self.messages_in(GROUP_ID)
    }

    /// The bot's messages in the chat, oldest first.
    pub fn from_bot(&self) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.from == From::Bot).collect()
    }

    /// Waits until a message of the bot's (new, edited or there already) is what is asked for: the newest such one.
    ///
    /// # Errors
    /// After 20 s, with what stands in the chat instead.
    pub async fn wait_for_message(&self, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        self.wait_in(self.id, wanted).await
    }

    /// The same in the group.
    ///
    /// # Errors
    /// The same.
    pub async fn wait_for_group_message(&self, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        self.wait_in(GROUP_ID, wanted).await
    }

    /// Sends a text and waits for a message that the bot sends after it.
    ///
    /// # Errors
    /// As [`Self::wait_for_message`].
    pub async fn ask(&self, text: &str) -> Result<Message> {
        let asked = self.send(text);
        self.wait_for_message(|message| message.message_id > asked).await
    }

    /// Sends a text and waits for the login's card that answers it: what became of a login before may be told first.
    ///
    /// # Errors
    /// As [`Self::wait_for_message`].
    pub async fn ask_for_card(&self, text: &str) -> Result<Message> {
        let asked = self.send(text);
        self.wait_for_message(|message| message.message_id > asked && message.web_app_url().is_some()).await
    }

    /// Empties the chat on the person's side.
    pub fn clear(&self) {
        if let Some(chat) = self.api.state().chats.get_mut(&self.id) {
            chat.messages.values_mut().for_each(|message| message.hidden = true);
        }
        self.api.touch();
    }

    /// Stops the bot, or lets it write again; the bot is told (`my_chat_member`).
    pub fn set_blocked(&self, blocked: bool) {
        let account = self.account();
        let mut state = self.api.state();
        let chat = state.chats.entry(self.id).or_default();
        if std::mem::replace(&mut chat.blocked, blocked) == blocked {
            return;
        }
        let member = |out: bool| match out {
            true => json!({"user": self.api.bot_user(), "status": "kicked", "until_date": 0}),
            false => json!({"user": self.api.bot_user(), "status": "member"}),
        };
        let change = json!({
            "chat": chat_json(self.id, Some(&account)), "from": user_json(&account), "date": self.api.now(),
            "old_chat_member": member(!blocked), "new_chat_member": member(blocked),
        });
        state.updates.push("my_chat_member", change);
        drop(state);
        self.api.touch();
    }

    /// Whether the bot is shown as typing.
    pub fn sees_typing(&self) -> bool {
        let state = self.api.state();
        let until = state.chats.get(&self.id).and_then(|chat| chat.typing_until);
        until.is_some_and(|until| until > Instant::now())
    }

    /// The command menu that this person sees.
    pub fn commands(&self) -> Vec<Command> {
        let language = self.account().language_code.unwrap_or_default();
        let state = self.api.state();
        state.profile.commands_for(self.id, &language).to_vec()
    }

    /// Fresh launch data of a Mini App.
    pub fn init_data(&self, start_param: Option<&str>) -> String {
        self.launch(&Launch { start_param, ..Launch::default() })
    }

    /// Launch data signed `age_seconds` ago.
    pub fn stale_init_data(&self, age_seconds: i64) -> String {
        self.launch(&Launch { age_seconds, ..Launch::default() })
    }

    /// Launch data that somebody made up: well formed, the hash is not Telegram's.
    pub fn forged_init_data(&self) -> String {
        self.launch(&Launch { forged: true, ..Launch::default() })
    }

    /// Launch data of any kind.
    pub fn launch(&self, launch: &Launch<'_>) -> String {
        self.api.launch_data(&self.account(), launch)
    }

    fn account(&self) -> Account {
        self.api.accounts().get(self.id).expect("a ChatPerson is made for an account that exists")
    }

    fn messages_in(&self, chat_id: i64) -> Vec<Message> {
        let state = self.api.state();
        let chat = state.chats.get(&chat_id);
        chat.into_iter().flat_map(|chat| chat.messages.values()).filter(|m| !m.hidden).cloned().collect()
    }

    async fn wait_in(&self, chat_id: i64, wanted: impl Fn(&Message) -> bool) -> Result<Message> {
        let mut changed = self.api.changes();
        let deadline = Instant::now() + PATIENCE;
        loop {
            changed.borrow_and_update();
            let messages = self.messages_in(chat_id);
            let found = messages.iter().rev().find(|message| message.from == From::Bot && wanted(message));
            if let Some(found) = found {
                return Ok(found.clone());
            }
            if timeout_at(deadline, changed.changed()).await.is_err() {
                let there: Vec<_> = messages.iter().map(|m| format!("{:?}: {}", m.from, m.text)).collect();
                bail!(
                    "the bot wrote no such message within 20 s; in the chat stands:\n{}",
                    there.join("\n---\n")
                );
            }
        }
    }

    fn put(&self, chat_id: i64, text: Text, contact: Option<Value>, reply_to: Option<i64>) -> i64 {
        let date = self.api.now();
        let told = chat_id == self.id || is_for_the_bot(&text, self.api.username());
        let mut state = self.api.state();
        let message = state.put(chat_id, From::Person, self.id, date, text, None);
        message.contact = contact;
        message.reply_to = reply_to;
        let message = message.clone();
        let (message_id, said) = (message.message_id, message.text.clone());
        let replied = reply_to.and_then(|id| state.chats.get(&chat_id)?.messages.get(&id));
        let json = self.api.with_reply(chat_id, &message, replied);
        if told {
            state.updates.push("message", json);
        }
        drop(state);
        // Login codes that are told to anybody stop to work: a bot can never be the way to enter one.
        if let Some(mtproto) = self.api.inner.mtproto.get() {
            mtproto.code_seen_in_chat(self.id, &said);
        }
        self.api.touch();
        message_id
    }
}

/// Privacy mode: in a group a bot is told of commands that name it or nobody.
fn is_for_the_bot(text: &Text, username: &str) -> bool {
    let command = text.entities.iter().any(|entity| entity.kind == "bot_command" && entity.offset == 0);
    let word = text.text.split_whitespace().next().unwrap_or_default();
    command && word.split_once('@').is_none_or(|(_, name)| name.eq_ignore_ascii_case(username))
}
