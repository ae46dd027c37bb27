//! Keeps the tree and signs it, in the leader.
//!
//! 1. Take over: the keeper before is fenced.
//! 2. Compare the log with what was signed and kept outside of the database ([`crate::signing`]). Where the log does not extend it,
//!    nothing is signed.
//! 3. Follow the log: hash each canonical line, store full tiles and the edge in one transaction. Its commit makes durable whatever
//!    it read, so nothing is signed that a crash of the server could take back.
//! 4. Sign the root, keep the checkpoint on the disk, then let others see it. Witnesses get it from there ([`crate::cosigning`]).
//!
//! A failure of the disk, a key that is gone or another history is a fault: it is told, and the tree goes on without signatures. It
//! stops nothing else. What was signed is compared again at each takeover and each time the log says something of itself. What a
//! walk over the whole log has found stays a fault, for each keeper after it, until a walk finds nothing or the log branches.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::StreamKind;
use eventlog::{Clock, Database, DatabaseError, Log, StoredEvent, Topic};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::merkle::leaf_hash;
use crate::note::{Checkpoint, Note};
use crate::signing::{Compared, Fault, KeeperSettings, Signer, compare};
use crate::stored::{StoredTree, TreeError, put_tiles};
use crate::tiles::{Edge, FullTile};

/// Events that one pass takes.
const PAGE: i64 = 2_000;
/// The shortest time between two checkpoints.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_millis(200);
/// How often it looks without a signal.
const POLL: Duration = Duration::from_millis(500);
/// How often a fault is looked at again.
const FAULT_AGAIN: Duration = Duration::from_secs(5);

