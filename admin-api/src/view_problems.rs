//! Problems of the routes about views.

use axum::http::StatusCode;
use texts::Language;
use texts::http::Text;

use web::problem::Problem;

/// The `type` of a 409: the view is being rebuilt.
const REBUILD_RUNS: &str = "urn:qr-login:rebuild_runs";

pub(super) fn internal<E: std::error::Error + 'static>(language: Language) -> impl Fn(E) -> Problem {
    move |error| Problem::internal(language, &error)
}

/// There is no view of this name.
pub(super) fn unknown_view(language: Language) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, language, Text::ViewUnknown)
}

/// There is no rebuild by this id.
pub(super) fn unknown_rebuild(language: Language) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, language, Text::RebuildUnknown)
}

/// No row is parked by this key or for this cause.
pub(super) fn nothing_parked(language: Language) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, language, Text::NothingParked)
}

/// They were an admin when the request began.
pub(super) fn not_allowed(language: Language) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, language, Text::AdminsOnly)
}

pub(super) fn rebuild_runs(language: Language) -> Problem {
    Problem::new(StatusCode::CONFLICT, language, Text::RebuildRuns).of_kind(REBUILD_RUNS)
}
