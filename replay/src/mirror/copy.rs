//! Copies from the end of the stream to the end of the log, and again after a failure.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, anyhow};
use eventlog::DatabaseError;
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep};

use super::form::{Origin, Outgoing};
use super::source::{End, Source, SourceError};
use super::target::{Last, Target, TargetError};
use crate::progress;

/// At most so many events in one append, and so many bytes: a server takes 1 MiB unless it is told otherwise.
const MOST_EVENTS: usize = 1_000;
const MOST_BYTES: usize = 900_000;
/// How long to wait after a failure, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
const DELETED: &str = "events were deleted from the stream, which therefore counts on without showing them: name another one with --stream";
/// How often in a row the target may refuse events after the end that it reports itself.
const MOST_REFUSALS: u32 = 5;

/// A running copy.
pub struct Mirror {
    source: Source,
    target: Target,
    follow: bool,
    patience: Duration,
    /// Whether the target has answered at least once.
    answered: bool,
    most_bytes: usize,
    copied: usize,
    /// Where the copy ends; None before its first event.
    end: Option<End>,
    /// Whether everything was copied at some moment since the last failure.
    caught_up: bool,
    bar: ProgressBar,
}

/// Why copying stopped.
enum Failure {
    /// Trying again does not help.
    Stop(anyhow::Error),
    /// It may work later.
    Passing(anyhow::Error),
    /// The stream has another end than expected: another mirror runs, or an answer was lost.
    Moved,
    /// The append was more than the server takes.
    TooMuch,
}

impl Mirror {
    pub fn new(source: Source, target: Target, follow: bool, patience: Duration, bar: ProgressBar) -> Self {
        let (answered, caught_up, most_bytes, copied, end) = (false, false, MOST_BYTES, 0, None);
        Self { source, target, follow, patience, answered, most_bytes, copied, end, caught_up, bar }
    }

    /// What was copied, for the operator.
    pub fn summary(&self) -> String {
        self.bar.finish_and_clear();
        let Self { target, copied, .. } = self;
        let end = self.end.map(|end| format!(", up to position {}", end.position)).unwrap_or_default();
        format!("{} at {}: {copied} events copied{end}", target.stream, target.hosts())
    }

