//! `min_position`: a request that has to see what happened up to a position waits until the views show it, for five seconds at most.
//! So does the answer to a write, which shows what was done.

use std::time::Duration;

use eventlog::{DatabaseError, Log};
use projections::projector::wait_for;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use web::state::ApiState;

use crate::problem::Problem;

/// SPEC section 7.
const LONGEST: Duration = Duration::from_secs(5);
/// Reads of one process that wait at a time: each of them asks the database now and then.
static WAITING: Semaphore = Semaphore::const_new(64);

/// Waits for this position, where there is one.
///
/// # Errors
/// 503: it is not there in time.
pub(crate) async fn reach(state: &ApiState, min_position: Option<i64>) -> Result<(), Problem> {
    let Some(position) = min_position.filter(|position| *position > 0) else { return Ok(()) };
    in_time(state, async {
        let _place = WAITING.acquire().await;
        wait_for(&state.app.db, position).await
    })
    .await
}

/// After a write: waits until the views show it. It takes no place of the reads: those that ask for a position far ahead do not
/// make it fail after it has acted.
///
/// # Errors
/// 503: they do not show it in time.
pub(crate) async fn reach_now(state: &ApiState) -> Result<(), Problem> {
    in_time(state, async {
        let due = Log::new(&state.app.db).due().await?;
        wait_for(&state.app.db, due).await
    })
    .await
}

async fn in_time(
    state: &ApiState,
    reached: impl Future<Output = Result<(), DatabaseError>>,
) -> Result<(), Problem> {
    match state.stopping.unless(timeout(LONGEST, reached)).await {
        Some(Ok(reached)) => reached.map_err(|error| Problem::internal(&error)),
        Some(Err(_)) | None => Err(Problem::NotThereYet),
    }
}
