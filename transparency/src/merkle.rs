//! The tree of RFC 6962, section 2.1, with SHA-256: hashes of leaves and nodes, and what proofs say.

use sha2::{Digest, Sha256};

/// A hash of a leaf, a node, or a whole tree.
pub type Hash = [u8; 32];

/// The hash of a leaf with this content.
pub fn leaf_hash(content: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(content).finalize().into()
}

/// The hash of the node over these two.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The hash of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of the tree over these hashes of leaves, or of subtrees of one size.
pub fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

/// The root that an inclusion proof leads to from a leaf; None: the proof is not of this length. RFC 9162, section 2.1.3.2.
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

/// Whether the proof shows that the tree of the later size begins with the earlier tree. RFC 9162, section 2.1.4.2.
pub fn is_consistent(
    (old_size, old_root): (u64, Hash),
    (size, tree_root): (u64, Hash),
    proof: &[Hash],
) -> bool {
    if old_size > size {
        return false;
    }
    if old_size == 0 {
        return proof.is_empty() && old_root == empty_root();
    }
    if old_size == size {
        return proof.is_empty() && old_root == tree_root;
    }
    let first = old_size.is_power_of_two().then_some(old_root);
    let mut hashes = first.into_iter().chain(proof.iter().copied());
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shift, (size - 1) >> shift);
    let Some(start) = hashes.next() else { return false };
    let (mut old, mut new) = (start, start);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            (old, new) = (node_hash(&hash, &old), node_hash(&hash, &new));
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, &hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old == old_root && new == tree_root
}

/// The ranges of leaves whose roots prove that the leaf is in the tree, from its sibling upwards. RFC 6962, section 2.1.1.
pub fn inclusion_ranges(index: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut start, mut end, mut ranges) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + (end - start).next_power_of_two() / 2;
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The ranges of leaves whose roots prove that the tree begins with the earlier one. RFC 6962, section 2.1.2.
pub fn consistency_ranges(old_size: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut start, mut end, mut ranges) = (0, size, Vec::new());
    if old_size == 0 || old_size >= size {
        return ranges;
    }
    while old_size != end {
        let middle = start + (end - start).next_power_of_two() / 2;
        if old_size <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    // The root of the earlier tree itself is known to the one who checks.
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    ranges
}
