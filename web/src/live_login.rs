//! One login, as the API answers for it.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use projections::views::login_status::LoginRow;
use texts::Language;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use vault::LiveToken;

/// How many long polls a login may have at a time.
const LONG_POLLS: usize = 4;

/// A login, as the API answers for it.
#[derive(Debug)]
pub struct LiveLogin {
    /// The view's row.
    pub row: LoginRow,
    /// Whose it is; None once the person is erased.
    pub telegram_id: Option<i64>,
    /// Whether that person is blocked.
    pub is_blocked: bool,
    /// The token that the QR code shows now.
    pub token: Option<LiveToken>,
    /// Its QR code as a picture, drawn once.
    pub svg: OnceLock<String>,
    /// Its answers, put into words once.
    pub answers: Answers,
    polls: Arc<Polls>,
}

/// The long polls that a login may have at a time. Those of people who only have the link take none of the owner's.
#[derive(Debug)]
struct Polls {
    owners: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Polls {
    fn default() -> Self {
        let semaphore = || Arc::new(Semaphore::new(LONG_POLLS));
        Self { owners: semaphore(), strangers: semaphore() }
    }
}

impl LiveLogin {
    /// A login as it stands now.
    pub fn new(row: LoginRow, telegram_id: Option<i64>, token: Option<LiveToken>) -> Self {
        let (svg, answers, polls) = (OnceLock::new(), Answers::default(), Arc::default());
        Self { row, telegram_id, is_blocked: false, token, svg, answers, polls }
    }

    /// The same, of a person who is blocked, or is not.
    pub fn with_block(self, is_blocked: bool) -> Self {
        Self { is_blocked, ..self }
    }

    /// The same login of a person who was erased: nothing is left that anybody may see.
    pub fn forgotten(&self) -> Self {
        Self::new(self.row.clone(), None, None)
    }

    /// The next state of this login, which has the same long polls.
    pub fn followed_by(&self, next: Self) -> Self {
        Self { polls: Arc::clone(&self.polls), ..next }
    }

    /// A long poll, until dropped; None: the login has as many as it may have.
    pub fn poll(&self, is_owner: bool) -> Option<OwnedSemaphorePermit> {
        let polls = if is_owner { &self.polls.owners } else { &self.polls.strangers };
        Arc::clone(polls).try_acquire_owned().ok()
    }

    /// The number of its latest attempt.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.row.attempt).unwrap_or_default()
    }
}

/// A login's latest state, and a signal for each newer one.
pub type Watched = watch::Receiver<Arc<LiveLogin>>;

/// What one state of a login says: to a person who only has the link, and to its owner in each language.
#[derive(Debug, Default)]
pub struct Answers {
    /// The bare status.
    pub for_anybody: OnceLock<Bytes>,
    /// Everything, in each language.
    pub for_owner: [OnceLock<Bytes>; Language::ALL.len()],
}
