//! What an EventStoreDB decides when events are appended: the revision that was expected, and what happens when the same
//! events come a second time. As the server's own `IndexWriter.CheckCommit` decides it.

use std::collections::HashMap;

use uuid::Uuid;

/// An event of a stream; its revision is its place, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Chosen by the client that appended it.
    pub id: Uuid,
    /// Its type.
    pub name: String,
    /// The data.
    pub data: Vec<u8>,
    /// The metadata.
    pub metadata: Vec<u8>,
}

/// The expected end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Any end.
    Any,
    /// There must be none.
    NoStream,
    /// There must be one.
    StreamExists,
    /// With this revision.
    Revision(u64),
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The events are in the stream, the last at this revision. They may have been there before.
    Success(u64),
    /// The stream has another end: this revision, or no event.
    WrongExpectedVersion(Option<u64>),
    /// The stream was deleted for ever.
    Deleted,
}

/// All streams.
#[derive(Debug, Default)]
pub struct Streams(HashMap<String, Stream>);

#[derive(Debug, Default)]
struct Stream {
    events: Vec<Recorded>,
    /// Events before this revision can no longer be read.
    hidden_before: usize,
    tombstone: bool,
}

impl Streams {
    /// Appends all of the events or none.
    pub fn append(&mut self, name: &str, expected: Expected, events: Vec<Recorded>) -> Outcome {
        let stream = self.0.entry(name.to_owned()).or_default();
        let outcome = stream.decide(expected, &events);
        if outcome.is_none() {
            stream.events.extend(events);
        }
        outcome.unwrap_or_else(|| Outcome::Success(stream.last().unwrap_or_default()))
    }

    /// The events that can be read, with their revisions; None where there is no stream to read.
    ///
    /// # Errors
    /// The stream was deleted for ever.
    pub fn read(&self, name: &str) -> Result<Option<Vec<(u64, &Recorded)>>, Deleted> {
        let Some(stream) = self.0.get(name) else { return Ok(None) };
        if stream.tombstone {
            return Err(Deleted);
        }
        let visible: Vec<_> = (0..).zip(&stream.events).skip(stream.hidden_before).collect();
        Ok(Some(visible).filter(|it| !it.is_empty()))
    }

    /// Every stream by its name, and how many events were appended to it.
    pub fn ends(&self) -> Vec<(String, usize)> {
        let mut ends: Vec<_> = self.0.iter().map(|(name, it)| (name.clone(), it.events.len())).collect();
        ends.sort();
        ends
    }

    /// Deletes softly: the events are gone, their revisions are not used again.
    pub fn delete(&mut self, name: &str) {
        let stream = self.0.entry(name.to_owned()).or_default();
        stream.hidden_before = stream.events.len();
    }

    /// Deletes for ever.
    pub fn tombstone(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_default().tombstone = true;
    }

    /// Loses the events from this revision on, like a restored backup.
    pub fn lose_from(&mut self, name: &str, revision: usize) {
        self.0.entry(name.to_owned()).or_default().events.truncate(revision);
    }
}

/// A stream that was deleted for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted;

impl Stream {
    fn last(&self) -> Option<u64> {
        (self.events.len() as u64).checked_sub(1)
    }

    fn is_softly_deleted(&self) -> bool {
        !self.events.is_empty() && self.hidden_before == self.events.len()
    }

    /// None: append them.
    fn decide(&self, expected: Expected, events: &[Recorded]) -> Option<Outcome> {
        if self.tombstone {
            return Some(Outcome::Deleted);
        }
        let next = match expected {
            Expected::Any => return self.repeated_anywhere(events),
            Expected::StreamExists if self.events.is_empty() => {
                return Some(Outcome::WrongExpectedVersion(None));
            }
            Expected::StreamExists => return self.repeated_anywhere(events),
            Expected::NoStream => 0,
            Expected::Revision(revision) => revision + 1,
        };
        let end = self.events.len() as u64;
        if next == end {
            return None;
        }
        let there = self.events.get(usize::try_from(next).unwrap_or(usize::MAX)..).unwrap_or_default();
        let same = there.iter().zip(events).take_while(|(there, new)| there.id == new.id).count();
        if next < end && same == events.len() && same > 0 {
            return Some(Outcome::Success(next + same as u64 - 1));
        }
        // A stream whose events are gone counts as none, and goes on where it was.
        if expected == Expected::NoStream && same == 0 && self.is_softly_deleted() {
            return None;
        }
        Some(Outcome::WrongExpectedVersion(self.last()))
    }

