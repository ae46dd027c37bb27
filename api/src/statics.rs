//! The pages' files: those of the login page, and in a folder for each those of another page.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;

use web::embedded::{Embedded, answer};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../static/", $name)).as_slice())),*]
    };
}

/// Every file that a page may ask for.
const FILES: &[(&str, &[u8])] = embedded![
    "clock.js",
    "copy.js",
    "dialog.js",
    "follow.js",
    "forms.js",
    "icon.svg",
    "language.js",
    "login.css",
    "login.js",
    "me/me.css",
    "me/me.js",
    "me/table.js",
    "me/view.js",
    "native.js",
    "phone.js",
    "picture.js",
    "requests.js",
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
    answer(&STATICS, &name, &headers)
}

/// `GET /qr-auth/static/{folder}/{name}`.
pub async fn file_in_folder(Path((folder, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    answer(&STATICS, &format!("{folder}/{name}"), &headers)
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_pages_is_embedded() {
        let mut wanted = Vec::new();
        for folder in ["", "me/"] {
            let dir = std::fs::read_dir(format!("{}/static/{folder}", env!("CARGO_MANIFEST_DIR")));
            let names = dir
                .expect("the page's directory")
                .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"));
            let is_served =
                |name: &String| name.ends_with(".js") || name.ends_with(".css") || name.ends_with(".svg");
            wanted.extend(names.filter(is_served).map(|name| format!("{folder}{name}")));
        }
        wanted.sort();
        let embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(embedded, wanted);
    }
}
