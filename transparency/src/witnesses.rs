//! WITNESSES: who signs checkpoints besides the log itself, and how many of them are enough.
//!
//! ```text
//! 2 of https://witness.example.com NAME+ID+KEY, https://other.example.org NAME+ID+KEY, …
//! ```
//!
//! A witness may be reached by plain http: what it gets is public, and what it answers is signed.

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::note::NoteKey;

/// How long a witness may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a witness that failed is asked again.
const AGAIN: Duration = Duration::from_secs(5);
/// The shortest time between two checkpoints that are sent on.
const BETWEEN: Duration = Duration::from_secs(1);

/// The witnesses of a log, and its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// So many signatures are enough.
    pub required: usize,
    /// All of them.
    pub all: Vec<Witness>,
    /// How long one may take.
    pub timeout: Duration,
    /// How soon one that failed is asked again.
    pub again: Duration,
    /// The shortest time between two checkpoints that are sent on.
    pub between: Duration,
}

/// One witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its verifier key, with its name.
    pub key: NoteKey,
    /// Where it takes checkpoints: its submission prefix with `/add-checkpoint`.
    pub url: Url,
}

/// Why a text names no witnesses. It is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWitnesses {
    /// It has another form.
    #[error(
        "does not begin with how many have to sign, like `2 of https://witness.example.com NAME+ID+KEY, …`"
    )]
    Form,
    /// More are required than there are, or none.
    #[error("{required} of {all} cannot sign: the number has to be from 1 to {all}")]
    Required {
        /// So many.
        required: usize,
        /// Of so many.
        all: usize,
    },
    /// One of them.
    #[error("witness {number} is not a URL and a verifier key, like https://witness.example.com NAME+ID+KEY")]
    Witness {
        /// From 1.
        number: usize,
    },
    /// Its address.
    #[error(
        "the address of witness {number} is not one like https://witness.example.com or http://10.0.0.5:8011/log"
    )]
    Url {
        /// From 1.
        number: usize,
    },
    /// Its key.
    #[error("the key of witness {number} is not one of a witness (NAME+ID+KEY of C2SP signed-note, Ed25519)")]
    Key {
        /// From 1.
        number: usize,
    },
    /// Its key is there twice.
    #[error("the key of witness {number} is that of another one, too: each counts once")]
    Twice {
        /// From 1.
        number: usize,
    },
}

impl FromStr for Witnesses {
    type Err = BadWitnesses;

    fn from_str(text: &str) -> Result<Self, BadWitnesses> {
        let (required, listed) = text.trim().split_once(" of ").ok_or(BadWitnesses::Form)?;
        let required = required.trim().parse().map_err(|_| BadWitnesses::Form)?;
        let mut all: Vec<Witness> = Vec::new();
        for (number, text) in (1..).zip(listed.split(',')) {
            let witness = Witness::parse(number, text)?;
            // The message that is signed does not have the name in it: one key is one witness.
            if all.iter().any(|other| other.key.bytes() == witness.key.bytes()) {
                return Err(BadWitnesses::Twice { number });
            }
            all.push(witness);
        }
        if !(1..=all.len()).contains(&required) {
            return Err(BadWitnesses::Required { required, all: all.len() });
        }
        Ok(Self { required, all, timeout: TIMEOUT, again: AGAIN, between: BETWEEN })
    }
}

impl Witness {
    fn parse(number: usize, text: &str) -> Result<Self, BadWitnesses> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [url, key] = words[..] else { return Err(BadWitnesses::Witness { number }) };
        let key = NoteKey::parse(key).filter(NoteKey::is_of_witness).ok_or(BadWitnesses::Key { number })?;
        let mut url = Url::parse(url).map_err(|_| BadWitnesses::Url { number })?;
        let is_plain = ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_plain {
            return Err(BadWitnesses::Url { number });
        }
        let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self { key, url })
    }
}
