//! The bot's own profile: who it is, its commands by scope and language, its menu button, its descriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::BotApi;
use super::keyboard::check_web_app;
use super::params::Params;
use super::refusal::Refusal;

/// A line of the command menu.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Without the slash.
    pub command: String,
    /// What stands beside it.
    pub description: String,
}

/// Scope as canonical text, then language.
type ScopeAndLanguage = (String, String);

#[derive(Debug, Default)]
pub(super) struct Profile {
    commands: BTreeMap<ScopeAndLanguage, Vec<Command>>,
    /// By chat id; 0 is the default.
    menu_buttons: BTreeMap<i64, Value>,
    /// `name`, `description`, `short_description` by language.
    texts: BTreeMap<(&'static str, String), String>,
}

impl Profile {
    /// The commands that a person of this language sees in the private chat, found in Telegram's order.
    pub fn commands_for(&self, chat_id: i64, language: &str) -> &[Command] {
        let scopes = [format!("chat {chat_id}"), "all_private_chats".into(), "default".into()];
        scopes
            .iter()
            .flat_map(|scope| [(scope.clone(), language.to_owned()), (scope.clone(), String::new())])
            .find_map(|key| self.commands.get(&key))
            .map_or(&[], Vec::as_slice)
    }

    /// The commands of private chats by language; `""` is any other.
    pub fn private_commands(&self) -> BTreeMap<&str, &[Command]> {
        let mut by_language: BTreeMap<&str, &[Command]> = BTreeMap::new();
        for wanted in ["default", "all_private_chats"] {
            let of_scope = self.commands.iter().filter(|((scope, _), _)| scope == wanted);
            by_language
                .extend(of_scope.map(|((_, language), commands)| (language.as_str(), commands.as_slice())));
        }
        by_language
    }

    /// A text of the profile that was set in this language.
    pub fn text(&self, what: &str, language: &str) -> Option<&str> {
        let set = self.texts.iter().find(|((name, of), _)| *name == what && of == language);
        set.map(|(_, text)| text.as_str())
    }

    /// Menu buttons by chat id; `""` is the default.
    pub fn menu_buttons(&self) -> Map<String, Value> {
        let mut buttons = Map::from_iter([(String::new(), json!({"type": "commands"}))]);
        buttons.extend(
            self.menu_buttons
                .iter()
                .map(|(id, button)| (if *id == 0 { String::new() } else { id.to_string() }, button.clone())),
        );
        buttons
    }
}

impl BotApi {
    /// The bot as a `User`.
    pub(super) fn bot_user(&self) -> Value {
        json!({"id": self.id(), "is_bot": true, "first_name": self.name(), "username": self.username()})
    }

    pub(super) fn get_me(&self) -> Value {
        let mut me = self.bot_user();
        me["can_join_groups"] = true.into();
        for no in [
            "can_read_all_group_messages",
            "supports_inline_queries",
            "can_connect_to_business",
            "has_main_web_app",
        ] {
            me[no] = false.into();
        }
        me
    }

