//! Keyboards under a message: what Telegram lets a bot attach.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::Refusal;

/// One inline button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What stands on it.
    pub text: String,
    /// What it does.
    #[serde(flatten)]
    pub action: Action,
}

/// What an inline button does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sends a callback query with this data.
    CallbackData(String),
    /// Opens a link.
    Url(String),
    /// Opens a Mini App.
    WebApp {
        /// Its address.
        url: String,
    },
    /// Copies a text.
    CopyText {
        /// The text.
        text: String,
    },
}

impl Button {
    /// The Mini App that it opens.
    pub fn web_app_url(&self) -> Option<&str> {
        match &self.action {
            Action::WebApp { url } => Some(url),
            _ => None,
        }
    }

    /// The data that a press sends.
    pub fn callback_data(&self) -> Option<&str> {
        match &self.action {
            Action::CallbackData(data) => Some(data),
            _ => None,
        }
    }
}

/// Rows of inline buttons.
pub type Keyboard = Vec<Vec<Button>>;

/// Checks a `reply_markup`: the inline keyboard in it, and whether it is one that replaces the person's own keyboard.
pub(super) fn checked(
    markup: Option<Value>,
    private_chat: bool,
) -> Result<(Option<Keyboard>, bool), Refusal> {
    let Some(markup) = markup else { return Ok((None, false)) };
    let Some(rows) = markup.get("inline_keyboard") else {
        let known = ["keyboard", "remove_keyboard", "force_reply"];
        return match known.iter().any(|field| markup.get(field).is_some()) {
            true => Ok((None, true)),
            false => Err(Refusal::bad_request("object expected as reply markup")),
        };
    };
    let rows: Keyboard = serde_json::from_value(rows.clone()).map_err(|_| {
        Refusal::bad_request(
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        )
    })?;
    let rows: Keyboard = rows.into_iter().filter(|row| !row.is_empty()).collect();
    if rows.iter().map(Vec::len).sum::<usize>() > 100 || rows.iter().any(|row| row.len() > 8) {
        return Err(Refusal::bad_request("reply markup is too long"));
    }
    for button in rows.iter().flatten() {
        check_button(button, private_chat)?;
    }
    Ok(((!rows.is_empty()).then_some(rows), false))
}

fn check_button(button: &Button, private_chat: bool) -> Result<(), Refusal> {
    if button.text.trim().is_empty() {
        return Err(Refusal::bad_request("BUTTON_TEXT_INVALID"));
    }
    match &button.action {
        Action::CallbackData(data) if data.is_empty() || data.len() > 64 => {
            Err(Refusal::bad_request("BUTTON_DATA_INVALID"))
        }
        Action::WebApp { .. } if !private_chat => Err(Refusal::bad_request("BUTTON_TYPE_INVALID")),
        Action::WebApp { url } => check_web_app(url),
        Action::Url(url) if !["https://", "http://", "tg://"].iter().any(|s| url.starts_with(s)) => {
            Err(Refusal::bad_request(format!(
                "inline keyboard button URL '{url}' is invalid: unsupported URL protocol"
            )))
        }
        Action::CopyText { text } if text.is_empty() || text.chars().count() > 256 => {
            Err(Refusal::bad_request("BUTTON_COPY_TEXT_INVALID"))
        }
        _ => Ok(()),
    }
}

/// The words of a `force_reply` markup; None: it is another markup.
///
/// # Errors
/// Telegram takes 1 to 64 characters.
pub(super) fn asks_for_reply(markup: Option<&Value>) -> Result<Option<String>, Refusal> {
    let Some(markup) = markup.filter(|markup| markup["force_reply"] == true) else { return Ok(None) };
    let words = markup["input_field_placeholder"].as_str().unwrap_or_default();
    match words.chars().count() {
        0..=64 => Ok(Some(words.to_owned())),
        _ => Err(Refusal::bad_request("input field placeholder is too long")),
    }
}

/// Telegram opens Mini Apps by https only. This stand-in also takes http from its own machine, for the sandbox.
pub(super) fn check_web_app(url: &str) -> Result<(), Refusal> {
    let refused =
        |why| Refusal::bad_request(format!("inline keyboard button Web App URL '{url}' is invalid: {why}"));
    let parsed = reqwest::Url::parse(url).map_err(|_| refused("Wrong HTTP URL"))?;
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&parsed) => Ok(()),
        _ => Err(refused("Only HTTPS links are allowed")),
    }
}

/// Whether an address names this machine itself.
pub(super) fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(button: Value, private_chat: bool) -> Option<String> {
        let markup = json!({"inline_keyboard": [[button]]});
        checked(Some(markup), private_chat).err().map(|refusal| refusal.description)
    }

    #[test]
    fn a_mini_app_opens_by_https_or_from_this_machine_and_only_in_a_private_chat() {
        let button = |url: &str| json!({"text": "x", "web_app": {"url": url}});
        assert_eq!(refusal(button("https://example.org/qr-auth"), true), None);
        assert_eq!(refusal(button("http://127.0.0.1:8000/qr-auth"), true), None);
        let refused = refusal(button("http://example.org/"), true).unwrap();
        assert!(refused.ends_with("Only HTTPS links are allowed"), "{refused}");
        assert_eq!(
            refusal(button("https://example.org/"), false).unwrap(),
            "Bad Request: BUTTON_TYPE_INVALID"
        );
    }

    #[test]
    fn callback_data_ends_at_64_bytes() {
        let button = |data: String| json!({"text": "x", "callback_data": data});
        assert_eq!(refusal(button("й".repeat(32)), true), None);
        assert_eq!(refusal(button("й".repeat(33)), true).unwrap(), "Bad Request: BUTTON_DATA_INVALID");
    }

    #[test]
    fn a_button_that_does_nothing_is_refused() {
        assert!(refusal(json!({"text": "x"}), true).unwrap().contains("Text buttons are unallowed"));
        assert_eq!(
            refusal(json!({"text": " ", "callback_data": "x"}), true).unwrap(),
            "Bad Request: BUTTON_TEXT_INVALID"
        );
    }
}
