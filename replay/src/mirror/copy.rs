//! Copying: from where the stream ends to where the log does, and again after whatever went wrong.

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
/// How often in a row the target may refuse what comes after the very end that it names.
const MOST_REFUSALS: u32 = 5;

/// A copy in the making.
pub struct Mirror {
    source: Source,
    target: Target,
    follow: bool,
    patience: Duration,
    /// Whether the target has answered ever.
    answered: bool,
    most_bytes: usize,
    copied: usize,
    /// Where the copy ends; None before its first event.
    end: Option<End>,
    /// Whether everything was copied for a moment, since the last failure.
    went_well: bool,
    bar: ProgressBar,
}

/// Why copying broke off.
enum Trouble {
    /// For good.
    Stop(anyhow::Error),
    /// It may work later.
    Passing(anyhow::Error),
    /// The stream does not end where it was thought to: another mirror is at work, or an answer was lost.
    Moved,
    /// The append was more than the server takes.
    TooMuch,
}

impl Mirror {
    pub fn new(source: Source, target: Target, follow: bool, patience: Duration, bar: ProgressBar) -> Self {
        let (answered, went_well, most_bytes, copied, end) = (false, false, MOST_BYTES, 0, None);
        Self { source, target, follow, patience, answered, most_bytes, copied, end, went_well, bar }
    }

    /// What was done, for the operator.
    pub fn told(&self) -> String {
        self.bar.finish_and_clear();
        let Self { target, copied, .. } = self;
        let end = self.end.map(|end| format!(", up to position {}", end.position)).unwrap_or_default();
        format!("{} at {}: {copied} events copied{end}", target.stream, target.hosts())
    }

    /// Until everything is copied; following, for ever.
    pub async fn run(&mut self) -> Result<()> {
        let (mut failing_since, mut back_off, mut refusals) = (None, BACK_OFF.0, 0);
        loop {
            let before = self.end;
            let trouble = match self.once().await {
                Ok(()) => return Ok(()),
                Err(trouble) => trouble,
            };
            if self.went_well || self.end != before {
                self.went_well = false;
                (failing_since, back_off, refusals) = (None, BACK_OFF.0, 0);
            }
            match trouble {
                Trouble::Stop(error) => return Err(error),
                Trouble::TooMuch => {}
                Trouble::Moved if refusals < MOST_REFUSALS => refusals += 1,
                Trouble::Moved => return Err(anyhow!("it refuses what comes after the end that it names")),
                Trouble::Passing(error) => {
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
    async fn once(&mut self) -> Result<(), Trouble> {
        self.end = self.resume().await?;
        let log_end = self.source.end().await.map_err(|error| self.unread(error))?;
        let mut page = self.page(self.end).await?;
        loop {
            if page.is_empty() {
                if !self.follow {
                    return Ok(());
                }
                self.went_well = true;
                self.source.wait().await;
                page = self.page(self.end).await?;
                continue;
            }
            let batch = self.batch(&mut page);
            let begins = self.end.is_none();
            page = self.append(batch, page.is_empty()).await?.unwrap_or(page);
            if begins {
                self.is_seen().await?;
            }
            let position = self.end.map_or(0, |end| end.position);
            progress::show(&self.bar, position, log_end.max(position));
        }
    }

    /// Step 2: where the copy ends, which has to be a place in this log.
    async fn resume(&mut self) -> Result<Option<End>, Trouble> {
        let last = self.target.last().await.map_err(trouble)?;
        self.answered = true;
        let Some(last) = last else { return Ok(None) };
        let position = i64::try_from(last.revision).unwrap_or(i64::MAX - 1) + 1;
        match self.source.id_at(position).await.map_err(|error| self.unread(error))? {
            Some(id) if id == last.id => Ok(Some(End { position, id })),
            ours => Err(Trouble::Stop(self.refusal(&last, position, ours.is_some()))),
        }
    }

    /// A stream that was deleted takes its first events a second time, and shows none of them.
    async fn is_seen(&mut self) -> Result<(), Trouble> {
        match self.target.last().await.map_err(trouble)? {
            Some(_) => Ok(()),
            None => Err(Trouble::Stop(anyhow!(DELETED))),
        }
    }

    /// As much of the page as goes into one append, at least one event.
    fn batch(&self, page: &mut VecDeque<Outgoing>) -> Vec<Outgoing> {
        let mut size_bytes = 0;
        let fits = |event: &&Outgoing| {
            size_bytes += event.size_bytes;
            size_bytes <= self.most_bytes
        };
        let events = page.iter().take_while(fits).count();
        page.drain(..events.max(1)).collect()
    }

    /// Step 3, one append; the page after it is read meanwhile, if that is wanted.
    async fn append(
        &mut self,
        batch: Vec<Outgoing>,
        read_on: bool,
    ) -> Result<Option<VecDeque<Outgoing>>, Trouble> {
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
                next.transpose().map_err(|error| self.lost(error))
            }
            Ok(_) => Err(Trouble::Stop(anyhow!(DELETED))),
            Err(TargetError::NotTaken(told)) if events == 1 => Err(Trouble::Stop(anyhow!(
                "it does not take the event at position {} ({size_bytes} bytes): {told}",
                end.position
            ))),
            Err(TargetError::NotTaken(_)) => {
                self.most_bytes = size_bytes / 2;
                Err(Trouble::TooMuch)
            }
            Err(error) => Err(trouble(error)),
        }
    }

    async fn page(&self, end: Option<End>) -> Result<VecDeque<Outgoing>, Trouble> {
        self.source.after(end, MOST_EVENTS).await.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: SourceError) -> Trouble {
        match error {
            SourceError::Database(error) => self.unread(error),
            SourceError::Shorter(end) => Trouble::Stop(anyhow!(shorter(end.position))),
            SourceError::Other(end) => Trouble::Stop(anyhow!(other(end.position))),
            SourceError::Unfit(error) => Trouble::Stop(error),
        }
    }

    /// Whoever follows waits for a database that is restarted, too.
    fn unread(&self, error: DatabaseError) -> Trouble {
        let passing = self.follow && error.is_transient();
        let error = anyhow::Error::new(error).context("the log cannot be read");
        if passing { Trouble::Passing(error) } else { Trouble::Stop(error) }
    }

    /// Why nothing more is copied into a stream that does not end with an event of this log, at its place.
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

fn trouble(error: TargetError) -> Trouble {
    match error {
        TargetError::Passing(told) => Trouble::Passing(anyhow!(told)),
        TargetError::Moved => Trouble::Moved,
        TargetError::NotTaken(told) | TargetError::Final(told) => Trouble::Stop(anyhow!(told)),
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
