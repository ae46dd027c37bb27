//! The whole log against the tree: each canonical line makes the leaf that the tree has, each tile the hash above it, and the roots are
//! those that were signed. It finds an event that was edited, deleted, inserted or moved, and names its position.
//!
//! `replay verify` walks at once; the leader walks in the background, slowly, once a day. [`rebuild`] makes tiles anew from the log.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventlog::{Database, Log};
use tokio::time::{Instant, sleep};

use crate::history::History;
use crate::kept::Kept;
use crate::merkle::{leaf_hash, root};
use crate::note::Checkpoint;
use crate::stored::{State, StoredTree, TreeError};
use crate::tiles::{Edge, FullTile, TilePath, WIDTH};

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
    uppers(&tree, &state.edge, &mut report).await?;
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
            let hashes = match tree.tile(&state.edge, partial).await {
                Ok(hashes) => hashes.unwrap_or_default(),
                Err(TreeError::NoTile(_)) => Vec::new(),
                Err(error) => return Err(error),
            };
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
async fn uppers(tree: &StoredTree, edge: &Edge, report: &mut Report) -> Result<(), TreeError> {
    for level in 0..7_u8 {
        let full = edge.size() >> (8 * (u32::from(level) + 1));
        for index in 0..full {
            let path = TilePath { level: Some(level), index, width: WIDTH };
            let above = TilePath { level: Some(level + 1), index: index / WIDTH, width: index % WIDTH + 1 };
            let (below, hashes) = match (tree.tile(edge, path).await, tree.tile(edge, above).await) {
                (Ok(Some(below)), Ok(Some(hashes))) => (below, hashes),
                // Level 0 was told already.
                (Err(TreeError::NoTile(_)), _) if level == 0 => continue,
                (Ok(None) | Err(TreeError::NoTile(_)), _) => {
                    report.found(Fault::NoTile(path));
                    continue;
                }
                (_, Ok(None) | Err(TreeError::NoTile(_))) => continue,
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            let (below, _) = below.as_chunks::<32>();
            let (hashes, _) = hashes.as_chunks::<32>();
            if hashes.last() != Some(&root(below)) {
                report.found(Fault::Tile(TilePath { width: WIDTH, ..above }));
            }
        }
    }
    Ok(())
}

/// Walks once a day, for as long as it is polled, and says in `walked` what it has found. What stands there is taken back by the next
/// walk that finds nothing.
pub async fn walk_daily(db: Database, kept: Kept, walked: Arc<Mutex<Option<String>>>) -> Infallible {
    loop {
        match walk_if_due(&db, &kept, &walked).await {
            Ok(()) => sleep(AGAIN * 10).await,
            Err(error) => {
                tracing::debug!(%error, "the walk over the log failed; it begins again soon");
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

async fn walk_if_due(db: &Database, kept: &Kept, walked: &Mutex<Option<String>>) -> Result<(), TreeError> {
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
    let report = walk(db, &signed_before(db, kept).await, REST_FACTOR, |_, _| {}).await?;
    *walked.lock().unwrap_or_else(PoisonError::into_inner) = report.summary();
    if report.is_clean() {
        sqlx::query!("update log_tree set walked_at = clock_timestamp()").execute(db.pool()).await?;
    }
    Ok(())
}

/// Makes every full tile anew from the log, and replaces those that differ; returns how many leaves were read, and how many tiles
/// differed. The edge is the leader's: it follows from the tiles and the log.
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
            break;
        }
        let mut full = Vec::new();
        for event in &events {
            line.clear();
            event.write_line(&mut line);
            edge.push(leaf_hash(line.as_bytes()), &mut full);
        }
        differed += replace(db, &full).await?;
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

async fn replace(db: &Database, full: &[FullTile]) -> Result<u64, TreeError> {
    let levels: Vec<i16> = full.iter().map(|tile| tile.id.level.into()).collect();
    let indexes: Vec<i64> = full.iter().map(|tile| tile.id.index.cast_signed()).collect();
    let hashes: Vec<Vec<u8>> = full.iter().map(|tile| tile.hashes.clone()).collect();
    let replaced = sqlx::query!(
        "insert into log_tiles as old (level, index, hashes) \
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
             on conflict (level, index) do update set hashes = excluded.hashes where old.hashes <> excluded.hashes",
        &levels,
        &indexes,
        &hashes
    );
    Ok(replaced.execute(db.pool()).await?.rows_affected())
}
