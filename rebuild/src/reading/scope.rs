//! The SQL statements that read the needed part of the log.

use domain::StreamKind;

use eventlog::database::{Database, DatabaseError};
use projections::views::{AnyView, LookupKind, RowsBy, lookups};

/// Event numbers in one statement: a few seconds of work, with a timeout of a minute.
const SLICE: i64 = 250_000;

/// The part of the log that some views need.
pub(super) struct Scope {
    streams: Vec<&'static str>,
    /// Events of other streams.
    others: Vec<&'static str>,
    /// Those of them whose key may be in the envelope.
    with_envelope: Vec<&'static str>,
    /// Whether a fold needs people's keys and who made which invite.
    pub people: bool,
    /// Whether a fold needs to know when attempts of logins began.
    pub starts: bool,
    /// Every event, also those that belong to no row.
    pub whole: bool,
}

/// The selects of the two streams; each is read by one COPY.
pub(super) struct Slices {
    /// `event_no, position`
    pub positions: Vec<String>,
    /// See [`StoredEvent`](super::stored_event::StoredEvent).
    pub events: Vec<String>,
}

impl Scope {
    pub fn of_views(views: &[&'static dyn AnyView]) -> Self {
        let (mut streams, mut others, mut with_envelope) = (Vec::new(), Vec::new(), Vec::new());
        let interests: Vec<_> = views.iter().map(|view| view.interest()).collect();
        for interest in &interests {
            others.extend(interest.events);
            if let RowsBy::Stream(kind) = interest.rows_by {
                streams.push(kind.name());
                with_envelope.extend(interest.events);
            }
        }
        let needs = |kind| interests.iter().any(|interest| interest.lookups == kind);
        Self {
            whole: StreamKind::ALL.iter().all(|kind| streams.contains(&kind.name())),
            people: needs(LookupKind::People),
            starts: needs(LookupKind::Starts),
            streams,
            others,
            with_envelope,
        }
    }

    /// The events after one position, up to another one; `last` is the last position of the log.
    pub async fn slices(
        &self,
        db: &Database,
        after: i64,
        end: i64,
        last: i64,
    ) -> Result<Slices, DatabaseError> {
        // At the ends of the log, the index on event numbers answers. In between, the index on positions does: `+ 0` keeps
        // PostgreSQL from the other one.
        let low = match after {
            0 => sqlx::query_scalar!("select min(event_no) from log_index").fetch_one(db.pool()).await?,
            _ => {
                sqlx::query_scalar!("select min(event_no + 0) from log_index where position > $1", after)
                    .fetch_one(db.pool())
                    .await?
            }
        };
        let high = match end == last {
            true => sqlx::query_scalar!("select max(event_no) from log_index").fetch_one(db.pool()).await?,
            false => {
                sqlx::query_scalar!("select max(event_no + 0) from log_index where position <= $1", end)
                    .fetch_one(db.pool())
                    .await?
            }
        };
        let (Some(low), Some(high)) = (low, high) else {
            return Ok(Slices { positions: Vec::new(), events: Vec::new() });
        };
        let mut slices = Slices { positions: Vec::new(), events: Vec::new() };
        // There are at most some 10,000 statements, even where numbers have large gaps.
        let size = SLICE.max((high - low) / 10_000);
        let mut from = low;
        while from <= high {
            let to = high.min(from + size - 1);
            slices.positions.push(format!(
                "select event_no, position from log_index \
                  where event_no between {from} and {to} and position > {after} and position <= {end} \
                  order by event_no"
            ));
            slices.events.push(format!(
                "select event_no, aggregate_type, aggregate_id, event_type, event_version, payload, {}, sequence, {} \
                   from events where event_no between {from} and {to} and {} \
                  order by event_no",
                self.envelope(),
                self.person_key(),
                self.condition(),
            ));
            from = to + 1;
        }
        Ok(slices)
    }

    fn envelope(&self) -> String {
        match &self.with_envelope[..] {
            [] => "null".to_owned(),
            events => format!("case when event_type in ({}) then metadata end", quoted(events)),
        }
    }

    /// What opens what is sealed in the event; null where the person was erased. Only a text that is a UUID is cast.
    fn person_key(&self) -> String {
        if !self.people {
            return "null".to_owned();
        }
        format!(
            "case when event_type in ({}) and aggregate_id ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' then \
             (select person_key from vault.subjects where account_id = aggregate_id::uuid) end",
            quoted(&lookups::SEALED),
        )
    }

    fn condition(&self) -> String {
        if self.whole {
            return "true".to_owned();
        }
        let streams = format!("aggregate_type in ({})", quoted(&self.streams));
        let others = format!("event_type in ({})", quoted(&self.others));
        match (&self.streams[..], &self.others[..]) {
            (_, []) => streams,
            ([], _) => others,
            _ => format!("({streams} or {others})"),
        }
    }
}

/// A list of constants of this program, which need no escaping.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
