//! The events in the log, read by the tests.

use std::time::Duration;

use anyhow::{Context as _, Result};
use eventlog::log::{Log, LogEvent};
use projections::projector::wait_for;

use super::World;

const TIMEOUT: Duration = Duration::from_secs(30);

impl World {
    /// All committed events in order. Waits until each has a position and the views show it, because an answer to a person
    /// may be sent before that.
    pub async fn events(&self) -> Result<Vec<LogEvent>> {
        let due = Log::new(&self.db).due().await?;
        let caught_up = tokio::time::timeout(TIMEOUT, wait_for(&self.db, due)).await;
        caught_up.context("the views never showed what was committed")??;
        Ok(Log::new(&self.db).read(0, 10_000).await?)
    }

    /// The names of all events, in order. Renewals of the QR code in a row count once.
    pub async fn event_names(&self) -> Result<Vec<String>> {
        let mut names: Vec<_> = self.events().await?.into_iter().map(|event| event.name).collect();
        names.dedup();
        Ok(names)
    }

    /// The names of the events of one kind of stream, in order.
    pub async fn event_names_of(&self, stream: &str) -> Result<Vec<String>> {
        let events = self.events().await?.into_iter().filter(|event| event.stream == stream);
        Ok(events.map(|event| event.name).collect())
    }

    /// Waits for an event of this name, then returns the names of all events in order.
    pub async fn wait_for_event(&self, name: &str) -> Result<Vec<String>> {
        let mut follower = Log::new(&self.db).follow(0);
        let follow = async {
            loop {
                if follower.next().await?.iter().any(|event| event.name == name) {
                    return anyhow::Ok(());
                }
            }
        };
        let followed = tokio::time::timeout(TIMEOUT, follow).await;
        followed.with_context(|| format!("{name} never happened"))??;
        Ok(self.events().await?.into_iter().map(|event| event.name).collect())
    }
}
