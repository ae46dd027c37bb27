//! Sends one checkpoint to one witness, and checks what it answers: C2SP tlog-witness, `add-checkpoint`, and tlog-cosignature.
//!
//! 1. Send it with a proof from the size that the witness has signed last, as far as that is known.
//! 2. The witness answers with another size (409): send it again with a proof from there. So it may have forgotten what it signed.
//! 3. The witness answers with its signature and the time. Both are checked.

use std::time::Duration;

use eventlog::Clock;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::add_checkpoint::AddCheckpoint;
use crate::note::{Checkpoint, Note, NoteSignature, plain_number};
use crate::stored::{StoredTree, TreeError};
use crate::witnesses::Witness;

/// Another process may send to the same witness: then its size changes between two tries.
const TRIES: u32 = 4;
/// What is read of an answer.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How far the witness's clock may be from ours.
const CLOCKS_APART: u64 = 300;

/// Why a witness has not signed a checkpoint. Its text does not name the witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// No answer.
    #[error("it does not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// 404.
    #[error("it does not know this log: its operator has to add the log's key (404)")]
    UnknownLog,
    /// 403.
    #[error("it does not take the log's signature: its operator has another key of this log (403)")]
    OtherKey,
    /// 409, with a size that this log has not reached.
    #[error(
        "it has signed this log up to position {seen}, and here it ends at position {size}: the end was lost"
    )]
    Ahead {
        /// What the witness has signed.
        seen: u64,
        /// What was sent to it.
        size: u64,
    },
    /// 422.
    #[error("it has signed another history than this one, which it was sent up to position {0} (422)")]
    OtherHistory(u64),
    /// Another status.
    #[error("it answers with status {0}")]
    Status(StatusCode),
    /// The answer is none of the protocol.
    #[error("its answer is not one of C2SP tlog-witness: {0}")]
    Malformed(&'static str),
    /// A signature that is none of the key in WITNESSES.
    #[error("it answers without a signature of its key")]
    NotSigned,
    /// A signature of another moment.
    #[error("the time in its signature is {0} s away from our clock")]
    OtherTime(u64),
    /// The tree of our own.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl WitnessError {
    /// Whether the witness has seen another history of this log.
    pub const fn is_about_history(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::OtherHistory(_))
    }
}

/// Sends to witnesses. A cheap clone.
#[derive(Clone, Debug)]
pub struct Submitter {
    tree: StoredTree,
    clock: Clock,
    client: Client,
}

impl Submitter {
    /// Of this tree; an answer may take so long.
    pub fn new(tree: StoredTree, clock: &Clock, timeout: Duration) -> Self {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(timeout)
            .user_agent(concat!("qr-login/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the settings of a client are good");
        Self { tree, clock: clock.clone(), client }
    }

    /// Steps 1 to 3.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub async fn submit(
        &self,
        witness: &Witness,
        note: &Note,
        checkpoint: &Checkpoint,
        signed_last: Option<u64>,
    ) -> Result<NoteSignature, WitnessError> {
        let mut old_size = signed_last.filter(|size| *size <= checkpoint.size).unwrap_or(0);
        for _ in 0..TRIES {
            let proof = self.tree.consistency(old_size, checkpoint.size).await?;
            let body = AddCheckpoint { old_size, proof, checkpoint: note.clone() }.to_string();
            let sent = self.client.post(witness.url.clone()).body(body).send().await;
            let (status, answer) = read(sent).await.map_err(no_answer)?;
            match status {
                StatusCode::OK => return self.check(witness, note, &answer),
                StatusCode::CONFLICT => {
                    let size = answer.strip_suffix('\n').and_then(plain_number);
                    let size = size.ok_or(WitnessError::Malformed("409 without a size"))?;
                    if size > checkpoint.size {
                        return Err(WitnessError::Ahead { seen: size, size: checkpoint.size });
                    }
                    old_size = size;
                }
                StatusCode::NOT_FOUND => return Err(WitnessError::UnknownLog),
                StatusCode::FORBIDDEN => return Err(WitnessError::OtherKey),
                StatusCode::UNPROCESSABLE_ENTITY => {
                    return Err(WitnessError::OtherHistory(checkpoint.size));
                }
                other => return Err(WitnessError::Status(other)),
            }
        }
        Err(WitnessError::Malformed("409 each time"))
    }

    /// Step 3. Signatures of keys that are not known are ignored.
    fn check(&self, witness: &Witness, note: &Note, answer: &str) -> Result<NoteSignature, WitnessError> {
        let signatures = answer.lines().map(NoteSignature::parse).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(WitnessError::Malformed("a line is no signature"))?;
        let answered = Note { text: note.text.clone(), signatures };
        if !answered.is_signed_by(&witness.key) {
            return Err(WitnessError::NotSigned);
        }
        let signed = answered.signatures.into_iter().rfind(|signature| witness.key.is_named_in(signature));
        let signed = signed.ok_or(WitnessError::NotSigned)?;
        let now = self.clock.now().as_second().unsigned_abs();
        let apart = signed.time().ok_or(WitnessError::NotSigned)?.abs_diff(now);
        match apart > CLOCKS_APART {
            true => Err(WitnessError::OtherTime(apart)),
            false => Ok(signed),
        }
    }
}

async fn read(sent: reqwest::Result<Response>) -> reqwest::Result<(StatusCode, String)> {
    let mut response = sent?;
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        answer.extend_from_slice(&chunk);
        if answer.len() > LONGEST_ANSWER {
            break;
        }
    }
    Ok((response.status(), String::from_utf8_lossy(&answer).into_owned()))
}

fn no_answer(error: reqwest::Error) -> WitnessError {
    WitnessError::NoAnswer(error.without_url())
}
