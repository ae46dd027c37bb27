//! The end of the log, in memory, for other services that follow it: one task reads it for all of them. Who waits for what comes next
//! asks the database nothing.
//!
//! 1. The task begins at the end of the log, at the first look, and keeps the latest lines. What is older is read from the database.
//! 2. All lines that are kept are of one branch of the log. Where the log goes on as another branch, the task begins anew.
//! 3. It notes which keys are revoked: a request that waits is refused before it is told anything that came later.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::history::{EventLine, sealed_for};
use domain::{ApiKeyId, Event, ServiceEvent};
use eventlog::log::{BranchId, LogEvent};
use eventlog::{Database, DatabaseError, Log, Outage};
use tokio::sync::watch;
use tokio::time::sleep;

/// The latest lines that are kept: so many, and so many bytes of JSON.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Before the log is read again that could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// An event as it is told: a line of `replay history --format jsonl`.
#[derive(Debug)]
pub struct FeedLine {
    /// Its place in the log.
    pub position: i64,
    /// Its stored name.
    pub name: String,
    /// The line. What is sealed in it is sealed.
    pub json: String,
    /// The event, where something in it is sealed.
    pub sealed: Option<LogEvent>,
}

/// The end of the log, for everybody in this process. A cheap clone.
#[derive(Clone, Debug)]
pub struct Feed(Arc<Shared>);

/// What the feed knows at one moment.
#[derive(Debug)]
pub struct Look {
    /// The branch of the log that all of it is of; None: the log was not read yet.
    pub branch: Option<BranchId>,
    /// The last position.
    pub end: i64,
    /// What comes after the position that was asked for; None: that is not in memory.
    pub lines: Option<Vec<Arc<FeedLine>>>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: bool,
    branch: Option<BranchId>,
    end: i64,
    lines: VecDeque<Arc<FeedLine>>,
    bytes: usize,
    revoked: HashSet<ApiKeyId>,
}

impl Default for Feed {
    fn default() -> Self {
        Self(Arc::new(Shared { kept: Mutex::default(), changes: watch::Sender::new(()) }))
    }
}

impl Feed {
    /// What is known now, with up to `most` lines after a position. The first look starts the task.
    pub fn look(&self, db: &Database, after: i64, most: usize) -> Look {
        let mut kept = self.kept();
        if !kept.runs {
            kept.runs = true;
            tokio::spawn(follow(self.clone(), db.clone()));
        }
        Look { branch: kept.branch, end: kept.end, lines: kept.after(after, most) }
    }

    /// Tells of everything that is new from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Whether the log has said that this key is revoked, since the task began.
    pub fn is_revoked(&self, key: &ApiKeyId) -> bool {
        self.kept().revoked.contains(key)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, branch: BranchId, end: i64) {
        let mut kept = self.kept();
        kept.branch = Some(branch);
        kept.end = end;
        kept.lines.clear();
        kept.bytes = 0;
        drop(kept);
        self.0.changes.send_replace(());
    }

    fn add(&self, events: Vec<LogEvent>) {
        let mut kept = self.kept();
        for event in events {
            kept.add(event);
        }
        drop(kept);
        self.0.changes.send_replace(());
    }
}

impl Kept {
    /// Positions have no gaps.
    fn after(&self, after: i64, most: usize) -> Option<Vec<Arc<FeedLine>>> {
        self.branch?;
        let first = self.lines.front().map_or(self.end + 1, |line| line.position);
        let skipped = usize::try_from(after + 1 - first).ok()?;
        Some(self.lines.iter().skip(skipped).take(most).cloned().collect())
    }

    fn add(&mut self, event: LogEvent) {
        if let Ok(Event::Service(ServiceEvent::ApiKeyRevoked { .. })) = &event.event
            && let Ok(key) = event.stream_id.parse()
        {
            self.revoked.insert(key);
        }
        self.push(FeedLine::from(event));
    }

    fn push(&mut self, line: FeedLine) {
        self.end = line.position;
        self.bytes += line.json.len();
        self.lines.push_back(Arc::new(line));
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.json.len();
        }
    }
}

