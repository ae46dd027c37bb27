//! Files of the pages, embedded in the binary. Imports between modules carry no version, so the browser has to ask each time
//! (`no-cache`), and an `ETag` keeps that cheap. A browser that takes gzip gets it.

use std::collections::HashMap;
use std::io::Write as _;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use texts::Language;
use texts::http::Text;

use crate::problem::Problem;

/// The answer to a request with these headers for the file of this name; 404 where there is none.
pub fn answer(files: &'static HashMap<&'static str, Embedded>, name: &str, headers: &HeaderMap) -> Response {
    match files.get(name) {
        Some(file) => file.answer(headers),
        None => Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound).into_response(),
    }
}

/// A file as it is served.
pub struct Embedded {
    content_type: &'static str,
    plain: Form,
    gzip: Form,
}

/// The bytes of a file, as they are or compressed, with the tag of these bytes.
struct Form {
    body: Vec<u8>,
    etag: String,
}

impl Embedded {
    /// The file with this name and these bytes. Comments and indentation of our own modules are for readers of the
    /// source: they are not sent.
    pub fn new(name: &str, body: &[u8]) -> Self {
        let body = match name.ends_with(".js").then(|| std::str::from_utf8(body)) {
            Some(Ok(source)) => bare(source).into_bytes(),
            _ => body.to_vec(),
        };
        let gzip = Form::new(compressed(&body));
        Self { content_type: content_type(name), plain: Form::new(body), gzip }
    }

    /// The answer to a request with these headers.
    pub fn answer(&'static self, headers: &HeaderMap) -> Response {
        let (form, encoding) =
            if takes_gzip(headers) { (&self.gzip, "gzip") } else { (&self.plain, "identity") };
        let always = [
            (header::ETAG, form.etag.as_str()),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
        ];
        let known =
            headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == form.etag.as_bytes());
        if known {
            return (StatusCode::NOT_MODIFIED, always).into_response();
        }
        let mut answer =
            (always, [(header::CONTENT_TYPE, self.content_type)], form.body.as_slice()).into_response();
        if encoding == "gzip" {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        answer
    }
}

impl Form {
    fn new(body: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
        Self { body, etag }
    }
}

/// The code of a module: lines that hold nothing but a comment are empty, and no line is indented. Line numbers stay as they are in
/// the source.
fn bare(source: &str) -> String {
    let is_comment = |line: &str| {
        line.starts_with("//")
            || line.starts_with("/**")
            || line == "*"
            || line.starts_with("* ")
            || line == "*/"
    };
    let lines = source.lines().map(str::trim_start).map(|line| if is_comment(line) { "" } else { line });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes it")
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::to_bytes;

    use super::*;

    const SOURCE: &str = "//! Head.\nimport a from './a.js';\n\n  /** One. */\n/** Two,\n *  lines. */\n  const b = 2; // beside\n";

    fn file() -> &'static Embedded {
        Box::leak(Box::new(Embedded::new("a.js", SOURCE.as_bytes())))
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    async fn body(answer: Response) -> Vec<u8> {
        to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn comments_and_indentation_are_not_sent_and_line_numbers_stay() {
        let text = String::from_utf8(body(file().answer(&HeaderMap::new())).await).unwrap();
        assert_eq!(text, "\nimport a from './a.js';\n\n\n\n\nconst b = 2; // beside\n");
        assert_eq!(text.lines().count(), SOURCE.lines().count());
        let vendored = Box::leak(Box::new(Embedded::new("a.mjs", SOURCE.as_bytes())));
        assert_eq!(body(vendored.answer(&HeaderMap::new())).await, SOURCE.as_bytes());
    }

    #[tokio::test]
    async fn gzip_is_sent_to_whoever_takes_it() {
        for (accepted, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("identity", false),
        ] {
            let answer = file().answer(&headers(&[(header::ACCEPT_ENCODING, accepted)]));
            assert_eq!(answer.headers().contains_key(header::CONTENT_ENCODING), expected, "{accepted}");
            assert_eq!(answer.headers()[header::VARY], "accept-encoding");
            let mut bytes = body(answer).await;
            if expected {
                let mut text = Vec::new();
                flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
                bytes = text;
            }
            assert!(bytes.ends_with(b"const b = 2; // beside\n"), "{accepted}");
        }
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        for accepted in ["gzip", "identity"] {
            let first = file().answer(&headers(&[(header::ACCEPT_ENCODING, accepted)]));
            let etag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
            let pairs = [(header::ACCEPT_ENCODING, accepted), (header::IF_NONE_MATCH, etag.as_str())];
            assert_eq!(file().answer(&headers(&pairs)).status(), StatusCode::NOT_MODIFIED);
            let other = [(header::ACCEPT_ENCODING, accepted), (header::IF_NONE_MATCH, "\"other\"")];
            assert_eq!(file().answer(&headers(&other)).status(), StatusCode::OK);
        }
    }
}
