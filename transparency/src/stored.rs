//! The tree as the database has it: tiles, roots of any earlier size, and proofs. The leader writes ([`crate::keeper`]), and a
//! rebuild ([`crate::walk`]).

use std::collections::HashMap;
use std::time::Duration;

use eventlog::database::{Connection, Database, DatabaseError};
use jiff::Timestamp;

use crate::merkle::{Hash, consistency_ranges, inclusion_ranges};
use crate::tiles::{Edge, FullTile, TileId, TilePath, WIDTH, needed, roots};

/// For how long others get the checkpoint that witnesses have signed while a later one waits for them.
const WITNESSES_MAY_TAKE: Duration = Duration::from_secs(10);
/// Tiles that one query reads.
const AT_ONCE: usize = 64;
/// Proofs whose tiles are in memory at once.
const PROOFS_AT_ONCE: usize = 256;

/// Reads the tree. A cheap clone.
#[derive(Clone, Debug)]
pub struct StoredTree {
    db: Database,
}

/// What the row of the tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The right edge, with the size.
    pub edge: Edge,
    /// The name of the log at its first start.
    pub origin: Option<String>,
    /// The public key at the first start.
    pub public_key: Option<Vec<u8>>,
    /// The last checkpoint: a signed note.
    pub checkpoint: Option<String>,
    /// Its size.
    pub signed_size: u64,
    /// When it was signed.
    pub signed_at: Option<Timestamp>,
    /// The one that others get: the last one that enough witnesses have signed, unless it is behind for longer than a few seconds.
    pub served: Option<String>,
    /// Why nothing is signed.
    pub fault: Option<String>,
    /// What the last walk over the whole log has found.
    pub walk_fault: Option<String>,
    /// The position of the branch that the tree was built anew for.
    pub built_for: i64,
}

/// Why the tree has no answer.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A size or a position that the tree has not reached.
    #[error("the tree has {size} leaves, and {asked} were asked for")]
    TooSmall {
        /// Its leaves.
        size: u64,
        /// What was asked for.
        asked: u64,
    },
    /// A tile of the tree is gone, or not what it was.
    #[error(
        "tile {0} of the tree is gone from the database; `replay rebuild tree` makes it again from the log"
    )]
    NoTile(String),
    /// A position of the log has no event.
    #[error("position {0} of the log has no event: the tree cannot go on")]
    Gap(i64),
    /// The edge does not fit the size.
    #[error(
        "the edge of the tree in the database is damaged; `replay rebuild tree` makes it again from the log"
    )]
    BadEdge,
}

impl From<sqlx::Error> for TreeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl StoredTree {
    /// Of this database.
    pub fn new(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    /// Where the tree stands.
    ///
    /// # Errors
    /// [`TreeError::BadEdge`]; the database's.
    pub async fn state(&self) -> Result<State, TreeError> {
        let row = sqlx::query!(
            "select size, edge, origin, public_key, checkpoint, coalesce(signed_size, 0) as \"signed_size!\", \
                    signed_at as \"signed_at: jiff_sqlx::Timestamp\", fault, walk_fault, built_for, \
                    case when split_part(cosigned, E'\\n', 1) = split_part(checkpoint, E'\\n', 1) \
                          and (cosigned_size = signed_size \
                               or witnesses_due_since > clock_timestamp() - make_interval(secs => $1)) \
                         then cosigned else checkpoint end as served \
               from log_tree",
            WITNESSES_MAY_TAKE.as_secs_f64()
        )
        .fetch_one(self.db.pool())
        .await?;
        Ok(State {
            edge: Edge::from_bytes(row.size.unsigned_abs(), &row.edge).ok_or(TreeError::BadEdge)?,
            origin: row.origin,
            public_key: row.public_key,
            checkpoint: row.checkpoint,
            signed_size: row.signed_size.unsigned_abs(),
            signed_at: row.signed_at.map(jiff_sqlx::Timestamp::to_jiff),
            served: row.served,
            fault: row.fault,
            walk_fault: row.walk_fault,
            built_for: row.built_for,
        })
    }

    /// Why nothing is signed, and since when; None: checkpoints are signed.
    ///
    /// # Errors
    /// The database's.
    pub async fn fault(&self) -> Result<Option<(String, Timestamp)>, DatabaseError> {
        let row = sqlx::query!(
            r#"select fault as "fault!", fault_since as "since!: jiff_sqlx::Timestamp" from log_tree where fault is not null"#
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(|row| (row.fault, row.since.to_jiff())))
    }

    /// Which witness has seen another history, and since when; None: none has.
    ///
    /// # Errors
    /// The database's.
    pub async fn witness_fault(&self) -> Result<Option<(String, Timestamp)>, DatabaseError> {
        let row = sqlx::query!(
            r#"select witness_fault as "fault!", witness_fault_since as "since!: jiff_sqlx::Timestamp"
                 from log_tree
                where witness_fault is not null"#
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(|row| (row.fault, row.since.to_jiff())))
    }

    /// The root of the tree when it had this size.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn root_at(&self, size: u64) -> Result<Hash, TreeError> {
        let roots = self.roots(size, &[(0, size)]).await?;
        Ok(roots[0])
    }

