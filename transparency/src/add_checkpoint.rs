//! What a log sends to a witness with a new checkpoint: the body of C2SP tlog-witness's `add-checkpoint`.
//!
//! ```text
//! old 20852014              the size of the last checkpoint that the witness has signed
//! BASE64                    the proof that the tree of the new checkpoint begins with that one
//!
//! the signed checkpoint
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::merkle::Hash;
use crate::note::{Note, plain_number};

/// Hashes in a proof at most.
const MOST_HASHES: usize = 63;
/// The longest body: the longest note, after the longest proof.
pub const LONGEST: usize = 132 * 1024;

/// A checkpoint on its way to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the last checkpoint that the witness has signed.
    pub old_size: u64,
    /// That the new tree begins with that one.
    pub proof: Vec<Hash>,
    /// The new checkpoint.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// From a body; None: it has another form.
    pub fn parse(body: &str) -> Option<Self> {
        let (head, checkpoint) = body.split_once("\n\n").filter(|_| body.len() <= LONGEST)?;
        let mut lines = head.split('\n');
        let old_size = plain_number(lines.next()?.strip_prefix("old ")?)?;
        let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
        let proof = lines.map(hash).collect::<Option<Vec<Hash>>>()?;
        let checkpoint = Note::parse(checkpoint).filter(|_| proof.len() <= MOST_HASHES)?;
        Some(Self { old_size, proof, checkpoint })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
