//! That the process is about to stop: who waits for news is answered with what is known, and not cut off.

use tokio::sync::watch;

/// Whether the process is about to stop. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Stopping(watch::Sender<bool>);

impl Stopping {
    /// From now on nobody waits any longer.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Returns once [`Self::begin`] was called.
    pub async fn begun(&self) {
        // This holds a sender, so the channel stays open.
        let _ = self.0.subscribe().wait_for(|begun| *begun).await;
    }

    /// What is waited for; None: the process is about to stop.
    pub async fn unless<T>(&self, waited_for: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            come = waited_for => Some(come),
            () = self.begun() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_also_who_comes_later() {
        let stopping = Stopping::default();
        assert_eq!(stopping.unless(ready(7)).await, Some(7));
        let waits = {
            let stopping = stopping.clone();
            tokio::spawn(async move { stopping.unless(pending::<()>()).await })
        };
        tokio::task::yield_now().await;
        stopping.begin();
        assert_eq!(waits.await.unwrap(), None);
        assert_eq!(stopping.unless(pending::<()>()).await, None);
        assert_eq!(stopping.unless(ready(7)).await, Some(7), "what is there is answered");
    }
}
