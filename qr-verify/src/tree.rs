//! The tree of RFC 6962 with SHA-256, as a verifier needs it.

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

pub fn leaf_hash(content: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(content).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows at its end: of the full subtrees of each height, the one at the right edge that has no neighbour yet.
#[derive(Default)]
pub struct Growing(Vec<Option<Hash>>);

impl Growing {
    pub fn push(&mut self, mut hash: Hash) {
        for place in &mut self.0 {
            match place.take() {
                Some(left) => hash = node_hash(&left, &hash),
                None => {
                    *place = Some(hash);
                    return;
                }
            }
        }
        self.0.push(Some(hash));
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.0.iter().flatten();
        let Some(last) = smallest_first.next() else { return Sha256::digest([]).into() };
        smallest_first.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2); None: it has another length.
pub fn root_by_inclusion(index: u64, size: u64, leaf: Hash, proof: &[Hash]) -> Option<Hash> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let (mut node, mut hash) = (index, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}
