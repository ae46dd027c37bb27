//! One try: a request over HTTP, and what its answer means.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::address::{BadAddress, Guard, Lookup, Policy, Reach};
use crate::retry::retry_after;

/// How long a try may take: the name, the connection, the request, the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer, so that its connection can be used again. It is thrown away.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Free connections to one host, for the next messages.
const IDLE_CONNECTIONS: usize = 64;

/// Sends messages. A cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    policy: Policy,
    https: Client,
    /// None: nothing goes by http.
    http: Option<Client>,
}

/// One try.
pub(crate) struct Attempt<'a> {
    pub url: &'a str,
    pub message_id: &'a str,
    pub sent_at: Timestamp,
    pub signature: String,
    pub body: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 2xx.
    Taken(StatusCode),
    /// 410: nobody is there any more.
    Gone,
    /// Another answer, or none.
    Failed {
        status: Option<StatusCode>,
        why: &'static str,
        /// How long the receiver asked to wait.
        retry_after: Option<Duration>,
    },
}

impl Transport {
    pub(crate) fn new(policy: Policy, lookup: &Lookup) -> Self {
        let client = |reach: Reach| {
            Client::builder()
                .dns_resolver(Arc::new(Guard::new(reach, lookup.clone())))
                .redirect(Redirects::none())
                // A proxy would resolve the name by itself.
                .no_proxy()
                .referer(false)
                .timeout(TIMEOUT)
                .pool_max_idle_per_host(IDLE_CONNECTIONS)
                .user_agent(concat!("qr-login/", env!("CARGO_PKG_VERSION")))
                .build()
                .expect("the settings of a client are good")
        };
        let https = client(policy.reach("https").expect("https is always allowed"));
        Self { policy, https, http: policy.reach("http").map(client) }
    }

    /// Sends a message once.
    pub(crate) async fn send(&self, attempt: Attempt<'_>) -> Answer {
        // An address in the URL is not resolved by the guard; what is allowed may have changed since it was given.
        let url = match self.policy.check(attempt.url) {
            Ok(url) => url,
            Err(bad) => return Answer::failed(why_bad(bad)),
        };
        let Some(client) = self.client(&url) else { return Answer::failed(why_bad(BadAddress::Scheme)) };
        let request = client
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", attempt.message_id)
            .header("webhook-timestamp", attempt.sent_at.as_second())
            .header("webhook-signature", attempt.signature)
            .body(attempt.body);
        match request.send().await {
            Ok(response) => read(response, attempt.sent_at).await,
            Err(error) => Answer::failed(why(&error)),
        }
    }

    fn client(&self, url: &Url) -> Option<&Client> {
        if url.scheme() == "https" { Some(&self.https) } else { self.http.as_ref() }
    }
}

impl Answer {
    fn failed(why: &'static str) -> Self {
        Self::Failed { status: None, why, retry_after: None }
    }
}

/// The status alone decides. The rest is read only so that the connection can be used again.
async fn read(mut response: Response, now: Timestamp) -> Answer {
    let status = response.status();
    let asked_for = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = asked_for.and_then(|text| retry_after(text, now));
    let mut length = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        length += chunk.len();
        if length > LONGEST_ANSWER {
            break;
        }
    }
    drop(response);
    match status {
        StatusCode::GONE => Answer::Gone,
        taken if taken.is_success() => Answer::Taken(taken),
        other => {
            let why = match other.as_u16() {
                300..=399 => "answered with a redirect, which is not followed",
                429 => "asked to wait",
                400..=499 => "refused the message",
                _ => "answered with an error",
            };
            Answer::Failed { status: Some(other), why, retry_after }
        }
    }
}

fn why_bad(bad: BadAddress) -> &'static str {
    match bad {
        BadAddress::NotPublic => "the address is not public",
        BadAddress::Malformed | BadAddress::Scheme | BadAddress::Credentials | BadAddress::Fragment => {
            "the address is not allowed"
        }
    }
}

/// The text of the error itself has the address in it.
fn why(error: &reqwest::Error) -> &'static str {
    let causes = || std::iter::successors(error.source(), |cause| Error::source(*cause));
    let kind = causes().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::PermissionDenied) => return why_bad(BadAddress::NotPublic),
        Some(io::ErrorKind::ConnectionRefused) => return "the connection was refused",
        _ => {}
    }
    if error.is_timeout() {
        "no answer within 10 s"
    } else if causes().any(|cause| cause.to_string().contains("certificate")) {
        "the certificate is not valid"
    } else if error.is_connect() {
        "no connection could be made"
    } else {
        "the connection was lost"
    }
}

#[cfg(test)]
mod tests;
