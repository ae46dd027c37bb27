//! The whole log against the tree: each canonical line makes the leaf that the tree has, each tile the hash above it, and the roots are
//! those that were signed. It finds an event that was edited, deleted, inserted or moved, and names its position.
//!
//! `replay verify` walks at once; the leader walks in the background, slowly, once a day. [`rebuild`] makes tiles anew from the log.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventlog::{Database, Log, Outage};
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::kept::Kept;
use crate::merkle::{leaf_hash, root};
use crate::note::Checkpoint;
use crate::stored::{State, StoredTree, TreeError, put_tiles};
use crate::tiles::{Edge, TilePath, WIDTH};

/// Tiles whose events are read at once.
const TILES_AT_ONCE: i64 = 8;
/// Faults that are named; the others are counted.
const NAMED: usize = 20;
/// How often the leader walks, and which part of the time it spends on it.
const EVERY: Duration = Duration::from_hours(24);
const REST_FACTOR: u32 = 9;
/// How soon a walk that failed is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// The result of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Leaves that were compared.
    pub leaves: u64,
    /// What is wrong, in the order of positions; the first of them.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub more: u64,
}

/// What is wrong with the log or the tree. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The event at this position is not the one that is in the tree.
    Changed(i64),
    /// The position has no event.
    NoEvent(i64),
    /// The tile is gone.
    NoTile(TilePath),
    /// The tile does not have the hash of the tile below.
    Tile(TilePath),
    /// The tree up to here is not the one that was signed.
    NotSigned(Checkpoint),
    /// The log ends before the end of what was signed.
    Shorter {
        /// Where it ends.
        size: u64,
        /// What was signed.
        signed: Checkpoint,
    },
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    fn found(&mut self, fault: Fault) {
        match self.faults.len() < NAMED {
            true => self.faults.push(fault),
            false => self.more += 1,
        }
    }

    /// The first fault, and how many there are, in one line.
    pub fn summary(&self) -> Option<String> {
        let first = self.faults.first()?;
        let others = self.faults.len() as u64 - 1 + self.more;
        Some(match others {
            0 => first.to_string(),
            _ => format!("{first}; and {others} more"),
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(position) => {
                write!(f, "position {position}: the event is not the one that is in the tree")
            }
            Self::NoEvent(position) => write!(f, "position {position}: its event is gone"),
            Self::NoTile(path) => write!(f, "tile {path} of the tree is gone"),
            Self::Tile(path) => write!(f, "tile {path} of the tree does not have the hash of the tile below"),
            Self::NotSigned(signed) => write!(
                f,
                "the log up to position {} is not the one that was signed as {}",
                signed.size, signed.origin
            ),
            Self::Shorter { size, signed } => write!(
                f,
                "the log ends at position {size}, but was signed up to position {} as {}",
                signed.size, signed.origin
            ),
        }
    }
}

/// Walks once. `signed` is what the log must extend. Rests between two readings for so many times what the reading took.
///
/// # Errors
/// [`TreeError`].
pub async fn walk(
    db: &Database,
    signed: &[Checkpoint],
    rest_factor: u32,
    mut progress: impl FnMut(i64, i64),
) -> Result<Report, TreeError> {
    let tree = StoredTree::new(db);
    let state = tree.state().await?;
    let mut report = Report::default();
    leaves(db, &state, rest_factor, &mut report, &mut progress).await?;
    uppers(&tree, &state.edge, rest_factor, &mut report).await?;
    for checkpoint in signed {
        if checkpoint.size > state.edge.size() {
            report.found(Fault::Shorter { size: state.edge.size(), signed: checkpoint.clone() });
        } else if report.is_clean() && tree.root_at(checkpoint.size).await? != checkpoint.root {
            report.found(Fault::NotSigned(checkpoint.clone()));
        }
    }
    Ok(report)
}

/// Each line against its leaf.
async fn leaves(
    db: &Database,
    state: &State,
    rest_factor: u32,
    report: &mut Report,
    progress: &mut impl FnMut(i64, i64),
) -> Result<(), TreeError> {
    let (log, tree) = (Log::new(db), StoredTree::new(db));
    let end = state.edge.size().cast_signed();
    let page = TILES_AT_ONCE * WIDTH.cast_signed();
    let (mut after, mut line) = (0, String::new());
    while after < end {
        let began = Instant::now();
        let last = (after + page).min(end);
        let mut events = log.stored(after, page).await?;
        events.retain(|event| event.position <= last);
        let mut events = events.into_iter().peekable();
        for first in (after..last).step_by(WIDTH as usize) {
            let path = TilePath { level: Some(0), index: first.unsigned_abs() / WIDTH, width: WIDTH };
            let width = (last - first).min(WIDTH.cast_signed());
            let partial = TilePath { width: width.unsigned_abs(), ..path };
            let hashes = tile(&tree, &state.edge, partial).await?.unwrap_or_default();
            let (hashes, _) = hashes.as_chunks::<32>();
            if hashes.is_empty() {
                report.found(Fault::NoTile(path));
            }
            for position in first + 1..=first + width {
                let Some(event) = events.next_if(|event| event.position == position) else {
                    report.found(Fault::NoEvent(position));
                    continue;
                };
                line.clear();
                event.write_line(&mut line);
                let in_tree = hashes.get((position - first - 1) as usize);
                if in_tree.is_some_and(|hash| *hash != leaf_hash(line.as_bytes())) {
                    report.found(Fault::Changed(position));
                }
            }
        }
        after = last;
        report.leaves = after.unsigned_abs();
        progress(after, end);
        sleep(began.elapsed() * rest_factor).await;
    }
    Ok(())
}

