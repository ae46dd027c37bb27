//! Message text as Telegram keeps it: plain text plus entities with UTF-16 offsets. Reads `parse_mode=HTML` with the
//! server's strictness and words, finds commands and links by itself, trims, and knows the limits.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

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
            Some("html") => parse_html(text)
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

/// A tag that was opened and not closed yet.
struct Open {
    tag: String,
    offset: usize,
    start: usize,
    attribute: Option<String>,
}

/// <https://core.telegram.org/bots/api#html-style>, with the errors of the real server.
fn parse_html(html: &str) -> Result<Text, String> {
    let mut text = String::new();
    let mut offset = 0;
    let mut entities: Vec<Entity> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(c) = html[at..].chars().next() {
        if c == '&'
            && let Some((decoded, length)) = character_reference(&html[at..])
        {
            text.push(decoded);
            offset += decoded.len_utf16();
            at += length;
            continue;
        }
        if c != '<' {
            text.push(c);
            offset += c.len_utf16();
            at += c.len_utf8();
            continue;
        }
        let start = at;
        let inside = &html[at + 1..];
        let Some(close) = tag_end(inside) else {
            let kind = if inside.starts_with('/') { "end" } else { "start" };
            return Err(format!("Unclosed {kind} tag at byte offset {start}"));
        };
        let tag = &inside[..close];
        at += close + 2;
        if let Some(name) = tag.strip_prefix('/') {
            let Some(opened) = open.pop() else {
                return Err(format!("Unexpected end tag at byte offset {start}"));
            };
            let name = name.trim().to_ascii_lowercase();
            if !name.is_empty() && name != opened.tag {
                return Err(format!(
                    "Unmatched end tag at byte offset {start}, expected \"</{}>\", found \"</{name}>\"",
                    opened.tag
                ));
            }
            close_tag(opened, offset, &text, open.last(), &mut entities);
        } else {
            let name_length = tag.find(|c: char| c.is_whitespace()).unwrap_or(tag.len());
            let name = tag[..name_length].to_ascii_lowercase();
            if kind_of(&name).is_none() {
                return Err(format!("Unsupported start tag \"{name}\" at byte offset {start}"));
            }
            let attribute = attribute_of(&name, &tag[name_length..], start)?;
            if name == "span" && attribute.as_deref() != Some("tg-spoiler") {
                return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {start}"));
            }
            open.push(Open { tag: name, offset, start: text.len(), attribute });
        }
    }
    match open.last() {
        Some(left) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", left.tag)),
        None => {
            entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
            Ok(Text { text, entities })
        }
    }
}

fn close_tag(opened: Open, end: usize, text: &str, parent: Option<&Open>, entities: &mut Vec<Entity>) {
    let mut kind = kind_of(&opened.tag).unwrap_or_default();
    let (mut url, mut language) = (None, None);
    match opened.tag.as_str() {
        "a" => {
            let link = opened.attribute.unwrap_or_else(|| text[opened.start..].to_owned());
            if !acceptable_link(&link) {
                return;
            }
            url = Some(link);
        }
        // `<pre><code class="language-…">` is one block with a language.
        "code" if parent.is_some_and(|parent| parent.tag == "pre") => {
            kind = "";
            language = opened.attribute.and_then(|class| class.strip_prefix("language-").map(str::to_owned));
        }
        "blockquote" if opened.attribute.is_some() => kind = "expandable_blockquote",
        _ => {}
    }
    let (offset, length) = (opened.offset, end - opened.offset);
    if kind == "pre"
        && let Some(inner) = entities.iter().position(|e| e.kind.is_empty() && e.offset >= offset)
    {
        language = entities.remove(inner).language;
    }
    if length > 0 {
        entities.push(Entity { kind: kind.into(), offset, length, url, language });
    }
}

fn kind_of(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "tg-spoiler" | "span" => "spoiler",
        "code" => "code",
        "pre" => "pre",
        "a" => "text_link",
        "blockquote" => "blockquote",
        _ => return None,
    })
}

/// Where the tag that starts here ends: the first `>` outside of quotes.
fn tag_end(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The one attribute that matters for this tag.
fn attribute_of(tag: &str, mut rest: &str, start: usize) -> Result<Option<String>, String> {
    let mut wanted = None;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(wanted);
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        if name.is_empty() {
            return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {start}"));
        }
        rest = rest[name_end..].trim_start();
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (raw, left) = match quote {
                Some(quote) => after[1..]
                    .split_once(quote)
                    .ok_or_else(|| format!("Unclosed start tag at byte offset {start}"))?,
                None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
            value = decoded(raw);
            rest = left;
        } else if (tag, name.as_str()) != ("blockquote", "expandable") {
            return Err(format!(
                "Expected equal sign in declaration of an attribute of the tag \"{tag}\" at byte offset {start}"
            ));
        }
        if matches!(
            (tag, name.as_str()),
            ("a", "href") | ("span" | "code", "class") | ("blockquote", "expandable")
        ) {
            wanted = Some(value);
        }
    }
}

fn decoded(raw: &str) -> String {
    let mut value = String::new();
    let mut at = 0;
    while let Some(c) = raw[at..].chars().next() {
        let (c, length) = character_reference(&raw[at..]).unwrap_or((c, c.len_utf8()));
        value.push(c);
        at += length;
    }
    value
}

/// `&lt;`, `&gt;`, `&amp;`, `&quot;` and numeric references; anything else is plain text, as for the real server.
fn character_reference(text: &str) -> Option<(char, usize)> {
    let end = text.strip_prefix('&')?.find(';').filter(|end| *end <= 10)?;
    let name = &text[1..=end];
    let decoded = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((decoded, end + 2))
}

fn acceptable_link(link: &str) -> bool {
    ["http://", "https://", "tg://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

#[cfg(test)]
mod tests;
