//! The login page's files.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use texts::Language;
use texts::http::Text;

use crate::embedded::Embedded;
use crate::problem::Problem;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../static/", $name)).as_slice())),*]
    };
}

/// Every file that the page may ask for.
const FILES: &[(&str, &[u8])] = embedded![
    "clock.js",
    "copy.js",
    "dialog.js",
    "follow.js",
    "forms.js",
    "icon.svg",
    "login.css",
    "login.js",
    "native.js",
    "phone.js",
    "picture.js",
    "server.js",
    "srp.js",
    "steps.js",
    "table.js",
    "telegram.js",
    "texts.js",
    "view.js",
];

static STATICS: LazyLock<HashMap<&'static str, Embedded>> =
    LazyLock::new(|| FILES.iter().map(|&(name, body)| (name, Embedded::new(name, body))).collect());

/// `GET /qr-auth/static/{name}`.
pub async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match STATICS.get(name.as_str()) {
        Some(file) => file.answer(&headers),
        None => Problem::new(StatusCode::NOT_FOUND, Language::default(), Text::NotFound).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_page_is_embedded() {
        let dir =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/static")).expect("the page's directory");
        let names =
            dir.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"));
        let mut wanted: Vec<_> = names
            .filter(|name| name.ends_with(".js") || name.ends_with(".css") || name.ends_with(".svg"))
            .collect();
        wanted.sort();
        let embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(embedded, wanted);
    }
}
