//! A row's key in memory: text, which needs no allocation for the ids of this service.

use std::fmt;

/// The longest key without an allocation: a UUID has 36 characters, a login's id 32.
const SHORT: usize = 38;

/// Ordered like its text, as PostgreSQL's index is: rows written in this order are added at the end of the index.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Short { length: u8, text: [u8; SHORT] },
    Long(Box<str>),
}

impl Key {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Short { length, text } => std::str::from_utf8(&text[..usize::from(*length)])
                .expect("a key is made of text, and never cut"),
            Self::Long(text) => text,
        }
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        let mut text = [0; SHORT];
        match text.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key.as_bytes());
                Self::Short { length: key.len() as u8, text }
            }
            None => Self::Long(key.into()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
