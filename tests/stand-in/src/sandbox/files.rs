//! The files of the page: embedded in the binary, or read from `SANDBOX_PAGE_DIR` on each request.

use std::borrow::Cow;
use std::path::Path;

use axum::extract::{self, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::Sandbox;

static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// `GET /`. Under another name of this machine (`localhost`) the Mini App would be another origin than the page.
pub(super) async fn index(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match sandbox.inner.origin.split_once("://") {
        Some((_, own)) if own != host => Redirect::temporary(&sandbox.inner.origin).into_response(),
        _ => serve("index.html"),
    }
}

/// `GET /sandbox/page/{file}`
pub(super) async fn page(extract::Path(file): extract::Path<String>) -> Response {
    serve(&file)
}

fn serve(name: &str) -> Response {
    let Some((kind, bytes)) = content_type(name).zip(read(name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, bytes.into_owned()).into_response()
}

fn read(name: &str) -> Option<Cow<'static, [u8]>> {
    // The folder is flat: a name with another folder in it is none of its files.
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return None;
    }
    match std::env::var_os("SANDBOX_PAGE_DIR") {
        Some(folder) => std::fs::read(Path::new(&folder).join(name)).ok().map(Cow::Owned),
        None => EMBEDDED.iter().find(|(known, _)| *known == name).map(|(_, bytes)| Cow::Borrowed(*bytes)),
    }
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => return None,
    })
}