    /// Copies until everything is there, or for ever if it follows.
    pub async fn run(&mut self) -> Result<()> {
        let (mut failing_since, mut back_off, mut refusals) = (None, BACK_OFF.0, 0);
        loop {
            let before = self.end;
            let failure = match self.once().await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if self.caught_up || self.end != before {
                self.caught_up = false;
                (failing_since, back_off, refusals) = (None, BACK_OFF.0, 0);
            }
            match failure {
                Failure::Stop(error) => return Err(error),
                Failure::TooMuch => {}
                Failure::Moved if refusals < MOST_REFUSALS => refusals += 1,
                Failure::Moved => return Err(anyhow!("it refuses what comes after the end that it names")),
                Failure::Passing(error) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.patience && !(self.follow && self.answered) {
                        return Err(error.context("run it again, and it goes on from there"));
                    }
                    if back_off == BACK_OFF.0 {
                        tracing::warn!("{}: {error:#}; trying again", self.target.hosts());
                    }
                    sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Steps 2 and 3.
    async fn once(&mut self) -> Result<(), Failure> {
        self.end = self.resume().await?;
        let log_end = self.source.end().await.map_err(|error| self.database_failure(error))?;
        let mut page = self.page(self.end).await?;
        loop {
            if page.is_empty() {
                if !self.follow {
                    return Ok(());
                }
                self.caught_up = true;
                self.source.wait().await;
                page = self.page(self.end).await?;
                continue;
            }
            let batch = self.batch(&mut page);
            let begins = self.end.is_none();
            page = self.append(batch, page.is_empty()).await?.unwrap_or(page);
            if begins {
                self.check_visible().await?;
            }
            let position = self.end.map_or(0, |end| end.position);
            progress::show(&self.bar, position, log_end.max(position));
        }
    }

    /// Step 2: the end of the copy, which has to be an event of this log.
    async fn resume(&mut self) -> Result<Option<End>, Failure> {
        let last = self.target.last().await.map_err(failure_of)?;
        self.answered = true;
        let Some(last) = last else { return Ok(None) };
        let position = i64::try_from(last.revision).unwrap_or(i64::MAX - 1) + 1;
        match self.source.id_at(position).await.map_err(|error| self.database_failure(error))? {
            Some(id) if id == last.id => Ok(Some(End { position, id })),
            ours => Err(Failure::Stop(self.refusal(&last, position, ours.is_some()))),
        }
    }

    /// Checks that the first events can be read: a stream that was deleted accepts them, and shows none of them.
    async fn check_visible(&mut self) -> Result<(), Failure> {
        match self.target.last().await.map_err(failure_of)? {
            Some(_) => Ok(()),
            None => Err(Failure::Stop(anyhow!(DELETED))),
        }
    }

    /// The events of the page that fit into one append; at least one.
    fn batch(&self, page: &mut VecDeque<Outgoing>) -> Vec<Outgoing> {
        let mut size_bytes = 0;
        let fits = |event: &&Outgoing| {
            size_bytes += event.size_bytes;
            size_bytes <= self.most_bytes
        };
        let events = page.iter().take_while(fits).count();
        page.drain(..events.max(1)).collect()
    }

    /// Step 3: one append. The next page is read meanwhile, if `read_on`.
    async fn append(
        &mut self,
        batch: Vec<Outgoing>,
        read_on: bool,
    ) -> Result<Option<VecDeque<Outgoing>>, Failure> {
        let (events, size_bytes) = (batch.len(), batch.iter().map(|event| event.size_bytes).sum::<usize>());
        let Some(end) = batch.last().map(|event| End { position: event.position, id: event.id }) else {
            return Ok(None);
        };
        let revision = |end: End| end.position.unsigned_abs() - 1;
        let (after, batch) = (self.end.map(revision), batch.into_iter().map(|event| event.data).collect());
        let Self { source, target, .. } = self;
        let next = async { if read_on { Some(source.after(Some(end), MOST_EVENTS).await) } else { None } };
        let (appended, next) = tokio::join!(target.append(after, batch), next);
        match appended {
            Ok(written) if written == revision(end) => {
                self.copied += events;
                self.end = Some(end);
                next.transpose().map_err(|error| self.source_failure(error))
            }
            Ok(_) => Err(Failure::Stop(anyhow!(DELETED))),
            Err(TargetError::NotTaken(told)) if events == 1 => Err(Failure::Stop(anyhow!(
                "it does not take the event at position {} ({size_bytes} bytes): {told}",
                end.position
            ))),
            Err(TargetError::NotTaken(_)) => {
                self.most_bytes = size_bytes / 2;
                Err(Failure::TooMuch)
            }
            Err(error) => Err(failure_of(error)),
        }
    }

    async fn page(&self, end: Option<End>) -> Result<VecDeque<Outgoing>, Failure> {
        self.source.after(end, MOST_EVENTS).await.map_err(|error| self.source_failure(error))
    }

    fn source_failure(&self, error: SourceError) -> Failure {
        match error {
            SourceError::Database(error) => self.database_failure(error),
            SourceError::Shorter(end) => Failure::Stop(anyhow!(shorter(end.position))),
            SourceError::Other(end) => Failure::Stop(anyhow!(other(end.position))),
            SourceError::Unfit(error) => Failure::Stop(error),
        }
    }

    /// A mirror that follows also waits for a database that restarts.
    fn database_failure(&self, error: DatabaseError) -> Failure {
        let passing = self.follow && error.is_transient();
        let error = anyhow::Error::new(error).context("the log cannot be read");
        if passing { Failure::Passing(error) } else { Failure::Stop(error) }
    }

    /// Why nothing is copied into a stream whose last event is not this log's event at that position.
    fn refusal(&self, last: &Last, position: i64, reaches: bool) -> anyhow::Error {
        let Last { revision, name, origin, .. } = last;
        let Origin { log, position: says } = origin;
        match log {
            Some(log) if *log == self.source.id.0 && *says == Some(position) => {
                anyhow!(if reaches { other(position) } else { shorter(position) })
            }
            Some(log) if *log != self.source.id.0 => anyhow!(
                "the stream holds another log, {log}, and nothing was added to it: name another stream with --stream"
            ),
            _ => anyhow!(
                "the stream ends with an event that is not of this log, {name} at revision {revision}, and nothing was added to it: name another stream with --stream"
            ),
        }
    }
}

fn failure_of(error: TargetError) -> Failure {
    match error {
        TargetError::Passing(told) => Failure::Passing(anyhow!(told)),
        TargetError::Moved => Failure::Moved,
        TargetError::NotTaken(told) | TargetError::Final(told) => Failure::Stop(anyhow!(told)),
    }
}

fn shorter(position: i64) -> String {
    format!(
        "the stream is ahead of the log, which does not reach position {position}: was the database restored from a backup that lacks its tail? Nothing was added; a new copy needs another stream (--stream)"
    )
}

fn other(position: i64) -> String {
    format!(
        "position {position} is another event in the log than in the stream: the database was restored from a backup that lacked its tail, and has gone on. Nothing was added; a new copy needs another stream (--stream)"
    )
}
