//! What is served of the tree to everybody (C2SP tlog-tiles): the last checkpoint and the tiles. The database is asked for the
//! state twice a second at most, and for a full tile once: it stays what it is until the log branches, which makes every tile anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventlog::{Database, Log};
use tokio::sync::{RwLock, Semaphore};
use tokio::time::Instant;

use crate::stored::{State, StoredTree, TreeError};
use crate::tiles::{TileId, TilePath, WIDTH};

/// How old a state may be that is served.
const FRESH: Duration = Duration::from_millis(500);
/// Full tiles in memory: 8 MiB.
const REMEMBERED: usize = 1_024;
/// How many requests may wait for the database at a time.
const LOOKUPS: usize = 4;

/// Serves the tree of a database.
#[derive(Debug)]
pub struct Served {
    db: Database,
    state: RwLock<Option<(Instant, Arc<State>)>>,
    full: Mutex<HashMap<TileId, Arc<Vec<u8>>>>,
    lookups: Semaphore,
}

impl Served {
    /// Of this database.
    pub fn new(db: &Database) -> Self {
        Self {
            db: db.clone(),
            state: RwLock::default(),
            full: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS),
        }
    }

    /// The last checkpoint, with the signatures of witnesses where there are enough; None: nothing was signed yet.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn checkpoint(&self) -> Result<Option<String>, TreeError> {
        Ok(self.state().await?.served.clone())
    }

    /// The hashes of a tile; None: the last checkpoint does not have it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(level) = path.level else { return Ok(None) };
        let state = self.state().await?;
        // Nothing is told of what was not signed.
        let hashes = state.signed_size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        if path.index.saturating_mul(WIDTH).saturating_add(path.width) > hashes {
            return Ok(None);
        }
        let id = TileId { level, index: path.index };
        let remembered = self.full.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(tile) = remembered {
            return Ok(tile.get(..32 * path.width as usize).map(<[u8]>::to_vec));
        }
        let _lookup = self.lookups.acquire().await;
        let tree = StoredTree::new(&self.db);
        if path.index >= state.edge.size() >> (8 * u32::from(level)) >> 8 {
            return tree.tile(&state.edge, path).await;
        }
        let Some(tile) = tree.tile(&state.edge, TilePath { width: WIDTH, ..path }).await? else {
            return Ok(None);
        };
        let part = tile.get(..32 * path.width as usize).map(<[u8]>::to_vec);
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= REMEMBERED {
            full.clear();
        }
        full.insert(id, Arc::new(tile));
        Ok(part)
    }

    /// The canonical lines of a tile of leaves, each after its length in two bytes; None: the last checkpoint does not have them, or a
    /// line is longer than C2SP tlog-tiles allows.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn entries(&self, path: TilePath) -> Result<Option<Vec<u8>>, TreeError> {
        let state = self.state().await?;
        let after = path.index.saturating_mul(WIDTH);
        if path.level.is_some() || after.saturating_add(path.width) > state.signed_size {
            return Ok(None);
        }
        let _lookup = self.lookups.acquire().await;
        let events = Log::new(&self.db).stored(after.cast_signed(), path.width.cast_signed()).await?;
        let mut bundle = Vec::new();
        for event in &events {
            let line = event.line();
            let Ok(length) = u16::try_from(line.len()) else { return Ok(None) };
            bundle.extend(length.to_be_bytes());
            bundle.extend(line.as_bytes());
        }
        Ok((events.len() as u64 == path.width).then_some(bundle))
    }

    async fn state(&self) -> Result<Arc<State>, TreeError> {
        let is_fresh = |state: &Option<(Instant, Arc<State>)>| {
            state.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, state)| state.clone())
        };
        if let Some(state) = is_fresh(&*self.state.read().await) {
            return Ok(state);
        }
        let mut slot = self.state.write().await;
        if let Some(state) = is_fresh(&slot) {
            return Ok(state);
        }
        let state = Arc::new(StoredTree::new(&self.db).state().await?);
        if slot.as_ref().is_some_and(|(_, before)| before.built_for != state.built_for) {
            self.full.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        *slot = Some((Instant::now(), state.clone()));
        Ok(state)
    }
}
