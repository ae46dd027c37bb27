//! One login, as the API answers for it.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use projections::views::login_status::LoginRow;
use tokio::sync::watch;
use vault::LiveToken;

use crate::texts::Language;

/// A login, as the API answers for it.
#[derive(Debug)]
pub struct LiveLogin {
    /// The view's row.
    pub row: LoginRow,
    /// Whose it is; None once the person is erased.
    pub telegram_id: Option<i64>,
    /// The token that the QR code shows now.
    pub token: Option<LiveToken>,
    /// Its QR code as a picture, drawn once.
    pub(crate) svg: OnceLock<String>,
    /// Its answers, put into words once.
    pub(crate) answers: Answers,
}

impl LiveLogin {
    /// A login as it stands now.
    pub fn new(row: LoginRow, telegram_id: Option<i64>, token: Option<LiveToken>) -> Self {
        Self { row, telegram_id, token, svg: OnceLock::new(), answers: Answers::default() }
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
pub(crate) struct Answers {
    pub for_anybody: OnceLock<Bytes>,
    pub for_owner: [OnceLock<Bytes>; Language::ALL.len()],
}
