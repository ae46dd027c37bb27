//! Other implementations say the same: ct-merkle, signed_note and tlog_tiles. `TREE_LEAVES=1000000` for a larger tree.

use std::collections::HashMap;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use signed_note::{StandardVerifier, VerifierList};
use tlog_tiles::{Tile, TileHashReader, TileReader, prove_record, prove_tree, tree_hash};
use transparency::merkle::{
    Hash, consistency_ranges, empty_root, inclusion_ranges, is_consistent, leaf_hash, root_by_inclusion,
};
use transparency::note::{Checkpoint, NoteKey};
use transparency::tiles::{Edge, TileId, TilePath, needed, roots};

/// A tree of ours in memory, as the tiles that it serves.
struct Tiles {
    edge: Edge,
    full: HashMap<TileId, Vec<u8>>,
}

fn content(number: u64) -> Vec<u8> {
    format!("{{\"position\":{}}}", number + 1).into_bytes()
}

impl Tiles {
    fn grow(&mut self, size: u64) {
        let mut full = Vec::new();
        for number in self.edge.size()..size {
            self.edge.push(leaf_hash(&content(number)), &mut full);
        }
        self.full.extend(full.into_iter().map(|tile| (tile.id, tile.hashes)));
    }

    fn tile(&self, id: TileId) -> Vec<u8> {
        self.full.get(&id).cloned().unwrap_or_else(|| self.edge.tile(id.level).concat())
    }

    fn roots(&self, ranges: &[(u64, u64)]) -> Vec<Hash> {
        let tiles = needed(ranges).into_iter().map(|id| (id, self.tile(id))).collect();
        roots(ranges, &tiles).expect("every tile is there")
    }
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &Tile| {
            let ours =
                TilePath { level: Some(tile.level()), index: tile.level_index(), width: tile.width().into() };
            assert_eq!(tile.path(), format!("tile/8/{ours}"), "it has the same path, after its height");
            let mut hashes = self.tile(TileId { level: tile.level(), index: tile.level_index() });
            hashes.truncate(32 * tile.width() as usize);
            hashes
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[test]
fn roots_and_proofs_are_those_of_ct_merkle_and_tlog_tiles() {
    let leaves = std::env::var("TREE_LEAVES").map_or(2_500, |leaves| leaves.parse().expect("a number"));
    let mut ours = Tiles { edge: Edge::default(), full: HashMap::new() };
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut earlier: Vec<(u64, Hash)> = Vec::new();
    let mut steps: Vec<u64> = (1..=520).filter(|size| *size < leaves).collect();
    steps.extend((1..12).map(|part| leaves * part / 12 + part).filter(|size| *size > 520 && *size < leaves));
    steps.extend([leaves / 65_536 * 65_536, leaves].into_iter().filter(|size| *size > 0));
    steps.sort_unstable();
    steps.dedup();
    for size in steps {
        ours.grow(size);
        (theirs.len()..size).for_each(|number| theirs.push(content(number)));
        let root: Hash = (*theirs.root().as_bytes()).into();
        assert_eq!(ours.edge.root(), root, "{size}");
        assert_eq!(ours.roots(&[(0, size)]), [root], "{size}");
        assert_eq!(Edge::from_bytes(size, &ours.edge.to_bytes()), Some(ours.edge.clone()));
        let tree_root = tlog_tiles::Hash(root);
        let reader = TileHashReader::new(size, tree_root, &ours);
        assert_eq!(tree_hash(size, &reader).unwrap(), tree_root);
        for index in [0, 1, size / 3, size / 2, size - 1].into_iter().filter(|index| *index < size) {
            let proof = ours.roots(&inclusion_ranges(index, size));
            assert_eq!(theirs.prove_inclusion(index as usize).as_bytes(), proof.concat());
            let other: Vec<Hash> =
                prove_record(size, index, &reader).unwrap().iter().map(|hash| hash.0).collect();
            assert_eq!(other, proof);
            let leaf = leaf_hash(&content(index));
            assert_eq!(root_by_inclusion(index, size, leaf, &proof), Some(root));
            assert_ne!(root_by_inclusion(index, size, leaf_hash(b"other"), &proof), Some(root));
        }
        for (old_size, old_root) in &earlier {
            let proof = ours.roots(&consistency_ranges(*old_size, size));
            assert_eq!(theirs.prove_consistency((size - old_size) as usize).as_bytes(), proof.concat());
            let other: Vec<Hash> =
                prove_tree(size, *old_size, &reader).unwrap().iter().map(|hash| hash.0).collect();
            assert_eq!(other, proof);
            assert!(is_consistent((*old_size, *old_root), (size, root), &proof));
            assert!(!is_consistent((*old_size, empty_root()), (size, root), &proof));
        }
        if size.is_multiple_of(97) || size.is_power_of_two() {
            earlier.push((size, root));
        }
    }
}

#[test]
fn our_checkpoint_is_one_of_signed_note_and_tlog_tiles() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let origin = "login.example.com/qr-login/6f1d0c2b9a7e4853";
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: 0, root: empty_root() };
    let note = checkpoint.sign(&key).to_string();
    let vkey = NoteKey::of_log(origin, key.verifying_key()).to_string();
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
    let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    assert_eq!(read.verify(&known).unwrap().0.len(), 1);
    let theirs = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (origin, 0, empty_root()));
}
