//! The service behind this origin, as behind the reverse proxy of a real deployment: requests and answers unchanged,
//! long polls held open.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;

use super::Sandbox;

/// More than any request of the Mini Apps needs.
const BODY_BYTES: usize = 1 << 20;

/// Headers that belong to one connection and not to the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

pub(super) async fn pass(State(sandbox): State<Sandbox>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", sandbox.inner.service.url());
    let asked = sandbox
        .inner
        .http
        .request(head.method, url)
        .headers(without_hops(head.headers))
        .body(body)
        .send()
        .await;
    let Ok(answer) = asked else {
        return (StatusCode::BAD_GATEWAY, "SANDBOX: the service does not run\n").into_response();
    };
    let (status, headers) = (answer.status(), without_hops(answer.headers().clone()));
    (status, headers, Body::from_stream(chunks(answer))).into_response()
}

fn chunks(answer: reqwest::Response) -> impl futures::Stream<Item = reqwest::Result<Bytes>> {
    unfold(Some(answer), async |answer| {
        let mut answer = answer?;
        match answer.chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(answer))),
            Ok(None) => None,
            Err(broken) => Some((Err(broken), None)),
        }
    })
}

fn without_hops(mut headers: HeaderMap) -> HeaderMap {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers
}