    /// The proof that the leaf of this index is in the tree of this size.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        Ok(self.inclusions(&[index], size).await?.remove(0))
    }

    /// The same of many leaves, in their order: a tile that several proofs need is read once for so many of them.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn inclusions(&self, indexes: &[u64], size: u64) -> Result<Vec<Vec<Hash>>, TreeError> {
        if let Some(index) = indexes.iter().find(|index| **index >= size) {
            return Err(TreeError::TooSmall { size, asked: index + 1 });
        }
        let edge = self.edge(size).await?;
        let mut proofs = Vec::with_capacity(indexes.len());
        for chunk in indexes.chunks(PROOFS_AT_ONCE) {
            let ranges: Vec<Vec<(u64, u64)>> =
                chunk.iter().map(|index| inclusion_ranges(*index, size)).collect();
            let tiles = self.tiles(&edge, &needed(&ranges.concat())).await?;
            for ranges in &ranges {
                proofs.push(roots(ranges, &tiles).ok_or_else(no_edge)?);
            }
        }
        Ok(proofs)
    }

    /// The proof that the tree of this size begins with the earlier one.
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn consistency(&self, old_size: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        self.roots(size, &consistency_ranges(old_size, size)).await
    }

    /// The roots of ranges of leaves, of which the last ends at `size` or before.
    async fn roots(&self, size: u64, ranges: &[(u64, u64)]) -> Result<Vec<Hash>, TreeError> {
        let edge = self.edge(size).await?;
        let tiles = self.tiles(&edge, &needed(ranges)).await?;
        roots(ranges, &tiles).ok_or_else(no_edge)
    }

    /// The edge of the tree, which has this size or a greater one.
    async fn edge(&self, size: u64) -> Result<Edge, TreeError> {
        let edge = self.state().await?.edge;
        match size > edge.size() {
            true => Err(TreeError::TooSmall { size: edge.size(), asked: size }),
            false => Ok(edge),
        }
    }

    /// These tiles, full or partial.
    async fn tiles(&self, edge: &Edge, wanted: &[TileId]) -> Result<HashMap<TileId, Vec<u8>>, TreeError> {
        let mut tiles = HashMap::with_capacity(wanted.len());
        let (full, partial): (Vec<TileId>, Vec<TileId>) =
            wanted.iter().partition(|tile| is_full(**tile, edge.size()));
        for tile in partial {
            tiles.insert(tile, edge.tile(tile.level).concat());
        }
        for chunk in full.chunks(AT_ONCE) {
            let levels: Vec<i16> = chunk.iter().map(|tile| tile.level.into()).collect();
            let indexes: Vec<i64> = chunk.iter().map(|tile| tile.index.cast_signed()).collect();
            let rows = sqlx::query!(
                "select level, index, hashes \
                   from log_tiles \
                   join unnest($1::smallint[], $2::bigint[]) as wanted (level, index) using (level, index)",
                &levels,
                &indexes
            )
            .fetch_all(self.db.pool())
            .await?;
            for row in rows {
                let tile = TileId { level: row.level as u8, index: row.index.unsigned_abs() };
                tiles.insert(tile, row.hashes);
            }
            if let Some(gone) = chunk.iter().find(|tile| !tiles.contains_key(tile)) {
                let path = TilePath { level: Some(gone.level), index: gone.index, width: WIDTH };
                return Err(TreeError::NoTile(path.to_string()));
            }
        }
        Ok(tiles)
    }

    /// The hashes of a tile of hashes; None: the tree has no such tile (yet).
    ///
    /// # Errors
    /// [`TreeError`].
    pub async fn tile(&self, edge: &Edge, path: TilePath) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(level) = path.level.filter(|level| *level < 8) else { return Ok(None) };
        let id = TileId { level, index: path.index };
        if !is_full(id, edge.size()) {
            let is_at_edge = path.index == (edge.size() >> (8 * u32::from(level))) / WIDTH;
            let hashes = edge.tile(level).get(..path.width as usize);
            return Ok(hashes.filter(|_| is_at_edge).map(<[Hash]>::concat));
        }
        let mut tiles = self.tiles(edge, &[id]).await?;
        Ok(tiles.remove(&id).map(|mut hashes| {
            hashes.truncate(32 * path.width as usize);
            hashes
        }))
    }
}

/// Stores full tiles; returns how many are new, or were others.
pub(crate) async fn put_tiles(connection: &mut Connection, full: &[FullTile]) -> Result<u64, sqlx::Error> {
    if full.is_empty() {
        return Ok(0);
    }
    let levels: Vec<i16> = full.iter().map(|tile| tile.id.level.into()).collect();
    let indexes: Vec<i64> = full.iter().map(|tile| tile.id.index.cast_signed()).collect();
    let hashes: Vec<Vec<u8>> = full.iter().map(|tile| tile.hashes.clone()).collect();
    let put = sqlx::query!(
        "insert into log_tiles as old (level, index, hashes) \
         select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) \
             on conflict (level, index) do update set hashes = excluded.hashes where old.hashes <> excluded.hashes",
        &levels,
        &indexes,
        &hashes
    );
    Ok(put.execute(connection).await?.rows_affected())
}

fn no_edge() -> TreeError {
    TreeError::NoTile("of the edge".to_owned())
}

/// Whether the tree of this size has the tile with all its hashes.
fn is_full(tile: TileId, size: u64) -> bool {
    tile.index < size >> (8 * u32::from(tile.level)) >> 8
}
