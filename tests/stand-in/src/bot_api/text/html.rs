//! `parse_mode=HTML`, with the errors of the real server.

use super::{Entity, Text};

/// A tag that was opened and not closed yet.
struct Open {
    tag: String,
    offset: usize,
    start: usize,
    attribute: Option<String>,
}

/// <https://core.telegram.org/bots/api#html-style>
pub(super) fn parse(html: &str) -> Result<Text, String> {
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
