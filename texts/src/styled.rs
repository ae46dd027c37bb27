//! A text and how its parts look. The parts are ranges beside the text, so nothing that a person wrote can become markup: the
//! bot sends them as entities, without a parse mode.

/// A text with styled parts. Of a text with paragraphs, a first line that stands alone is the headline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Styled {
    text: String,
    parts: Vec<Part>,
}

/// A styled part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How it looks.
    pub style: Style,
    /// Where it begins, in UTF-16 units, as Telegram counts.
    pub offset: usize,
    /// How long it is, in UTF-16 units.
    pub length: usize,
}

/// How a part looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bold: headlines.
    Bold,
    /// Monospaced, and copied by a tap: codes and ids.
    Code,
    /// Set apart: a warning to remember.
    Quote,
}

impl Styled {
    /// A text with its headline in bold.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let headline = text.split_once("\n\n").map(|(first, _)| first.to_owned());
        let styled = Self { text, parts: Vec::new() };
        match headline {
            Some(headline) if !headline.contains('\n') => styled.bold(&headline),
            _ => styled,
        }
    }

    /// With this part in bold.
    #[must_use]
    pub fn bold(self, part: &str) -> Self {
        self.with(Style::Bold, part)
    }

    /// With this part as a code.
    #[must_use]
    pub fn code(self, part: &str) -> Self {
        self.with(Style::Code, part)
    }

    /// With this part as a quote.
    #[must_use]
    pub fn quote(self, part: &str) -> Self {
        self.with(Style::Quote, part)
    }

    /// The text alone.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its styled parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text and its parts.
    pub fn into_parts(self) -> (String, Vec<Part>) {
        (self.text, self.parts)
    }

    /// Styles the first place of this part that has no style yet.
    fn with(mut self, style: Style, part: &str) -> Self {
        let length = utf16(part);
        if length == 0 {
            return self;
        }
        let places = self.text.match_indices(part).map(|(at, _)| utf16(&self.text[..at]));
        let is_free =
            |at: &usize| self.parts.iter().all(|it| at + length <= it.offset || it.offset + it.length <= *at);
        let place = places.into_iter().find(is_free);
        if let Some(offset) = place {
            self.parts.push(Part { style, offset, length });
            self.parts.sort_by_key(|part| part.offset);
        }
        self
    }
}

impl From<String> for Styled {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Styled {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(styled: &Styled) -> Vec<(Style, String)> {
        let units: Vec<u16> = styled.text().encode_utf16().collect();
        let part = |it: &Part| String::from_utf16(&units[it.offset..it.offset + it.length]).unwrap();
        styled.parts().iter().map(|it| (it.style, part(it))).collect()
    }

    #[test]
    fn a_first_line_that_stands_alone_is_the_headline() {
        let styled = Styled::new("👋 Здравствуйте!\n\nЯ бот.");
        assert_eq!(parts(&styled), [(Style::Bold, "👋 Здравствуйте!".to_owned())]);
        assert_eq!(Styled::new("One line"), Styled { text: "One line".to_owned(), parts: Vec::new() });
        assert!(Styled::new("Two\nlines\n\nmore").parts().is_empty());
    }

    #[test]
    fn parts_are_counted_in_utf_16_and_do_not_overlap() {
        let styled = Styled::new("🔑 AB\n\nCode AB, not 🔑").code("AB").quote("not 🔑").code("");
        let expected = [
            (Style::Bold, "🔑 AB".to_owned()),
            (Style::Code, "AB".to_owned()),
            (Style::Quote, "not 🔑".to_owned()),
        ];
        assert_eq!(parts(&styled), expected);
        assert_eq!(styled.parts()[1].offset, 12);
    }

    #[test]
    fn markup_in_a_text_stays_text() {
        let styled = Styled::new("<b>Ilya</b> *x* `y` [z](tg://user?id=1)");
        assert_eq!(styled.text(), "<b>Ilya</b> *x* `y` [z](tg://user?id=1)");
        assert!(styled.parts().is_empty());
    }
}
