//! A call of the Bot API in a span that has the method's name. Long polls for updates have none: they would be traces of nothing.

use telemetry::traces::{InSpan as _, Span};
use teloxide::RequestError;
use teloxide::requests::{HasPayload, Output, Payload as _, Request};

/// Sends a request.
///
/// # Errors
/// As of the request.
pub(super) async fn call<R: Request<Err = RequestError>>(request: R) -> Result<Output<R>, RequestError> {
    let span = Span::call("telegram_bot_api", || method(<R as HasPayload>::Payload::NAME).into());
    let answer = request.send().in_span(span.clone()).await;
    answer.inspect_err(|error| span.failed(kind(error)))
}

/// As Telegram spells it; teloxide's begins with a capital.
fn method(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

const fn kind(error: &RequestError) -> &'static str {
    match error {
        RequestError::Api(_) | RequestError::MigrateToChatId(_) => "refused",
        RequestError::RetryAfter(_) => "flood_wait",
        RequestError::Network(_) | RequestError::Io(_) => "unreachable",
        RequestError::InvalidJson { .. } => "unreadable",
    }
}
