//! Turns of what takes long for one person: so many at a time in a process. A person who asks again and again delays others who
//! ask for the same, and nobody else.

use std::time::Duration;

use axum::http::StatusCode;
use texts::Language;
use texts::http::Text;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use web::problem::Problem;

/// How long a request waits for its turn, and when it may be tried again.
const WITHIN: Duration = Duration::from_secs(5);
const AGAIN_SECONDS: i64 = 10;

/// Waits for a turn, which lasts as long as the permit is held.
///
/// # Errors
/// 429 with a `Retry-After`: none came in time.
pub(super) async fn turn(
    places: &'static Semaphore,
    language: Language,
) -> Result<SemaphorePermit<'static>, Problem> {
    match timeout(WITHIN, places.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => {
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, language, Text::TooManyRequests);
            Err(problem.after(AGAIN_SECONDS))
        }
    }
}
