//! A history that can be checked without trusting its keeper: a Merkle tree over the log, signed checkpoints of it, and proofs.
//!
//! ```text
//! log ──▶ keeper: canonical line ─▶ leaf ─▶ tiles (rows) ──▶ root ──▶ signed checkpoint ──▶ DATA_DIR/checkpoints, /log/checkpoint
//!                    └── compares with what was signed before; where the log does not extend it, nothing is signed
//! ```
//!
//! Pure: [`merkle`] (RFC 6962), [`tiles`], [`note`], [`proof`] and [`add_checkpoint`] (C2SP), [`witnesses`] (the policy). In the database:
//! [`stored`] (tiles and proofs), [`served`] (what everybody may ask for), [`keeper`] and [`signing`] (what the leader does), [`walk`]
//! (the whole log against the tree), [`heads`] (that nothing of a person is left out). On disk: [`key_file`] and [`kept`]. To witnesses:
//! [`cosigning`] and [`submission`]; as a witness of other logs: [`log_witness`]. What a leaf is, is decided in the log
//! ([`eventlog::StoredEvent::line`]).

pub mod add_checkpoint;
pub mod cosigning;
pub mod heads;
pub mod history;
pub mod keeper;
pub mod kept;
pub mod key_file;
pub mod leading;
pub mod log_witness;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod served;
pub mod signing;
pub mod stored;
pub mod submission;
pub mod tiles;
pub mod walk;
pub mod witnesses;

/// Bytes as events and checkpoints write them.
pub fn base64_of(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

pub use history::{History, NoHistory};
pub use keeper::Keeper;
pub use kept::Kept;
pub use key_file::{KeyFileError, SigningKeys};
pub use log_witness::{LogWitness, NoWitness, Refusal, WitnessSettings};
pub use note::{Checkpoint, Note, NoteKey};
pub use served::Served;
pub use signing::KeeperSettings;
pub use stored::{StoredTree, TreeError};
pub use witnesses::{BadWitnesses, Witness, Witnesses};
