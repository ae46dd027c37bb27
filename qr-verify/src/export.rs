//! A whole export against checkpoints: each line is the leaf of its position, and the root over the lines is the one that was signed.
//! With the tiles of the log a changed line is named; without, the checkpoints between which it lies.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use crate::failure::Failure;
use crate::note::{Checkpoint, number};
use crate::tree::{Growing, leaf_hash};

pub fn verify(
    mut lines: impl BufRead,
    signed: &[Checkpoint],
    tiles: Option<&Path>,
) -> Result<String, Failure> {
    let (origin, mut by_size) = (&signed[0].origin, BTreeMap::new());
    for checkpoint in signed {
        if checkpoint.origin != *origin {
            return Err(format!("there are two logs: {origin} and {}", checkpoint.origin).into());
        }
        let other: Option<&Checkpoint> = by_size.insert(checkpoint.size, checkpoint);
        if other.is_some_and(|other| other.root != checkpoint.root) {
            let size = checkpoint.size;
            return Err(format!("fork: {origin} has signed two histories up to position {size}").into());
        }
    }
    let end = signed.iter().map(|checkpoint| checkpoint.size).max().unwrap_or(0);
    let (mut tree, mut position, mut held, mut line) = (Growing::default(), 0, 0, String::new());
    let (mut faults, mut tile, mut tiles_tree) = (Vec::new(), Vec::new(), Growing::default());
    loop {
        line.clear();
        let read =
            lines.read_line(&mut line).map_err(|error| Failure::unusable(format!("the export: {error}")))?;
        if read == 0 {
            break;
        }
        let text = line.strip_suffix('\n').unwrap_or(&line);
        position += 1;
        if position_of(text) != Some(position) {
            let told = position_of(text).unwrap_or(0);
            faults.push(format!("position {position}: the line in its place has position {told}"));
            break;
        }
        let leaf = leaf_hash(text.as_bytes());
        if let Some(folder) = tiles.filter(|_| position <= end) {
            let place = (position - 1) % 256;
            if place == 0 {
                tile = read_tile(folder, position / 256, end);
                tile.as_chunks::<32>().0.iter().for_each(|hash| tiles_tree.push(*hash));
            }
            if tile.as_chunks::<32>().0.get(place as usize).is_some_and(|hash| *hash != leaf) {
                faults.push(format!("position {position}: the line is not the one that was signed"));
            }
        }
        tree.push(leaf);
        if let Some(checkpoint) = by_size.get(&position) {
            if tree.root() == checkpoint.root {
                held = position;
            } else {
                faults.push(format!("positions {} to {position}: not what {origin} has signed", held + 1));
            }
            if tiles.is_some() && position == end && tiles_tree.root() != checkpoint.root {
                faults.insert(0, "the tiles are not all there, or not those that were signed".to_owned());
            }
        }
    }
    if position < end && faults.is_empty() {
        faults.push(format!(
            "position {}: the export ends before it, and was signed up to {end}",
            position + 1
        ));
    }
    if !faults.is_empty() {
        let more = faults.len().saturating_sub(20);
        faults.truncate(20);
        faults.extend((more > 0).then(|| format!("and {more} more")));
        return Err(Failure::refuted(faults));
    }
    let seen: String = by_size[&end].witnesses.iter().map(|name| format!("; seen by {name}")).collect();
    let later = (position > end).then(|| format!("; {} later ones are not signed yet", position - end));
    let later = later.unwrap_or_default();
    Ok(format!("positions 1 to {end} are the history that {origin} has signed{seen}{later}"))
}

/// The position that a line says.
pub fn position_of(line: &str) -> Option<u64> {
    number(line.strip_prefix("{\"position\":")?.split_once(',')?.0)
}

/// The hashes of 256 leaves, from the file that a log serves (C2SP tlog-tiles); none where it is not there.
fn read_tile(folder: &Path, index: u64, size: u64) -> Vec<u8> {
    let (mut path, mut rest) = (format!("{:03}", index % 1000), index / 1000);
    while rest > 0 {
        (path, rest) = (format!("x{:03}/{path}", rest % 1000), rest / 1000);
    }
    let width = (size - 256 * index).min(256);
    let partial = if width < 256 { format!(".p/{width}") } else { String::new() };
    std::fs::read(folder.join(format!("0/{path}{partial}"))).unwrap_or_default()
}
