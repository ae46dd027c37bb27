//! One event in its connection: the one that it follows from, and those that follow from it.

use domain::{Event, LoginId};

use super::Log;
use super::event::LogEvent;
use super::query::{Cause, SELECT, at, at_each, led_to, one};
use crate::database::DatabaseError;

impl Log {
    /// The event at this position; None: there is none.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn at(&self, position: i64) -> Result<Option<LogEvent>, DatabaseError> {
        Ok(self.fetch(at(SELECT, position)).await?.pop())
    }

    /// The events at these positions, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn at_each(&self, positions: &[i64]) -> Result<Vec<LogEvent>, DatabaseError> {
        self.fetch(at_each(SELECT, positions)).await
    }

    /// The event that a `causation_id` means, `stream/id/sequence`; None: there is none, or it has no position.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn by_cause(&self, causation_id: &str) -> Result<Option<LogEvent>, DatabaseError> {
        let mut parts = causation_id.splitn(3, '/');
        let (Some(stream), Some(id), Some(Ok(sequence))) =
            (parts.next(), parts.next(), parts.next().map(str::parse))
        else {
            return Ok(None);
        };
        Ok(self.fetch(one(SELECT, stream, id, sequence)).await?.pop())
    }

    /// Up to `limit` events that follow from this one, in order.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn led_to(&self, event: &LogEvent, limit: i64) -> Result<Vec<LogEvent>, DatabaseError> {
        let name = format!("{}/{}/{}", event.stream, event.stream_id, event.sequence);
        let named = event.event.as_ref().ok().and_then(Event::account_id);
        let account = event.metadata.account_id.or(named).map(|account| account.to_string());
        let login = event.metadata.login_id.as_ref().map(LoginId::as_str);
        let cause = Cause { name, position: event.position, account, login };
        self.fetch(led_to(SELECT, &cause, limit)).await
    }
}
