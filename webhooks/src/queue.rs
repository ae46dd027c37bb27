//! The queue, as the holder of the lease `webhooks` uses it. What it is sending it keeps in mind, and stores only what came of it. So a
//! holder that dies leaves nothing to clear up: what it had not stored is sent once more.

use std::time::Duration;

use domain::AccountId;
use eventlog::database::{Database, DatabaseError, Transaction};
use jiff::Timestamp;
use reqwest::StatusCode;
use sqlx::Executor;
use uuid::Uuid;
use vault::Lease;

use crate::lanes::{self, Lanes};
use crate::message_type::MessageType;
use crate::retry::TRIED_FOR;

/// One process at a time.
pub(crate) const LEASE: &str = "webhooks";
/// How long the others wait after a process has died.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(5);

/// For the holder of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub db: Database,
    lease: String,
    epoch: i64,
}

/// Why the queue did not do it.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another process has the lease now.
    #[error("another process has taken the webhooks over")]
    Fenced,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<sqlx::Error> for QueueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A message to add.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub message_id: String,
    pub webhook_id: Uuid,
    pub kind: MessageType,
    pub position: i64,
    pub account: AccountId,
}

/// A message to send now.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub delivery_no: i64,
    pub message_id: String,
    pub webhook_id: Uuid,
    /// As stored.
    pub kind: String,
    pub position: Option<i64>,
    pub account: Option<AccountId>,
    pub lane: Uuid,
    pub attempts: u32,
    pub created_at: Timestamp,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver took it.
    Delivered(StatusCode),
    /// It did not: it is sent again, or given up when its time is over.
    Failed { status: Option<StatusCode>, why: &'static str, wait: Duration },
    /// The receiver is gone for good: its webhook gets nothing more.
    Gone,
    /// There is no text for it. It is parked.
    Unreadable,
    /// The person was erased meanwhile. It is forgotten.
    Dropped,
}

impl Queue {
    pub(crate) fn new(db: &Database, lease: &Lease) -> Self {
        Self { db: db.clone(), lease: lease.name.clone(), epoch: lease.epoch }
    }

    /// A transaction about lanes, for as long as this is the holder: another one waits for its end.
    pub(crate) async fn begin(&self) -> Result<Transaction, QueueError> {
        let mut transaction = lanes::begin(&self.db).await?;
        let held = sqlx::query_scalar!(
            r#"select exists (select from vault.leases
                               where name = $1 and epoch = $2 and expires_at > clock_timestamp()) as "held!""#,
            self.lease,
            self.epoch,
        )
        .fetch_one(&mut *transaction)
        .await?;
        if held { Ok(transaction) } else { Err(QueueError::Fenced) }
    }

    /// Adds messages, in this order. One that is there already stays.
    pub(crate) async fn add(
        transaction: &mut Transaction,
        messages: &[NewMessage],
    ) -> Result<u64, sqlx::Error> {
        if messages.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = messages.iter().map(|it| it.message_id.clone()).collect();
        let webhooks: Vec<_> = messages.iter().map(|it| it.webhook_id).collect();
        let kinds: Vec<_> = messages.iter().map(|it| it.kind.name().to_owned()).collect();
        let positions: Vec<_> = messages.iter().map(|it| it.position).collect();
        let accounts: Vec<_> = messages.iter().map(|it| it.account.0).collect();
        let added = sqlx::query!(
            "insert into vault.webhook_deliveries
                    (message_id, webhook_id, type, position, account_id, lane, due_at, give_up_at)
             select m.message_id, m.webhook_id, m.type, m.position, m.account_id, m.account_id,
                    case when row_number() over (partition by m.webhook_id, m.account_id order by m.number) = 1
                          and not exists (select from vault.webhook_deliveries e
                                           where e.webhook_id = m.webhook_id and e.lane = m.account_id
                                             and e.state = 'waiting')
                         then clock_timestamp() end,
                    clock_timestamp() + make_interval(secs => $6)
               from unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::uuid[])
                    with ordinality as m (message_id, webhook_id, type, position, account_id, number)
              order by m.number
             on conflict (message_id) do nothing",
            &ids,
            &webhooks,
            &kinds,
            &positions,
            &accounts,
            TRIED_FOR.as_secs_f64(),
        )
        .execute(&mut **transaction)
        .await?;
        Ok(added.rows_affected())
    }

    /// Up to so many messages of each of these webhooks that are due.
    pub(crate) async fn claim(&self, most: &[(Uuid, i64)]) -> Result<Vec<Due>, QueueError> {
        let (webhooks, most): (Vec<_>, Vec<_>) = most.iter().copied().unzip();
        let rows = sqlx::query_file!("src/claim.sql", &webhooks, &most).fetch_all(self.db.pool()).await?;
        let due = rows.into_iter().map(|row| Due {
            delivery_no: row.delivery_no,
            message_id: row.message_id,
            webhook_id: row.webhook_id,
            kind: row.kind,
            position: row.position,
            account: row.account_id.map(AccountId),
            lane: row.lane,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            created_at: row.created_at.to_jiff(),
        });
        Ok(due.collect())
    }

    /// Stores what came of tries. Where a crash of PostgreSQL loses it, they are sent once more. Returns how many were parked.
    pub(crate) async fn record(&self, outcomes: &[(i64, Outcome)]) -> Result<usize, QueueError> {
        let numbers: Vec<_> = outcomes.iter().map(|(number, _)| *number).collect();
        let names: Vec<_> = outcomes.iter().map(|(_, outcome)| outcome.name().to_owned()).collect();
        let waits: Vec<_> = outcomes.iter().map(|(_, outcome)| outcome.wait().as_secs_f64()).collect();
        let statuses: Vec<_> = outcomes.iter().map(|(_, outcome)| outcome.status()).collect();
        let reasons: Vec<_> = outcomes.iter().map(|(_, outcome)| outcome.why()).collect();
        let mut transaction = self.begin().await?;
        transaction.execute("set local synchronous_commit = off").await?;
        let settled = sqlx::query_file!(
            "src/record.sql",
            &numbers,
            &names,
            &waits,
            &statuses as &[Option<i16>],
            &reasons as &[Option<&str>],
        )
        .fetch_all(&mut *transaction)
        .await?;
        let lanes: Lanes = settled.iter().map(|row| (row.webhook_id, row.lane)).collect();
        lanes.advance(&mut transaction).await?;
        transaction.commit().await?;
        Ok(settled.iter().filter(|row| row.parked).count())
    }
}

impl Outcome {
    /// As the statement names it, and the metric.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Failed { .. } => "failed",
            Self::Gone => "gone",
            Self::Unreadable => "unreadable",
            Self::Dropped => "dropped",
        }
    }

    const fn wait(&self) -> Duration {
        match self {
            Self::Failed { wait, .. } => *wait,
            Self::Delivered(_) | Self::Gone | Self::Unreadable | Self::Dropped => Duration::ZERO,
        }
    }

    fn status(&self) -> Option<i16> {
        let status = match self {
            Self::Delivered(status) => Some(*status),
            Self::Failed { status, .. } => *status,
            Self::Gone => Some(StatusCode::GONE),
            Self::Unreadable | Self::Dropped => None,
        };
        status.and_then(|status| i16::try_from(status.as_u16()).ok())
    }

    const fn why(&self) -> Option<&'static str> {
        match self {
            Self::Failed { why, .. } => Some(*why),
            Self::Gone => Some("is gone (410)"),
            Self::Unreadable => Some("the event cannot be read"),
            Self::Delivered(_) | Self::Dropped => None,
        }
    }
}
