//! Message text as Telegram keeps it: plain text plus entities with UTF-16 offsets. Reads `parse_mode=HTML` as
//! strictly as the server and with its error texts, finds commands and links, trims, and checks the limits.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

mod html;

/// The longest message, in UTF-16 units after entities are parsed.
pub const MAX_LENGTH: usize = 4096;

/// A piece of text with a meaning, as the Bot API describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// `bold`, `code`, `text_link`, `bot_command`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it starts, in UTF-16 units.
    pub offset: usize,
    /// How long it is, in UTF-16 units.
    pub length: usize,
    /// Where a `text_link` leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Text and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub entities: Vec<Entity>,
}

impl Text {
    /// What a person typed: no markup, commands and links found.
    pub fn typed(text: &str) -> Self {
        let mut typed = Self { text: text.trim().to_owned(), entities: Vec::new() };
        typed.find_entities();
        typed
    }

    /// What a bot sent. Length is the caller's to judge: sending and editing say it in different words.
    pub fn sent(
        text: &str,
        parse_mode: Option<&str>,
        explicit: Option<Vec<Entity>>,
    ) -> Result<Self, Refusal> {
        let mut sent = match parse_mode.map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "none") => {
                Self { text: text.to_owned(), entities: explicit.unwrap_or_default() }
            }
            Some("html") => html::parse(text)
                .map_err(|error| Refusal::bad_request(format!("can't parse entities: {error}")))?,
            Some(_) => return Err(Refusal::bad_request("unsupported parse_mode")),
        };
        sent.trim();
        if sent.text.is_empty() {
            return Err(Refusal::bad_request("message text is empty"));
        }
        sent.find_entities();
        Ok(sent)
    }

    pub fn length(&self) -> usize {
        utf16_length(&self.text)
    }

    /// Telegram cuts white space at both ends and moves the entities along.
    fn trim(&mut self) {
        let kept = self.text.trim_start();
        let cut = utf16_length(&self.text[..self.text.len() - kept.len()]);
        self.text = kept.trim_end().to_owned();
        let end = self.length();
        for entity in &mut self.entities {
            let last = (entity.offset + entity.length).saturating_sub(cut).min(end);
            entity.offset = entity.offset.saturating_sub(cut).min(end);
            entity.length = last - entity.offset;
        }
        self.entities.retain(|entity| entity.length > 0);
    }

    /// Adds the commands and links that stand in the text without markup.
    fn find_entities(&mut self) {
        let mut offset = 0;
        let mut before = ' ';
        let mut rest = self.text.as_str();
        while let Some(first) = rest.chars().next() {
            let found = if before.is_alphanumeric() || before == '/' { None } else { found_at(rest) };
            let taken = found.as_ref().map_or(first.len_utf8(), |(_, bytes)| *bytes);
            let length = utf16_length(&rest[..taken]);
            if let Some((kind, _)) = found {
                let entity = Entity { kind: kind.into(), offset, length, url: None, language: None };
                if !self.entities.iter().any(|other| overlap(other, &entity) && holds_no_others(other)) {
                    self.entities.push(entity);
                }
            }
            offset += length;
            before = rest[..taken].chars().next_back().unwrap_or(' ');
            rest = &rest[taken..];
        }
        self.entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    }
}

/// The length that Telegram counts.
pub(super) fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn overlap(a: &Entity, b: &Entity) -> bool {
    a.offset < b.offset + b.length && b.offset < a.offset + a.length
}

fn holds_no_others(entity: &Entity) -> bool {
    matches!(entity.kind.as_str(), "code" | "pre" | "text_link" | "bot_command" | "url")
}

/// A command or link at the very start of `rest`, and its length in bytes.
fn found_at(rest: &str) -> Option<(&'static str, usize)> {
    let run = |from: usize, allowed: fn(char) -> bool| {
        rest[from..].find(|c| !allowed(c)).unwrap_or(rest.len() - from)
    };
    let word: fn(char) -> bool = |c| c.is_ascii_alphanumeric() || c == '_';
    if rest.starts_with('/') {
        let mut end = 1 + run(1, word);
        if end == 1 || rest[end..].starts_with('/') {
            return None;
        }
        if rest[end..].starts_with('@') && run(end + 1, word) > 0 {
            end += 1 + run(end + 1, word);
        }
        return Some(("bot_command", end));
    }
    let scheme = ["https://", "http://", "t.me/"].iter().find(|scheme| rest.starts_with(**scheme))?;
    let end = run(0, |c| !c.is_whitespace() && !"<>\"«»()".contains(c));
    let end = rest[..end].trim_end_matches(['.', ',', '!', '?', ':', ';']).len();
    (end > scheme.len()).then_some(("url", end))
}

#[cfg(test)]
mod tests;
