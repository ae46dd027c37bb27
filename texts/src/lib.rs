//! What people read in the chat, in the Mini App and from the HTTP API, in Russian and English. A language that lacks a text does not
//! compile. The command lines speak English and are not here.

#[expect(missing_docs, reason = "the sentence beside a field says it")]
pub mod chat;
pub mod http;
pub mod me;
pub mod page;
mod styled;
mod table;

pub use styled::{Part, Style, Styled};

/// A language that the product speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Russian: the default.
    #[default]
    Russian,
    /// English: for everybody else.
    English,
}

impl Language {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 2] = [Self::Russian, Self::English];

    /// For Telegram's `language_code`: Russian for `ru` (of any region) and for none, English for everything else.
    pub fn of(language_code: Option<&str>) -> Self {
        let primary = language_code.unwrap_or("ru").split(['-', '_']).next().unwrap_or_default();
        if primary.is_empty() || primary.eq_ignore_ascii_case("ru") { Self::Russian } else { Self::English }
    }

    /// Its own code: `ru` or `en`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::English => "en",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn russian_is_for_ru_of_any_region_and_for_no_code() {
        for code in [None, Some(""), Some("ru"), Some("ru-RU"), Some("ru_RU"), Some("RU")] {
            assert_eq!(Language::of(code), Language::Russian, "{code:?}");
        }
        for code in [Some("en"), Some("en-GB"), Some("de"), Some("rue"), Some("uk"), Some("en-RU")] {
            assert_eq!(Language::of(code), Language::English, "{code:?}");
        }
    }
}
