//! What a person typed to find somebody.

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::search::folded;

/// More words are not looked at.
const WORDS: usize = 8;
/// Nor more characters.
const LENGTH: usize = 128;

/// What to look for in a row of `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// The person of this id.
    Account(Uuid),
    /// Every one of these patterns is in the text; or the Telegram id is this.
    Names { patterns: Vec<Pattern>, telegram_id: Option<i64> },
}

/// A word of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Anywhere in a name.
    Part(String),
    /// At the beginning of a name or of the username: the word is too short for a trigram.
    Beginning(String),
    /// At the beginning of the username; where there are no trigrams, of the first name as well. Names of people have their index by
    /// trigrams, and usernames one of their own, which finds one among many that begin alike.
    Prefix { name: Option<String>, username: String },
}

impl Query {
    /// None: nothing was typed.
    pub fn read(text: &str, has_trigrams: bool) -> Option<Self> {
        let text: String = text.trim().chars().take(LENGTH).collect();
        if let Ok(account) = text.parse() {
            return Some(Self::Account(account));
        }
        let words: Vec<&str> = text.split_whitespace().take(WORDS).collect();
        let telegram_id = match words[..] {
            [word] => word.parse().ok(),
            _ => None,
        };
        let patterns: Vec<Pattern> = if has_trigrams {
            words.iter().filter_map(|word| Pattern::of(word)).collect()
        } else {
            Pattern::prefix(&words).into_iter().collect()
        };
        (!patterns.is_empty()).then_some(Self::Names { patterns, telegram_id })
    }

    /// Whether it names one person by an index of its own.
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Account(_))
    }

    /// Whether it is the beginning of a username, and nothing else.
    pub fn is_username(&self) -> bool {
        matches!(self, Self::Names { patterns, .. } if matches!(patterns[..], [Pattern::Prefix { name: None, .. }]))
    }

    /// How many people to look at in their order; all of them where no index finds the name.
    pub fn walks(&self, usually: (i64, i64)) -> (i64, i64) {
        match self {
            Self::Names { patterns, .. } if patterns.iter().all(|pattern| !pattern.has_trigram()) => {
                (i64::MAX, i64::MAX)
            }
            _ => usually,
        }
    }

    /// The condition in SQL, over `account_id`, `telegram_id`, `username` and `search`.
    pub fn push_condition(&self, select: &mut QueryBuilder<'_, Postgres>) {
        match self {
            Self::Account(account) => {
                select.push("account_id = ").push_bind(*account);
            }
            Self::Names { patterns, telegram_id } => {
                select.push("(");
                if let Some(telegram_id) = telegram_id {
                    select.push("telegram_id = ").push_bind(*telegram_id).push(" or ");
                }
                for (number, pattern) in patterns.iter().enumerate() {
                    select.push(if number == 0 { "(" } else { " and " });
                    pattern.push_condition(select);
                }
                select.push("))");
            }
        }
    }
}

impl Pattern {
    fn of(word: &str) -> Option<Self> {
        if let Some(username) = word.strip_prefix('@') {
            return (!username.is_empty())
                .then(|| Self::Prefix { name: None, username: username.to_lowercase() });
        }
        let folded = folded(word);
        match has_run(&folded, 3) {
            _ if folded.is_empty() => None,
            true => Some(Self::Part(folded)),
            false => Some(Self::Beginning(folded)),
        }
    }

    fn prefix(words: &[&str]) -> Option<Self> {
        let typed = words.join(" ").to_lowercase();
        let folded: Vec<String> = words.iter().map(|word| folded(word)).collect();
        match typed.strip_prefix('@') {
            None => Some(Self::Prefix { name: Some(folded.join(" ")), username: typed }),
            Some(username) => Some(Self::Prefix { name: None, username: username.to_owned() }),
        }
        .filter(|pattern| !matches!(pattern, Self::Prefix { username, .. } if username.is_empty()))
    }

    /// Whether an index finds it.
    fn has_trigram(&self) -> bool {
        match self {
            Self::Part(_) | Self::Prefix { .. } => true,
            // Together with the space before it.
            Self::Beginning(word) => word.starts_with(|c: char| c.is_ascii_alphanumeric()),
        }
    }

    fn push_condition(&self, select: &mut QueryBuilder<'_, Postgres>) {
        match self {
            Self::Part(word) => drop(select.push("search like ").push_bind(format!("%{}%", escaped(word)))),
            Self::Beginning(word) => {
                let word = escaped(word);
                select.push("(search like ").push_bind(format!("% {word}%"));
                select.push(" or search like ").push_bind(format!("%@{word}%")).push(")");
            }
            Self::Prefix { name, username } => {
                select.push("((lower(username) collate \"C\" >= ").push_bind(username.clone());
                if let Some(end) = after_prefix(username) {
                    select.push(" and lower(username) collate \"C\" < ").push_bind(end);
                }
                select.push(")");
                if let Some(name) = name {
                    select.push(" or search like ").push_bind(format!(" {}%", escaped(name)));
                }
                select.push(")");
            }
        }
    }
}

/// Whether so many letters or digits that `pg_trgm` knows in every locale follow each other.
fn has_run(text: &str, length: usize) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|run| run.len() >= length)
}

/// The first text, by code points, after all that begin so. The index alone decides between the two; `like` looks at each row too.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// For `like`: what is no wildcard.
fn escaped(word: &str) -> String {
    let mut escaped = String::with_capacity(word.len() + 4);
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(text: &str, has_trigrams: bool) -> Vec<Pattern> {
        match Query::read(text, has_trigrams) {
            Some(Query::Names { patterns, .. }) => patterns,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_query_is_an_id_a_username_or_parts_of_names() {
        let id = "0197bf2e-0000-7000-8000-000000000001";
        assert_eq!(Query::read(id, true), Some(Query::Account(id.parse().unwrap())));
        let username = "ilya_k".to_owned();
        assert_eq!(patterns("@Ilya_K", true), [Pattern::Prefix { name: None, username }]);
        assert_eq!(
            patterns(" ilya  k ", true),
            [Pattern::Part("ilya".to_owned()), Pattern::Beginning("k".to_owned())]
        );
        let Some(Query::Names { telegram_id, .. }) = Query::read("139883458", true) else { panic!() };
        assert_eq!(telegram_id, Some(139_883_458));
        assert_eq!(
            [Query::read("  ", true), Query::read("@", true), Query::read("", false)],
            [None, None, None]
        );
    }

    #[test]
    fn without_trigrams_a_query_is_the_beginning_of_a_name() {
        let name = Some("josef k".to_owned());
        assert_eq!(patterns("Josef K", false), [Pattern::Prefix { name, username: "josef k".to_owned() }]);
        assert_eq!(
            patterns("@Ilya_K", false),
            [Pattern::Prefix { name: None, username: "ilya_k".to_owned() }]
        );
    }

    #[test]
    fn a_prefix_ends_before_the_next_text_that_begins_otherwise() {
        let end = after_prefix;
        assert_eq!(end("user_1").as_deref(), Some("user_2"));
        assert_eq!(end("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(end("a\u{10ffff}\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(end("\u{10ffff}"), None);
    }

    #[test]
    fn what_like_takes_for_a_wildcard_is_looked_for_as_it_is() {
        assert_eq!(escaped(r"50%_\"), r"50\%\_\\");
    }
}