    /// If no revision is expected, events that are there already are found by their ids.
    fn repeated_anywhere(&self, events: &[Recorded]) -> Option<Outcome> {
        let place = |event: &Recorded| self.events.iter().position(|there| there.id == event.id);
        let first = place(events.first()?)?;
        let last = events.iter().map(place).collect::<Option<Vec<_>>>().and_then(|it| it.last().copied());
        debug_assert!(last.is_none_or(|last| last >= first));
        Some(last.map_or(Outcome::WrongExpectedVersion(self.last()), |last| Outcome::Success(last as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u128) -> Recorded {
        Recorded { id: Uuid::from_u128(id), name: "E".to_owned(), data: vec![], metadata: vec![] }
    }

    fn events(ids: &[u128]) -> Vec<Recorded> {
        ids.iter().copied().map(event).collect()
    }

    /// A stream `s` of the events 1, 2, 3.
    fn three() -> Streams {
        let mut streams = Streams::default();
        assert_eq!(streams.append("s", Expected::NoStream, events(&[1, 2, 3])), Outcome::Success(2));
        streams
    }

    #[test]
    fn an_append_is_accepted_only_at_the_expected_end() {
        let mut streams = three();
        let wrong = Outcome::WrongExpectedVersion(Some(2));
        assert_eq!(streams.append("s", Expected::Revision(1), events(&[4])), wrong);
        assert_eq!(streams.append("s", Expected::Revision(3), events(&[4])), wrong);
        assert_eq!(streams.append("s", Expected::NoStream, events(&[4])), wrong);
        assert_eq!(streams.append("s", Expected::Revision(2), events(&[4])), Outcome::Success(3));
        let none = Outcome::WrongExpectedVersion(None);
        assert_eq!(streams.append("t", Expected::Revision(0), events(&[1])), none);
        assert_eq!(streams.append("t", Expected::StreamExists, events(&[1])), none);
    }

    #[test]
    fn the_same_events_at_the_same_place_change_nothing_and_succeed() {
        let mut streams = three();
        assert_eq!(streams.append("s", Expected::NoStream, events(&[1, 2])), Outcome::Success(1));
        assert_eq!(streams.append("s", Expected::Revision(0), events(&[2, 3])), Outcome::Success(2));
        assert_eq!(streams.append("s", Expected::Any, events(&[2, 3])), Outcome::Success(2));
        assert_eq!(streams.read("s").map(|it| it.map(|it| it.len())), Ok(Some(3)));
    }

    #[test]
    fn a_batch_that_is_there_in_part_is_refused() {
        let mut streams = three();
        let wrong = Outcome::WrongExpectedVersion(Some(2));
        assert_eq!(streams.append("s", Expected::Revision(1), events(&[3, 4])), wrong);
        assert_eq!(streams.append("s", Expected::Any, events(&[3, 4])), wrong);
        assert_eq!(streams.append("s", Expected::Revision(0), events(&[2, 9])), wrong);
    }

    #[test]
    fn a_deleted_stream_keeps_its_revisions_and_one_deleted_for_ever_takes_nothing() {
        let mut streams = three();
        streams.delete("s");
        assert_eq!(streams.read("s"), Ok(None));
        assert_eq!(streams.append("s", Expected::NoStream, events(&[4])), Outcome::Success(3));
        assert_eq!(streams.read("s").map(|it| it.map(|it| it[0].0)), Ok(Some(3)));
        streams.tombstone("s");
        assert_eq!(streams.read("s"), Err(Deleted));
        assert_eq!(streams.append("s", Expected::Any, events(&[5])), Outcome::Deleted);
    }
}