/// For as long as the process lives.
async fn follow(feed: Feed, db: Database) {
    let mut outage =
        Outage::new("the log cannot be told to other services; trying again", "the log is told again");
    let log = Log::new(&db);
    loop {
        match follow_branch(&feed, &log, &mut outage).await {
            // Positions that were told may mean other events now.
            DatabaseError::SetBack => {}
            error => {
                outage.failed(&error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Follows the log until it goes on as another branch, or cannot be read.
async fn follow_branch(feed: &Feed, log: &Log, outage: &mut Outage) -> DatabaseError {
    let mut follower = match log.follow_branch().await {
        Ok((branch, follower)) => {
            feed.begin(branch, follower.position());
            follower
        }
        Err(error) => return error,
    };
    loop {
        match follower.look().await {
            // Also where no event came: the log can be read again.
            Ok(events) => {
                outage.over();
                if events.is_empty() {
                    follower.wait().await;
                } else {
                    feed.add(events);
                }
            }
            Err(DatabaseError::SetBack) => return DatabaseError::SetBack,
            // What is kept stays true meanwhile.
            Err(error) => {
                outage.failed(&error);
                sleep(PAUSE).await;
            }
        }
    }
}

impl From<LogEvent> for FeedLine {
    fn from(event: LogEvent) -> Self {
        let json = serde_json::to_string(&EventLine::from(&event)).expect("an event is plain data");
        let sealed = sealed_for(&event).is_some();
        Self { position: event.position, name: event.name.clone(), json, sealed: sealed.then_some(event) }
    }
}

#[cfg(test)]
mod tests {
    use domain::ServiceCommand;
    use eventlog::{Context, Sequencer, Store, testing};
    use jiff::Timestamp;

    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    async fn make(db: &Database, key: &str) {
        let create =
            ServiceCommand::CreateApiKey { name: "a".to_owned(), scopes: vec![], expires_at: None, at: AT };
        Store::new(db).service(key, create, Context::system()).await.unwrap();
    }

    /// Looks until the feed knows the log up to there.
    async fn look(feed: &Feed, db: &Database, after: i64, end: i64) -> Look {
        let mut changes = feed.changes();
        loop {
            changes.borrow_and_update();
            let look = feed.look(db, after, 10);
            if look.branch.is_some() && look.end >= end {
                return look;
            }
            changes.changed().await.unwrap();
        }
    }

    fn positions(look: &Look) -> Option<Vec<i64>> {
        look.lines.as_ref().map(|lines| lines.iter().map(|line| line.position).collect())
    }

    #[tokio::test]
    async fn what_comes_after_the_first_look_is_in_memory_and_what_was_before_is_not() {
        let db = testing::database().await.db;
        let sequencer = Sequencer::take_over(&db).await.unwrap();
        make(&db, "0000000000000001").await;
        sequencer.pass().await.unwrap();
        let feed = Feed::default();
        let first = look(&feed, &db, 1, 1).await;
        assert_eq!((positions(&first), positions(&look(&feed, &db, 0, 1).await)), (Some(vec![]), None));

        make(&db, "0000000000000002").await;
        make(&db, "0000000000000003").await;
        sequencer.pass().await.unwrap();
        let both = look(&feed, &db, 1, 3).await;
        assert_eq!(positions(&both), Some(vec![2, 3]));
        assert_eq!(positions(&look(&feed, &db, 2, 3).await), Some(vec![3]));
        assert_eq!(positions(&look(&feed, &db, 3, 3).await), Some(vec![]));
        let line = &both.lines.as_ref().unwrap()[0];
        let read = Log::new(&db).at(2).await.unwrap().unwrap();
        assert_eq!(line.json, serde_json::to_string(&EventLine::from(&read)).unwrap());
        assert_eq!(
            (both.branch, line.name.as_str()),
            (Some(Log::new(&db).branch().await.unwrap().0), "ApiKeyCreated")
        );
    }

    #[tokio::test]
    async fn the_feed_knows_that_a_key_is_revoked_before_it_tells_what_came_later() {
        let db = testing::database().await.db;
        let sequencer = Sequencer::take_over(&db).await.unwrap();
        make(&db, "0000000000000001").await;
        sequencer.pass().await.unwrap();
        let (feed, key) = (Feed::default(), "0000000000000001".parse().unwrap());
        look(&feed, &db, 0, 1).await;
        assert!(!feed.is_revoked(&key));
        let revoke = ServiceCommand::RevokeApiKey { at: AT };
        Store::new(&db).service("0000000000000001", revoke, Context::system()).await.unwrap();
        make(&db, "0000000000000002").await;
        sequencer.pass().await.unwrap();
        look(&feed, &db, 1, 3).await;
        assert!(feed.is_revoked(&key));
    }

    #[test]
    fn the_oldest_lines_go_first() {
        let mut kept = Kept { branch: Some(BranchId::nil()), end: 0, ..Kept::default() };
        for position in 1..=12_000 {
            let line = FeedLine { position, name: String::new(), json: "{}".to_owned(), sealed: None };
            kept.push(line);
        }
        assert_eq!((kept.lines.len(), kept.bytes, kept.end), (MOST_LINES, 2 * MOST_LINES, 12_000));
        let after =
            |after| kept.after(after, 2).map(|lines| lines.iter().map(|it| it.position).collect::<Vec<_>>());
        assert_eq!((after(1_999), after(2_000)), (None, Some(vec![2_001, 2_002])));
        kept.push(FeedLine {
            position: 12_001,
            name: String::new(),
            json: "x".repeat(MOST_BYTES),
            sealed: None,
        });
        assert_eq!((kept.lines.len(), kept.bytes), (1, MOST_BYTES));
    }
}
