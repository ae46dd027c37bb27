//! The shells of the pages and the headers that guard them. `api/static/CSP.md` has the reasons.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::state::PageSettings;

/// The page with this shell, which may show these images.
pub fn of(shell: &str, settings: &PageSettings, images: &str) -> Response {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has randomness");
    let nonce = STANDARD.encode(random);
    let page = shell
        .replace("{{nonce}}", &nonce)
        .replace("{{one_phone}}", settings.one_phone_login.name())
        .replace("{{device_name}}", &escape(&settings.device_name));
    let policy = content_security_policy(&nonce, images, settings.page_origin.as_deref());
    let mut response = Html(page).into_response();
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, value);
    }
    response
}

/// The headers of every answer that does not set them itself.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    // The page has its own.
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Adds [`HEADERS`] to an answer that lacks them.
pub fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
}

fn content_security_policy(nonce: &str, images: &str, page_origin: Option<&str>) -> String {
    let framed_by = page_origin.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; \
         script-src 'self' 'nonce-{nonce}' https://telegram.org/js/telegram-web-app.js; \
         style-src 'self' 'nonce-{nonce}' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; \
         img-src {images}; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors https://web.telegram.org https://webk.telegram.org https://webz.telegram.org{framed_by}"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
