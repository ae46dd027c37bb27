//! The admins' app: its shell, which is the same for everybody and holds no data, and its files. What it shows comes from
//! `admin-api`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::get;

use web::embedded::{Embedded, answer};
use web::page;
use web::route::Route;
use web::state::ApiState;

const SHELL: &str = include_str!("../static/admin/admin.html");

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../static/admin/", $name)).as_slice())),*]
    };
}

/// Every file that the app may ask for.
const FILES: &[(&str, &[u8])] = embedded![
    "admin.css",
    "api.js",
    "app.js",
    "audit.js",
    "dashboard.js",
    "export.js",
    "fields.js",
    "format.js",
    "invites.js",
    "keys.js",
    "later.js",
    "loaded.js",
    "main.js",
    "projections.js",
    "services.js",
    "services_words_en.js",
    "services_words_ru.js",
    "statistics.js",
    "ui.js",
    "user.js",
    "users.js",
    "vendor/htm.mjs",
    "vendor/lean-qr.mjs",
    "vendor/preact.mjs",
    "webhooks.js",
    "words_en.js",
    "words_ru.js",
];

static STATICS: LazyLock<HashMap<&'static str, Embedded>> =
    LazyLock::new(|| FILES.iter().map(|&(name, body)| (name, Embedded::new(name, body))).collect());

/// The shell and the files.
pub(crate) fn table() -> Vec<Route> {
    vec![(Method::GET, "/admin", get(shell)), (Method::GET, "/admin/static/{*name}", get(file))]
}

/// `GET /admin`: always 200.
async fn shell(State(state): State<Arc<ApiState>>) -> Response {
    page::of(SHELL, &state.page, "'self' blob:")
}

/// `GET /admin/static/{*name}`.
async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&STATICS, &name, &headers)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    #[test]
    fn every_file_of_the_app_is_embedded() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/static/admin"));
        let names = |folder: &str| {
            let dir = std::fs::read_dir(root.join(folder)).expect("the app's directory");
            dir.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
                .filter(|name| [".js", ".mjs", ".css"].iter().any(|end| name.ends_with(end)))
                .map(|name| format!("{folder}{name}"))
                .collect::<Vec<_>>()
        };
        let mut wanted = [names(""), names("vendor/")].concat();
        wanted.sort();
        let embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(embedded, wanted);
    }
}
