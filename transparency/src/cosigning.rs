//! Sends checkpoints on to witnesses, in the leader, and keeps the last one that enough of them have signed.
//!
//! 1. Choose a checkpoint: the newest one, once enough witnesses have signed the one before, or no more of them will soon.
//! 2. Send it to each witness that is free. One that is slow or away is not waited for: it is asked again later, for the newest.
//! 3. Enough have signed it: it is in the database with their signatures, for everybody. Those who sign later are added.
//!
//! A witness that is away is told once in the log, and once when it is back. One that has seen another history is told to admins too.

use std::convert::Infallible;
use std::future::pending;

use eventlog::{Clock, Database, DatabaseError, Outage};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::note::{Checkpoint, Note, NoteSignature};
use crate::stored::StoredTree;
use crate::submission::{Submitter, WitnessError};
use crate::witnesses::{Witness, Witnesses};

/// Sends to the witnesses of a log.
#[derive(Debug)]
pub struct Cosigning {
    db: Database,
    epoch: i64,
    witnesses: Witnesses,
    submitter: Submitter,
    /// What the keeper has signed last.
    signed: watch::Receiver<Option<Note>>,
    /// As many as there are witnesses, in their order.
    seats: Vec<Seat>,
    target: Option<Target>,
    under_way: JoinSet<Answer>,
    /// Signatures of the target that others see.
    published: usize,
    /// Who has seen another history, as the database has it: empty where nobody has; None: it was not written yet.
    told: Option<String>,
    outage: Outage,
}

/// What is known of a witness.
#[derive(Debug)]
struct Seat {
    /// The size that it has signed last.
    signed_last: Option<u64>,
    is_asked: bool,
    /// It failed, and is not asked before.
    again_at: Option<Instant>,
    outage: Outage,
    /// It has seen another history.
    fault: Option<String>,
}

/// The checkpoint that is sent on now.
#[derive(Clone, Debug)]
struct Target {
    note: Note,
    checkpoint: Checkpoint,
    since: Instant,
    /// Of each witness, where it has signed.
    signatures: Vec<Option<NoteSignature>>,
    /// How many are under way for it.
    awaited: usize,
}

#[derive(Debug)]
struct Answer {
    seat: usize,
    text: String,
    size: u64,
    outcome: Result<NoteSignature, WitnessError>,
}

impl Cosigning {
    /// Of the keeper with this epoch, whose checkpoints come in `signed`.
    pub fn new(
        db: &Database,
        clock: &Clock,
        witnesses: &Witnesses,
        epoch: i64,
        signed: watch::Receiver<Option<Note>>,
    ) -> Self {
        let seat = |_: &Witness| Seat {
            signed_last: None,
            is_asked: false,
            again_at: None,
            outage: Outage::new(
                "a witness does not sign checkpoints for now; it is asked again and again",
                "a witness signs checkpoints again",
            ),
            fault: None,
        };
        Self {
            db: db.clone(),
            epoch,
            submitter: Submitter::new(StoredTree::new(db), clock, witnesses.timeout),
            seats: witnesses.all.iter().map(seat).collect(),
            witnesses: witnesses.clone(),
            signed,
            target: None,
            under_way: JoinSet::new(),
            published: 0,
            told: None,
            outage: Outage::new(
                "the signatures of witnesses cannot be stored for now",
                "the signatures of witnesses are stored again",
            ),
        }
    }

    /// Sends for as long as it is polled.
    pub async fn run(mut self) -> Infallible {
        loop {
            self.choose();
            self.ask();
            let next_look = self.next_look();
            let ended = tokio::select! {
                Some(ended) = self.under_way.join_next() => Some(ended),
                changed = self.signed.changed() => match changed {
                    Ok(()) => None,
                    // The keeper is gone: its successor has a sender of its own.
                    Err(_) => pending().await,
                },
                () = at(next_look) => None,
            };
            if let Some(ended) = ended {
                self.take(ended);
            }
            // Until it is stored: it may be the last thing that happens for a long time.
            while let Err(error) = self.publish().await {
                self.outage.failed(&error);
                sleep(self.witnesses.again).await;
            }
            self.outage.over();
        }
    }

    /// Step 1.
    fn choose(&mut self) {
        let newest = self.signed.borrow_and_update().clone();
        let Some(note) = newest else {
            self.target = None;
            return;
        };
        let before = self.target.as_ref();
        if before.is_some_and(|target| target.note.text == note.text || !self.is_done(target)) {
            return;
        }
        let Some(checkpoint) = Checkpoint::parse(&note.text) else { return };
        let is_other_log = before.is_some_and(|target| target.checkpoint.origin != checkpoint.origin);
        for seat in self.seats.iter_mut().filter(|_| is_other_log) {
            (seat.signed_last, seat.again_at, seat.fault) = (None, None, None);
        }
        let signatures = vec![None; self.seats.len()];
        self.published = 0;
        self.target = Some(Target { note, checkpoint, since: Instant::now(), signatures, awaited: 0 });
    }