/// Keeps the tree, until another keeper takes over.
#[derive(Debug)]
pub struct Keeper {
    db: Database,
    settings: KeeperSettings,
    clock: Clock,
    epoch: i64,
    edge: Edge,
    /// What is signed with; None: not looked at since the last change.
    signer: Option<Signer>,
    /// The size of the last checkpoint that others see.
    published: u64,
    /// The position of the branch that the tree was built anew for.
    built_for: i64,
    fault: Option<String>,
    looked_at: Option<Instant>,
    /// What a walk over the whole log has found.
    walked: Arc<Mutex<Option<String>>>,
    /// The last checkpoint that others see; None: none may be sent on.
    signed: watch::Sender<Option<Note>>,
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Another keeper has taken over, or the database is another one than a moment ago.
    #[error("another process keeps the tree now")]
    Fenced,
    /// The tree in the database.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for KeeperError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl Keeper {
    /// Step 1.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn take_over(
        db: &Database,
        clock: &Clock,
        settings: &KeeperSettings,
    ) -> Result<Self, KeeperError> {
        let epoch = sqlx::query_scalar!("update log_tree set epoch = epoch + 1 returning epoch")
            .fetch_one(db.pool())
            .await?;
        let state = StoredTree::new(db).state().await?;
        Ok(Self {
            db: db.clone(),
            settings: settings.clone(),
            clock: clock.clone(),
            epoch,
            edge: state.edge,
            signer: None,
            published: state.signed_size,
            built_for: state.built_for,
            fault: state.fault,
            looked_at: None,
            walked: Arc::new(Mutex::new(state.walk_fault)),
            signed: watch::Sender::default(),
        })
    }

    /// Steps 2 to 4, for as long as it is polled.
    ///
    /// # Errors
    /// [`KeeperError`]: take over again.
    pub async fn run(mut self) -> Result<Infallible, KeeperError> {
        let mut positioned = self.db.wake().subscribe(Topic::Positioned);
        loop {
            let began = Instant::now();
            self.pass().await?;
            if self.published == self.edge.size() || self.fault.is_some() {
                positioned.wait(POLL).await;
            }
            sleep(BETWEEN_CHECKPOINTS.saturating_sub(began.elapsed())).await;
        }
    }

    /// Takes in what the log has, and signs it.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn pass(&mut self) -> Result<(), KeeperError> {
        match self.catch_up().await {
            // A branch does not mend it: the tree cannot pass the gap.
            Err(KeeperError::Tree(error @ TreeError::Gap(_))) => {
                return self.tell(Some(Fault::Other(error.to_string()))).await;
            }
            caught_up => caught_up?,
        }
        let walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(found) = walked {
            self.signer = None;
            return self.tell(Some(Fault::History(found))).await;
        }
        if self.signer.is_none() {
            if self.looked_at.is_some_and(|at| at.elapsed() < FAULT_AGAIN) {
                return Ok(());
            }
            self.looked_at = Some(Instant::now());
            match compare(&self.db, &self.settings, self.epoch, &self.edge).await {
                Err(error @ (TreeError::NoTile(_) | TreeError::BadEdge)) => {
                    return self.tell(Some(Fault::Other(error.to_string()))).await;
                }
                Err(error) => return Err(error.into()),
                Ok(Compared::Fault(fault)) => return self.tell(Some(fault)).await,
                Ok(Compared::Extends { signer, last }) => {
                    self.signer = Some(*signer);
                    self.signed.send_replace(last);
                }
            }
        }
        self.sign().await
    }

    /// Where a walk over the whole log says what it has found: while it says something, nothing is signed.
    pub fn walked(&self) -> Arc<Mutex<Option<String>>> {
        self.walked.clone()
    }

    /// The last checkpoint, for those to whom it is sent on; None while nothing may be signed.
    pub fn signed(&self) -> watch::Receiver<Option<Note>> {
        self.signed.subscribe()
    }

    /// Who may write: it grows with each keeper that takes over.
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Why nothing is signed.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Step 3. Events that come while it reads are the next pass's, so that what is here is signed first.
    async fn catch_up(&mut self) -> Result<(), KeeperError> {
        let log = Log::new(&self.db);
        loop {
            let after = self.edge.size().cast_signed();
            let events = log.stored(after, PAGE).await?;
            if events.is_empty() {
                return Ok(());
            }
            self.add(&events).await?;
            // After a branch the tree is empty, and takes in all of the log again.
            let is_last = (events.len() as i64) < PAGE && self.edge.size() > 0;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn add(&mut self, events: &[StoredEvent]) -> Result<(), KeeperError> {
        let before = self.edge.size().cast_signed();
        let (mut edge, mut full, mut line) = (self.edge.clone(), Vec::new(), String::new());
        let mut branched = 0;
        for (position, event) in (before + 1..).zip(events) {
            if event.position != position {
                return Err(TreeError::Gap(position).into());
            }
            line.clear();
            event.write_line(&mut line);
            edge.push(leaf_hash(line.as_bytes()), &mut full);
            if event.stream == StreamKind::History.name() {
                (self.signer, self.looked_at) = (None, None);
                if event.name == "LogBranched" {
                    branched = event.position;
                }
            }
        }
        if branched > self.built_for {
            // What stands in the log now is the history from here on: the tree is made of it anew.
            self.store(before, &Edge::default(), &[], branched).await?;
            (self.edge, self.built_for) = (Edge::default(), branched);
            *self.walked.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return Ok(());
        }
        self.store(before, &edge, &full, self.built_for).await?;
        self.edge = edge;
        Ok(())
    }

    async fn store(
        &self,
        before: i64,
        edge: &Edge,
        full: &[FullTile],
        built_for: i64,
    ) -> Result<(), KeeperError> {
        let mut transaction = self.db.begin("begin").await?;
        let moved = sqlx::query!(
            "update log_tree \
                set size = $3, edge = $4, built_for = $5, walk_fault = case when built_for = $5 then walk_fault end, \
                    cosigned = case when built_for = $5 then cosigned end \
              where epoch = $1 and size = $2",
            self.epoch,
            before,
            edge.size().cast_signed(),
            edge.to_bytes(),
            built_for
        )
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            return Err(KeeperError::Fenced);
        }
        put_tiles(&mut transaction, full).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Step 4.
    async fn sign(&mut self) -> Result<(), KeeperError> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let size = self.edge.size();
        let is_signed = size == self.published && self.fault.is_none();
        if is_signed || size == 0 || size < signer.history.since {
            return Ok(());
        }
        let Some(key) = signer.keys.of(&signer.history.key.bytes()) else { return Ok(()) };
        let checkpoint = Checkpoint { origin: signer.history.origin.clone(), size, root: self.edge.root() };
        let note = checkpoint.sign(key);
        if let Err(error) = self.keep(checkpoint, note.clone()).await {
            let fault = format!("a checkpoint cannot be kept in DATA_DIR/checkpoints: {error}");
            self.signer = None;
            return self.tell(Some(Fault::Other(fault))).await;
        }
        let published = sqlx::query!(
            "update log_tree \
                set checkpoint = $2, signed_size = $3, signed_at = clock_timestamp(), \
                    witnesses_due_since = case when cosigned is not null then coalesce(witnesses_due_since, clock_timestamp()) end \
              where epoch = $1",
            self.epoch,
            note.to_string(),
            size.cast_signed()
        )
        .execute(self.db.pool())
        .await?;
        if published.rows_affected() == 0 {
            return Err(KeeperError::Fenced);
        }
        self.published = size;
        self.signed.send_replace(Some(note));
        self.tell(None).await
    }

    async fn keep(&self, checkpoint: Checkpoint, note: Note) -> std::io::Result<()> {
        let (kept, now) = (self.settings.kept.clone(), self.clock.now());
        spawn_blocking(move || kept.keep(&checkpoint, &note, now)).await?
    }

    /// Tells why nothing is signed, or that it is again: once each in the log, and in the row of the tree for everybody else.
    async fn tell(&mut self, fault: Option<Fault>) -> Result<(), KeeperError> {
        if fault.is_some() {
            self.signed.send_replace(None);
        }
        let text = fault.as_ref().map(Fault::text);
        if text == self.fault.as_deref() {
            return Ok(());
        }
        match &fault {
            Some(Fault::History(text)) => tracing::error!(
                "nothing is signed: {text}; if this is meant so, run `qr-login log branch --reason …`"
            ),
            Some(Fault::Other(text)) => tracing::error!("nothing is signed: {text}"),
            None => tracing::info!("checkpoints are signed again"),
        }
        sqlx::query!(
            "update log_tree set fault = $2, fault_since = case when $2::text is null then null else clock_timestamp() end \
              where epoch = $1",
            self.epoch,
            text
        )
        .execute(self.db.pool())
        .await?;
        self.fault = text.map(str::to_owned);
        Ok(())
    }
}