/// Each full tile against the hash of it in the tile above.
async fn uppers(
    tree: &StoredTree,
    edge: &Edge,
    rest_factor: u32,
    report: &mut Report,
) -> Result<(), TreeError> {
    for level in 0..7_u8 {
        let full = edge.size() >> (8 * (u32::from(level) + 1));
        for first in (0..full).step_by(WIDTH as usize) {
            let began = Instant::now();
            let width = (full - first).min(WIDTH);
            let above = TilePath { level: Some(level + 1), index: first / WIDTH, width };
            let hashes = tile(tree, edge, above).await?;
            for index in first..first + width {
                let path = TilePath { level: Some(level), index, width: WIDTH };
                let Some(below) = tile(tree, edge, path).await? else {
                    // Level 0 was told already.
                    if level > 0 {
                        report.found(Fault::NoTile(path));
                    }
                    continue;
                };
                // One that is gone is told with its own level.
                let Some(hashes) = &hashes else { continue };
                let (below, _) = below.as_chunks::<32>();
                let (hashes, _) = hashes.as_chunks::<32>();
                if hashes.get((index - first) as usize) != Some(&root(below)) {
                    report.found(Fault::Tile(TilePath { width: WIDTH, ..above }));
                }
            }
            sleep(began.elapsed() * rest_factor).await;
        }
    }
    Ok(())
}

/// The hashes of a tile; None: it is gone.
async fn tile(tree: &StoredTree, edge: &Edge, path: TilePath) -> Result<Option<Vec<u8>>, TreeError> {
    match tree.tile(edge, path).await {
        Err(TreeError::NoTile(_)) => Ok(None),
        tile => tile,
    }
}

/// Walks once a day, for as long as it is polled, and says in `walked` what it has found. What stands there is taken back by the next
/// walk that finds nothing.
pub async fn walk_daily(db: Database, kept: Kept, walked: Arc<Mutex<Option<String>>>) -> Infallible {
    let mut outage = Outage::new(
        "the whole log cannot be compared with its tree for now; it is tried again each minute",
        "the whole log can be compared with its tree again",
    );
    loop {
        match walk_if_due(&db, &kept, &walked).await {
            Ok(()) => {
                outage.over();
                sleep(AGAIN * 10).await;
            }
            Err(error) => {
                outage.failed(&error);
                sleep(AGAIN).await;
            }
        }
    }
}

/// What was signed of the log as it is named now. What cannot be read is the keeper's fault to tell.
async fn signed_before(db: &Database, kept: &Kept) -> Vec<Checkpoint> {
    let Ok(state) = StoredTree::new(db).state().await else { return Vec::new() };
    let Ok(history) = History::read(db, &state).await else { return Vec::new() };
    let kept = kept.latest_of(&history.origin).ok().flatten();
    kept.map(|kept| kept.checkpoint).into_iter().collect()
}

/// Walks where a day is over since the last walk, or that one has found something. What it finds is in the database as well, for
/// the keepers that come.
///
/// # Errors
/// [`TreeError`].
pub async fn walk_if_due(
    db: &Database,
    kept: &Kept,
    walked: &Mutex<Option<String>>,
) -> Result<(), TreeError> {
    let is_due = sqlx::query_scalar!(
        r#"select coalesce(walked_at < clock_timestamp() - make_interval(secs => $1), true) as "due!" from log_tree"#,
        EVERY.as_secs_f64()
    )
    .fetch_one(db.pool())
    .await?;
    let was_clean = walked.lock().unwrap_or_else(PoisonError::into_inner).is_none();
    if !is_due && was_clean {
        return Ok(());
    }
    let built_for = StoredTree::new(db).state().await?.built_for;
    let found = walk(db, &signed_before(db, kept).await, REST_FACTOR, |_, _| {}).await?.summary();
    // Where the log has branched meanwhile, this was another tree.
    let told = sqlx::query!(
        "update log_tree \
            set walk_fault = $1, walked_at = case when $1::text is null then clock_timestamp() else walked_at end \
          where built_for = $2",
        found,
        built_for
    )
    .execute(db.pool())
    .await?;
    if told.rows_affected() > 0 {
        *walked.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
    Ok(())
}

/// Makes every full tile anew from the log, and replaces those that differ; returns how many leaves were read, and how many tiles
/// differed. The edge is the leader's: it follows from the tiles and the log. A position without an event ends it: what comes
/// after would be in the wrong place.
///
/// # Errors
/// [`TreeError`].
pub async fn rebuild(db: &Database, mut progress: impl FnMut(i64, i64)) -> Result<(u64, u64), TreeError> {
    let log = Log::new(db);
    let end = sqlx::query_scalar!("select size from log_tree").fetch_one(db.pool()).await?;
    let page = TILES_AT_ONCE * WIDTH.cast_signed();
    let (mut edge, mut line, mut differed) = (Edge::default(), String::new(), 0);
    while edge.size().cast_signed() < end {
        let after = edge.size().cast_signed();
        let events = log.stored(after, page.min(end - after)).await?;
        if events.is_empty() {
            return Err(TreeError::Gap(after + 1));
        }
        let mut full = Vec::new();
        for (position, event) in (after + 1..).zip(&events) {
            if event.position != position {
                return Err(TreeError::Gap(position));
            }
            line.clear();
            event.write_line(&mut line);
            edge.push(leaf_hash(line.as_bytes()), &mut full);
        }
        differed += put_tiles(&mut db.pool().acquire().await?, &full).await?;
        progress(edge.size().cast_signed(), end);
    }
    let set = sqlx::query!(
        "update log_tree set edge = $2 where size = $1 and edge <> $2",
        edge.size().cast_signed(),
        edge.to_bytes()
    );
    differed += set.execute(db.pool()).await?.rows_affected();
    Ok((edge.size(), differed))
}