    /// Whether the next one may be sent: enough have signed, or nobody is under way who could.
    fn is_done(&self, target: &Target) -> bool {
        let is_settled = target.awaited == 0 || target.signed_by() >= self.witnesses.required;
        is_settled && target.since.elapsed() >= self.witnesses.between
    }

    /// Step 2.
    fn ask(&mut self) {
        let Some(target) = &mut self.target else { return };
        let now = Instant::now();
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let rests = seat.again_at.is_some_and(|at| at > now);
            if seat.is_asked || rests || target.signatures[number].is_some() {
                continue;
            }
            seat.is_asked = true;
            target.awaited += 1;
            let (submitter, witness) = (self.submitter.clone(), self.witnesses.all[number].clone());
            let (note, checkpoint) = (target.note.clone(), target.checkpoint.clone());
            let signed_last = seat.signed_last;
            self.under_way.spawn(async move {
                let outcome = submitter.submit(&witness, &note, &checkpoint, signed_last).await;
                Answer { seat: number, text: note.text, size: checkpoint.size, outcome }
            });
        }
    }

    /// When there is something to do, even if nobody answers and nothing is signed.
    fn next_look(&self) -> Option<Instant> {
        let target = self.target.as_ref()?;
        let is_newest = self.signed.borrow().as_ref().is_some_and(|newest| newest.text == target.note.text);
        let after_pause = (!is_newest).then(|| target.since + self.witnesses.between);
        let unsigned = self
            .seats
            .iter()
            .zip(&target.signatures)
            .filter(|(seat, signature)| !seat.is_asked && signature.is_none());
        let again = unsigned.filter_map(|(seat, _)| seat.again_at).min();
        // What is past waits for an answer, and needs no timer.
        let now = Instant::now();
        [after_pause, again].into_iter().flatten().filter(|at| *at > now).min()
    }

    fn take(&mut self, ended: Result<Answer, JoinError>) {
        let answer = match ended {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return,
        };
        let (key, seat) = (&self.witnesses.all[answer.seat].key, &mut self.seats[answer.seat]);
        let mut target = self.target.as_mut().filter(|target| target.note.text == answer.text);
        if let Some(target) = &mut target {
            target.awaited = target.awaited.saturating_sub(1);
        }
        seat.is_asked = false;
        let _span = tracing::error_span!("witness", witness.name = key.name.as_str()).entered();
        match answer.outcome {
            Ok(signature) => {
                seat.outage.over();
                (seat.signed_last, seat.again_at, seat.fault) = (Some(answer.size), None, None);
                if let Some(target) = target {
                    target.signatures[answer.seat] = Some(signature);
                }
            }
            Err(error) => {
                seat.outage.failed(&error);
                (seat.signed_last, seat.again_at) = (None, Some(Instant::now() + self.witnesses.again));
                if error.is_about_history() {
                    seat.fault = Some(format!("{}: {error}", key.name));
                }
            }
        }
    }

    /// Step 3: lets others see what enough witnesses have signed, and who has seen another history.
    async fn publish(&mut self) -> Result<(), DatabaseError> {
        if let Some(target) = &self.target
            && target.signed_by() >= self.witnesses.required
            && target.signed_by() > self.published
        {
            let signatures = target.note.signatures.iter().chain(target.signatures.iter().flatten());
            let note = Note { text: target.note.text.clone(), signatures: signatures.cloned().collect() };
            sqlx::query!(
                "update log_tree \
                    set cosigned = $2, cosigned_size = $3, cosigned_at = clock_timestamp(), \
                        witnesses_due_since = case when signed_size > $3 then clock_timestamp() end \
                  where epoch = $1",
                self.epoch,
                note.to_string(),
                target.checkpoint.size.cast_signed()
            )
            .execute(self.db.pool())
            .await?;
            self.published = target.signed_by();
        }
        let faults: Vec<&str> = self.seats.iter().filter_map(|seat| seat.fault.as_deref()).collect();
        let fault = faults.join("; ");
        // What the sender before has told stays until each witness was asked.
        let each_answered =
            self.seats.iter().all(|seat| seat.signed_last.is_some() || seat.again_at.is_some());
        if (each_answered || !fault.is_empty()) && self.told.as_ref() != Some(&fault) {
            // The text changes with each checkpoint that is sent; since when stays.
            sqlx::query!(
                "update log_tree \
                    set witness_fault = nullif($2, ''), \
                        witness_fault_since = case when $2 <> '' then coalesce(witness_fault_since, clock_timestamp()) end \
                  where epoch = $1",
                self.epoch,
                fault
            )
            .execute(self.db.pool())
            .await?;
            self.told = Some(fault);
        }
        Ok(())
    }
}

impl Target {
    fn signed_by(&self) -> usize {
        self.signatures.iter().flatten().count()
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
