//! C2SP tlog-proof: a file that shows that a line is in the log, with the checkpoint it is shown against.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::merkle::{Hash, root_by_inclusion};
use crate::note::{Note, plain_number};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A leaf's place in a signed tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the proof is made for, and does not prove: the line itself.
    pub extra: Option<Vec<u8>>,
    /// Of the leaf, from 0.
    pub index: u64,
    /// From the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
    /// The signed tree.
    pub checkpoint: Note,
}

impl Proof {
    /// From a file; None: it is no proof.
    pub fn parse(file: &str) -> Option<Self> {
        let (head, checkpoint) = file.split_once("\n\n")?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return None;
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(STANDARD.decode(&line["extra ".len()..]).ok()?),
            None => None,
        };
        let index = plain_number(lines.next()?.strip_prefix("index ")?)?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let hashes = lines.map(hash).collect::<Option<Vec<Hash>>>()?;
        Some(Self { extra, index, hashes, checkpoint: Note::parse(checkpoint)? })
    }

    /// The root that it leads to from this leaf, in a tree of this size.
    pub fn root(&self, size: u64, leaf: Hash) -> Option<Hash> {
        root_by_inclusion(self.index, size, leaf, &self.hashes)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
