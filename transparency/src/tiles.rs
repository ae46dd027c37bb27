//! Tiles: the tree in pieces of 256 hashes, as C2SP tlog-tiles names and serves them.
//!
//! A tile of level 0 holds hashes of leaves; a hash of a tile above is the root of a full tile below. Full tiles never change. The
//! tiles at the right edge are partial: [`Edge`].

use std::collections::HashMap;

use crate::merkle::{Hash, empty_root, node_hash, root};
use crate::note::plain_number;

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;

/// Which tile: its level, and its place in the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0: hashes of leaves.
    pub level: u8,
    /// From 0.
    pub index: u64,
}

/// A full tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTile {
    /// Which.
    pub id: TileId,
    /// Its 256 hashes, one after the other.
    pub hashes: Vec<u8>,
}

/// The right edge of a tree: its partial tiles, from level 0 upwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The leaves of the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and gives the tiles that this made full.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.size += 1;
        let (mut hash, mut level) = (leaf, 0);
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(WIDTH as usize));
            }
            self.levels[level].push(hash);
            if (self.levels[level].len() as u64) < WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[level]);
            hash = root(&hashes);
            let index = (self.size >> (8 * (level + 1))) - 1;
            full.push(FullTile { id: TileId { level: level as u8, index }, hashes: hashes.concat() });
            level += 1;
        }
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut whole: Option<Hash> = None;
        for level in &self.levels {
            // The full subtrees of the level, from the smallest, which is the last.
            let mut end = level.len();
            while end > 0 {
                let start = end - (1 << end.trailing_zeros());
                let subtree = root(&level[start..end]);
                whole = Some(whole.map_or(subtree, |right| node_hash(&subtree, &right)));
                end = start;
            }
        }
        whole.unwrap_or_else(empty_root)
    }

    /// The hashes of the partial tile of this level.
    pub fn tile(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// The hashes of all levels, one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.levels.concat().concat()
    }

    /// From [`Self::to_bytes`]; None: these are not the hashes of an edge of this size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let (mut left, mut levels) = (hashes, Vec::new());
        let mut remaining = size;
        while remaining > 0 {
            let (level, more) = left.split_at_checked((remaining % WIDTH) as usize)?;
            levels.push(level.to_vec());
            (left, remaining) = (more, remaining / WIDTH);
        }
        (left.is_empty() && rest.is_empty()).then_some(Self { size, levels })
    }
}

/// A full subtree: its leaves are those of `index << height` and after it, `1 << height` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    height: u32,
    index: u64,
}

impl Node {
    fn tile(self) -> TileId {
        let inner = self.height % 8;
        TileId { level: (self.height / 8) as u8, index: (self.index << inner) / WIDTH }
    }

    fn hash(self, tiles: &HashMap<TileId, Vec<u8>>) -> Option<Hash> {
        let inner = self.height % 8;
        let (hashes, _) = tiles.get(&self.tile())?.as_chunks::<32>();
        let start = ((self.index << inner) % WIDTH) as usize;
        Some(root(hashes.get(start..start + (1 << inner))?))
    }
}

/// The full subtrees of a range that a proof names, from the first.
fn nodes((mut start, end): (u64, u64)) -> Vec<Node> {
    let mut nodes = Vec::new();
    while start < end {
        let aligned = if start == 0 { 63 } else { start.trailing_zeros() };
        let height = aligned.min((end - start).ilog2());
        nodes.push(Node { height, index: start >> height });
        start += 1 << height;
    }
    nodes
}

/// The tiles that the roots of these ranges are made of.
pub fn needed(ranges: &[(u64, u64)]) -> Vec<TileId> {
    let mut tiles: Vec<TileId> = ranges.iter().flat_map(|range| nodes(*range)).map(Node::tile).collect();
    tiles.sort_unstable();
    tiles.dedup();
    tiles
}

/// The root of each range; None: a tile is missing.
pub fn roots(ranges: &[(u64, u64)], tiles: &HashMap<TileId, Vec<u8>>) -> Option<Vec<Hash>> {
    let root_of = |range: &(u64, u64)| {
        let mut hashes = Vec::new();
        for node in nodes(*range) {
            hashes.push(node.hash(tiles)?);
        }
        let mut from_last = hashes.into_iter().rev();
        let last = from_last.next().unwrap_or_else(empty_root);
        Some(from_last.fold(last, |right, left| node_hash(&left, &right)))
    };
    ranges.iter().map(root_of).collect()
}

/// A tile as its path names it: `0/x001/234`, `1/000.p/17`, `entries/000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// None: a bundle of entries.
    pub level: Option<u8>,
    /// Its place in the level.
    pub index: u64,
    /// How many hashes: 1 to 256.
    pub width: u64,
}

impl TilePath {
    /// Reads what stands after `tile/`; None: this is no path of a tile. Every tile has one path alone.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.split_once('/')?;
        let level = match level {
            "entries" => None,
            number => Some(plain_number(number).filter(|level| *level < 64)? as u8),
        };
        let (place, width) = match rest.split_once(".p/") {
            Some((place, width)) => (place, plain_number(width).filter(|width| (1..WIDTH).contains(width))?),
            None => (rest, WIDTH),
        };
        let elements: Vec<&str> = place.split('/').collect();
        let (last, before) = elements.split_last()?;
        let mut index: u64 = 0;
        for element in before.iter().map(|element| element.strip_prefix('x')).chain([Some(*last)]) {
            let digits =
                element.filter(|it| it.len() == 3 && it.bytes().all(|byte| byte.is_ascii_digit()))?;
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let path = Self { level, index, width };
        // No leading elements that say nothing.
        (elements.len() == 1 || elements[0] != "x000").then_some(path)
    }
}

impl std::fmt::Display for TilePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.level {
            Some(level) => write!(f, "{level}/")?,
            None => f.write_str("entries/")?,
        }
        let mut elements = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            elements.push(rest % 1000);
            rest /= 1000;
        }
        for element in elements.iter().skip(1).rev() {
            write!(f, "x{element:03}/")?;
        }
        write!(f, "{:03}", elements[0])?;
        if self.width < WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}
