//! What is recorded, as it comes, for all who listen in this process: one task follows the log for them, while there are any.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app::history::EventLine;
use domain::AccountId;
use eventlog::log::LogEvent;
use eventlog::{Database, DatabaseError, Log, Outage};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::sleep;
use utoipa::ToSchema;

/// Events that wait for a slow listener.
const WAITING: usize = 1_024;
/// Before the log is read again that could not be read.
const PAUSE: Duration = Duration::from_millis(500);

/// Something was recorded: the data of a server-sent event `log`, whose id is the position.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveEvent {
    /// Its place in the log.
    pub position: i64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The stored name of the event.
    pub event: String,
    /// The kind of its stream.
    pub stream: String,
    /// Whom it is about.
    #[schema(required, value_type = Option<String>, format = Uuid)]
    pub account_id: Option<AccountId>,
}

/// What was recorded, for all listeners of this process.
#[derive(Clone, Debug, Default)]
pub struct LiveEvents(Arc<Mutex<Option<broadcast::Sender<LiveEvent>>>>);

impl LiveEvents {
    /// What is recorded after this position, or after one before it. The first listener starts the follower.
    pub fn listen(&self, db: &Database, after: i64) -> broadcast::Receiver<LiveEvent> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*running {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(WAITING);
        *running = Some(sender.clone());
        tokio::spawn(follow(self.clone(), sender, db.clone(), after));
        receiver
    }

    /// Whether the follower has to end: nobody listens. The next listener starts another one.
    fn ends(&self, sender: &broadcast::Sender<LiveEvent>) -> bool {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = sender.receiver_count() == 0;
        if ends {
            *running = None;
        }
        ends
    }

    /// Ends what all listeners follow: each begins again with the position that it knows.
    fn begin_anew(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn follow(shared: LiveEvents, sender: broadcast::Sender<LiveEvent>, db: Database, after: i64) {
    let mut outage =
        Outage::new("what happens cannot be told live; trying again", "what happens is told live again");
    let mut follower = Log::new(&db).follow(after);
    loop {
        match follower.look().await {
            Ok(events) if events.is_empty() => {
                outage.over();
                follower.wait().await;
            }
            Ok(events) => {
                outage.over();
                for event in &events {
                    // Nobody listens: looked at below.
                    let _ = sender.send(LiveEvent::from(event));
                }
            }
            // Positions that were told may mean other events now.
            Err(DatabaseError::SetBack) => return shared.begin_anew(),
            Err(error) => {
                outage.failed(&error);
                sleep(PAUSE).await;
            }
        }
        if sender.receiver_count() == 0 && shared.ends(&sender) {
            return;
        }
    }
}

impl From<&LogEvent> for LiveEvent {
    fn from(event: &LogEvent) -> Self {
        let line = EventLine::from(event);
        Self {
            position: line.position,
            at: line.at,
            event: line.event.to_owned(),
            stream: line.stream.to_owned(),
            account_id: line.account_id,
        }
    }
}