    pub(super) fn set_my_commands(&self, params: &Params) -> Result<Value, Refusal> {
        let commands: Vec<Command> =
            params.object("commands", "commands list JSON object")?.unwrap_or_default();
        if commands.len() > 100 {
            return Err(Refusal::bad_request("BOT_COMMANDS_TOO_MUCH"));
        }
        for Command { command, description } in &commands {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !(1..=32).contains(&command.len()) || !command.chars().all(allowed) {
                return Err(Refusal::bad_request("BOT_COMMAND_INVALID"));
            }
            if !(1..=256).contains(&description.chars().count()) {
                return Err(Refusal::bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
            }
        }
        let key = self.scope_and_language(params)?;
        self.state().profile.commands.insert(key, commands);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn delete_my_commands(&self, params: &Params) -> Result<Value, Refusal> {
        let key = self.scope_and_language(params)?;
        self.state().profile.commands.remove(&key);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn get_my_commands(&self, params: &Params) -> Result<Value, Refusal> {
        let key = self.scope_and_language(params)?;
        Ok(json!(self.state().profile.commands.get(&key).map_or(&[][..], Vec::as_slice)))
    }

    pub(super) fn set_chat_menu_button(&self, params: &Params) -> Result<Value, Refusal> {
        let chat_id = params.integer("chat_id")?.unwrap_or_default();
        if chat_id != 0 && self.accounts().get(chat_id).is_none() {
            return Err(Refusal::bad_request("chat not found"));
        }
        let button: Value =
            params.object("menu_button", "menu button")?.unwrap_or_else(|| json!({"type": "default"}));
        match button["type"].as_str() {
            Some("web_app") => {
                if button["text"].as_str().is_none_or(str::is_empty) {
                    return Err(Refusal::bad_request("menu button text must be non-empty"));
                }
                check_web_app(button["web_app"]["url"].as_str().unwrap_or_default())?;
            }
            Some("commands" | "default") => {}
            _ => return Err(Refusal::bad_request("can't parse menu button: unsupported type")),
        }
        let mut state = self.state();
        if button["type"] == "default" {
            state.profile.menu_buttons.remove(&chat_id);
        } else {
            state.profile.menu_buttons.insert(chat_id, button);
        }
        drop(state);
        self.touch();
        Ok(true.into())
    }

    pub(super) fn get_chat_menu_button(&self, params: &Params) -> Result<Value, Refusal> {
        let chat_id = params.integer("chat_id")?.unwrap_or_default();
        let state = self.state();
        let buttons = &state.profile.menu_buttons;
        let button = buttons.get(&chat_id).or_else(|| buttons.get(&0)).cloned();
        Ok(button.unwrap_or_else(|| json!({"type": "commands"})))
    }

    pub(super) fn set_my_text(
        &self,
        what: &'static str,
        limit: usize,
        params: &Params,
    ) -> Result<Value, Refusal> {
        let text = params.text(what).unwrap_or_default();
        if text.chars().count() > limit {
            return Err(Refusal::bad_request(format!("{} is too long", what.replace('_', " "))));
        }
        let language = language_of(params)?;
        self.state().profile.texts.insert((what, language), text);
        Ok(true.into())
    }

    pub(super) fn get_my_text(&self, what: &'static str, params: &Params) -> Result<Value, Refusal> {
        let language = language_of(params)?;
        let state = self.state();
        let texts = &state.profile.texts;
        let text = texts.get(&(what, language)).or_else(|| texts.get(&(what, String::new())));
        Ok(json!({what: text.cloned().unwrap_or_default()}))
    }

    fn scope_and_language(&self, params: &Params) -> Result<ScopeAndLanguage, Refusal> {
        let scope: Value =
            params.object("scope", "BotCommandScope")?.unwrap_or_else(|| json!({"type": "default"}));
        let name = match scope["type"].as_str() {
            Some(
                name @ ("default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators"),
            ) => name.to_owned(),
            Some("chat") => {
                let chat_id = scope["chat_id"].as_i64().unwrap_or_default();
                // As there: a chat that the bot has never met has no scope of its own.
                if !self.state().chats.contains_key(&chat_id) {
                    return Err(Refusal::bad_request("chat not found"));
                }
                format!("chat {chat_id}")
            }
            _ => return Err(Refusal::bad_request("can't parse BotCommandScope: unsupported type specified")),
        };
        Ok((name, language_of(params)?))
    }
}

fn language_of(params: &Params) -> Result<String, Refusal> {
    let language = params.text("language_code").unwrap_or_default();
    match language.is_empty() || (language.len() == 2 && language.chars().all(|c| c.is_ascii_lowercase())) {
        true => Ok(language),
        false => Err(Refusal::bad_request("invalid language code specified")),
    }
}
