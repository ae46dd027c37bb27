//! Waiting for a condition that the tests can only poll.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Polls until the condition is true. `what` names it in the error.
pub async fn eventually(what: &str, condition: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !condition().await? {
        if Instant::now() > deadline {
            bail!("timed out: {what}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
