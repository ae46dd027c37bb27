//! The header `Idempotency-Key`, by which an order that comes twice is carried out once.

use axum::http::{HeaderMap, StatusCode};
use texts::Language;
use texts::http::Text;

use web::problem::Problem;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 64;

/// The key; None: there is none.
///
/// # Errors
/// 400: it is not 1 to 64 of `A-Z a-z 0-9 . _ : -`. It goes into an event, where nothing else is to go.
pub fn key(headers: &HeaderMap, language: Language) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let fits = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(plain)
    };
    match value.to_str().ok().filter(fits) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem::new(StatusCode::BAD_REQUEST, language, Text::BadRequest)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_is_short_and_plain() {
        let read = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            key(&HeaderMap::from_iter([(HEADER.parse().unwrap(), value)]), Language::English).ok().flatten()
        };
        let longest = "a".repeat(LONGEST);
        for good in ["7f3c-1", "A.b_c:d", &longest] {
            assert_eq!(read(good).as_deref(), Some(good));
        }
        for bad in ["", "a b", "a/b", &format!("{longest}a")] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert!(key(&HeaderMap::new(), Language::English).unwrap().is_none());
    }
}
