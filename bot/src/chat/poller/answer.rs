//! An answer to `getUpdates`, split into its updates, which are not read here.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use teloxide::types::ResponseParameters;
use teloxide::{ApiError, RequestError};

/// The beginning of an answer to a call that succeeded.
const DONE: &[u8] = b"{\"ok\":true";

/// An answer to `getUpdates`.
pub(super) enum Answer<'a> {
    /// The bytes of each, as they came.
    Updates(Vec<&'a [u8]>),
    /// There are updates in it, but it is not clear where one ends.
    Unreadable,
    /// No updates: Telegram refuses, or another server has answered.
    Refused(RequestError),
}

#[derive(Deserialize)]
struct Done<'a> {
    #[serde(borrow)]
    result: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Refusal {
    description: ApiError,
    parameters: Option<ResponseParameters>,
}

/// Splits an answer. It finds where an update begins and ends at any depth of nesting, and in bytes that are not UTF-8.
pub(super) fn split(body: &[u8]) -> Answer<'_> {
    let text = legible(body);
    if !body.starts_with(DONE) {
        return Answer::Refused(refusal(&text));
    }
    let Ok(Done { result }) = serde_json::from_str(&text) else { return Answer::Unreadable };
    let begin = text.as_ptr().addr();
    let place = |update: &RawValue| {
        let at = update.get().as_ptr().addr() - begin;
        &body[at..at + update.get().len()]
    };
    Answer::Updates(result.into_iter().map(place).collect())
}

/// The body as text of the same length: each byte that is not UTF-8 becomes a `?`.
fn legible(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    Cow::Owned(text)
}

fn refusal(text: &str) -> RequestError {
    match serde_json::from_str(text) {
        Ok(Refusal { parameters: Some(ResponseParameters::RetryAfter(wait)), .. }) => {
            RequestError::RetryAfter(wait)
        }
        Ok(Refusal { description, .. }) => RequestError::Api(description),
        // Without the text, which may hold what a person wrote.
        Err(error) => RequestError::InvalidJson { source: Arc::new(error), raw: "".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updates(body: &[u8]) -> Option<Vec<&[u8]>> {
        match split(body) {
            Answer::Updates(updates) => Some(updates),
            Answer::Unreadable | Answer::Refused(_) => None,
        }
    }

    #[test]
    fn updates_are_told_apart_whatever_stands_in_them() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let parts: [&[u8]; 7] = [
            br#"{"update_id":1,"text":"]},{"}"#,
            b"{\"text\":\"\xff\xc3\"}",
            br#"{"text":"\ud800\u0000"}"#,
            deep.as_bytes(),
            b"1e400",
            "{\"text\":\"\u{1f600}\"}".as_bytes(),
            b"null",
        ];
        let body = [b"{\"ok\":true,\"result\":[", parts.join(&b", "[..]).as_slice(), b"]}"].concat();
        assert_eq!(updates(&body), Some(parts.to_vec()));
        assert_eq!(updates(b"{\"ok\":true,\"result\":[]}"), Some(Vec::new()));
    }

    #[test]
    fn an_answer_that_breaks_off_is_unreadable_and_a_strangers_is_refused() {
        assert!(matches!(split(b"{\"ok\":true,\"result\":[{\"update_id\":1"), Answer::Unreadable));
        let html = split(b"<html>502</html>");
        assert!(matches!(html, Answer::Refused(RequestError::InvalidJson { .. })));
        let busy = split(br#"{"ok":false,"description":"Too Many Requests","parameters":{"retry_after":7}}"#);
        assert!(matches!(busy, Answer::Refused(RequestError::RetryAfter(wait)) if wait.seconds() == 7));
        let conflict = br#"{"ok":false,"description":"Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"}"#;
        let conflict = split(conflict);
        assert!(matches!(
            conflict,
            Answer::Refused(RequestError::Api(ApiError::TerminatedByOtherGetUpdates))
        ));
    }
}
