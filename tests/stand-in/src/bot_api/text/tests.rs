//! What the HTML reader takes and refuses.

use super::*;

fn html(text: &str) -> Result<Text, String> {
    Text::sent(text, Some("HTML"), None).map_err(|refusal| refusal.description)
}

fn spans(text: &Text) -> Vec<(&str, usize, usize)> {
    text.entities.iter().map(|e| (e.kind.as_str(), e.offset, e.length)).collect()
}

#[test]
fn offsets_count_utf16_units() {
    let text = html("🔐 <b>Ключ</b> &lt;3").unwrap();
    assert_eq!(text.text, "🔐 Ключ <3");
    assert_eq!(spans(&text), [("bold", 3, 4)]);
}

#[test]
fn nested_tags_become_nested_entities_outermost_first() {
    let text = html("<b>a<i>b</i></b>").unwrap();
    assert_eq!(spans(&text), [("bold", 0, 2), ("italic", 1, 1)]);
}

#[test]
fn trimming_moves_entities_along() {
    let text = html("\n <b> x </b> \n").unwrap();
    assert_eq!((text.text.as_str(), spans(&text)), ("x", vec![("bold", 0, 1)]));
}

#[test]
fn a_code_block_knows_its_language_and_a_link_its_address() {
    let text =
        html("<pre><code class=\"language-rust\">f</code></pre><a href=\"https://t.me/x?a=1&amp;b=2\">l</a>")
            .unwrap();
    assert_eq!(spans(&text), [("pre", 0, 1), ("text_link", 1, 1)]);
    assert_eq!(text.entities[0].language.as_deref(), Some("rust"));
    assert_eq!(text.entities[1].url.as_deref(), Some("https://t.me/x?a=1&b=2"));
}

#[test]
fn markup_that_telegram_refuses_is_refused_in_its_words() {
    let prefix = "Bad Request: can't parse entities: ";
    for (text, expected) in [
        ("a <x>", "Unsupported start tag \"x\" at byte offset 2"),
        ("1 < 2", "Unclosed start tag at byte offset 2"),
        ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
        ("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
    ] {
        assert_eq!(html(text).unwrap_err(), format!("{prefix}{expected}"), "{text}");
    }
}

#[test]
fn text_that_is_only_markup_or_space_is_empty() {
    for text in ["", "  ", "<b></b>", "<b> </b>"] {
        assert_eq!(html(text).unwrap_err(), "Bad Request: message text is empty", "{text:?}");
    }
}

#[test]
fn commands_and_links_are_found_but_not_inside_code() {
    let text = Text::typed(" /login@x_bot 3HBP4Z3ECICZ ");
    assert_eq!(spans(&text), [("bot_command", 0, 12)]);
    let text = html("<code>/login</code> a/b https://t.me/x?start=1.").unwrap();
    assert_eq!(spans(&text), [("code", 0, 6), ("url", 11, 22)]);
}
