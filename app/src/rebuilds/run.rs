//! A run: a rebuild that an admin ordered, as the table `rebuild_runs` has it.

use std::time::Duration;

use domain::{AccountId, RebuildId};
use eventlog::database::{Database, DatabaseError};
use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;
use serde_json::Value;
use uuid::Uuid;

use super::report::RunReport;

/// A rebuild that an admin ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its id.
    pub rebuild_id: RebuildId,
    /// Which view.
    pub view: String,
    /// It only looks what would change.
    pub dry_run: bool,
    /// How it stands.
    pub status: RunStatus,
    /// The admin.
    pub asked_by: AccountId,
    /// When it began; while it waits, when it was ordered.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How far the log is read.
    pub position: Option<i64>,
    /// How far the log is going to be read.
    pub end: Option<i64>,
    /// How fast the log is read, or was.
    pub events_per_second: Option<f64>,
    /// Why it failed, or was not carried out.
    pub error: Option<String>,
    /// How the rows differed.
    pub report: Option<RunReport>,
    /// The bot's message that shows it.
    pub chat_message: Option<i32>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// The leader begins it soon.
    Waiting,
    /// The leader carries it out.
    Running,
    /// It is done.
    Done,
    /// It was given up.
    Failed,
    /// An admin stopped it.
    Cancelled,
}

impl RunStatus {
    /// The stored spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it has not ended.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }

    fn of(name: &str) -> Self {
        let all = [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Cancelled];
        all.into_iter().find(|status| status.name() == name).unwrap_or(Self::Failed)
    }
}

/// A row of the table.
pub(super) struct StoredRun {
    pub rebuild_id: Uuid,
    pub view: String,
    pub dry_run: bool,
    pub status: String,
    pub asked_by: Uuid,
    pub asked_at: Stored,
    pub started_at: Option<Stored>,
    pub ended_at: Option<Stored>,
    pub position: Option<i64>,
    pub end_position: Option<i64>,
    pub events_per_second: Option<f64>,
    pub error: Option<String>,
    pub report: Option<Value>,
    pub chat_message: Option<i32>,
}

impl From<StoredRun> for Run {
    fn from(row: StoredRun) -> Self {
        Self {
            rebuild_id: RebuildId(row.rebuild_id),
            view: row.view,
            dry_run: row.dry_run,
            status: RunStatus::of(&row.status),
            asked_by: AccountId(row.asked_by),
            started_at: row.started_at.unwrap_or(row.asked_at).to_jiff(),
            ended_at: row.ended_at.map(Stored::to_jiff),
            position: row.position,
            end: row.end_position,
            events_per_second: row.events_per_second,
            error: row.error,
            report: row.report.and_then(|report| serde_json::from_value(report).ok()),
            chat_message: row.chat_message,
        }
    }
}

/// Puts a run into the queue, unless it is there, or another one of its view is live.
pub(super) async fn queue(
    db: &Database,
    rebuild_id: RebuildId,
    asked_by: AccountId,
    view: &str,
    dry_run: bool,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "insert into rebuild_runs (rebuild_id, view, dry_run, asked_by) values ($1, $2, $3, $4)
         on conflict do nothing",
        rebuild_id.0,
        view,
        dry_run,
        asked_by.0,
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// The run with this id.
///
/// # Errors
/// The database failed.
pub async fn by_id(db: &Database, rebuild_id: RebuildId) -> Result<Option<Run>, DatabaseError> {
    let row = sqlx::query_as!(
        StoredRun,
        r#"select rebuild_id, view, dry_run, status, asked_by,
                  asked_at as "asked_at: Stored", started_at as "started_at: Stored", ended_at as "ended_at: Stored",
                  position, end_position, events_per_second, error, report, chat_message
             from rebuild_runs where rebuild_id = $1"#,
        rebuild_id.0,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(Run::from))
}

/// The run of this view that is waiting or running.
///
/// # Errors
/// The database failed.
pub async fn live_of(db: &Database, view: &str) -> Result<Option<Run>, DatabaseError> {
    let row = sqlx::query_as!(
        StoredRun,
        r#"select rebuild_id, view, dry_run, status, asked_by,
                  asked_at as "asked_at: Stored", started_at as "started_at: Stored", ended_at as "ended_at: Stored",
                  position, end_position, events_per_second, error, report, chat_message
             from rebuild_runs where view = $1 and status in ('waiting', 'running')"#,
        view,
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(row.map(Run::from))
}

/// The latest run of each view.
///
/// # Errors
/// The database failed.
pub async fn latest(db: &Database) -> Result<Vec<Run>, DatabaseError> {
    let rows = sqlx::query_as!(
        StoredRun,
        r#"select distinct on (view) rebuild_id, view, dry_run, status, asked_by,
                  asked_at as "asked_at: Stored", started_at as "started_at: Stored", ended_at as "ended_at: Stored",
                  position, end_position, events_per_second, error, report, chat_message
             from rebuild_runs order by view, asked_at desc"#
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(Run::from).collect())
}

/// How fast the log was read by the latest run that was done, in events a second.
///
/// # Errors
/// The database failed.
pub async fn last_speed(db: &Database, view: &str) -> Result<Option<f64>, DatabaseError> {
    let speed = sqlx::query_scalar!(
        r#"select events_per_second as "speed!" from rebuild_runs
            where view = $1 and status = 'done' and events_per_second is not null
            order by asked_at desc limit 1"#,
        view,
    );
    Ok(speed.fetch_optional(db.pool()).await?)
}

/// Stops a run: at once where it is waiting, soon where it is running.
pub(super) async fn ask_to_stop(db: &Database, rebuild_id: RebuildId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update rebuild_runs
            set stop_asked = true,
                status = case when status = 'waiting' then 'cancelled' else status end,
                ended_at = case when status = 'waiting' then clock_timestamp() end
          where rebuild_id = $1 and status in ('waiting', 'running')",
        rebuild_id.0,
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// Ends a run that has not begun: nobody may order it.
pub(super) async fn cancel_waiting(db: &Database, rebuild_id: RebuildId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update rebuild_runs
            set status = 'cancelled',
                ended_at = clock_timestamp(),
                error = 'who ordered it is no admin any more'
          where rebuild_id = $1 and status = 'waiting'",
        rebuild_id.0,
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// Lets this message of the bot show the run from now on.
///
/// # Errors
/// The database failed.
pub async fn show_in(db: &Database, rebuild_id: RebuildId, message: i32) -> Result<(), DatabaseError> {
    sqlx::query!("update rebuild_runs set chat_message = $2 where rebuild_id = $1", rebuild_id.0, message)
        .execute(db.pool())
        .await?;
    Ok(())
}

/// The runs that a message of the bot shows, and whose outcome it does not show yet.
///
/// # Errors
/// The database failed.
pub async fn in_chat(db: &Database) -> Result<Vec<Run>, DatabaseError> {
    let rows = sqlx::query_as!(
        StoredRun,
        r#"select rebuild_id, view, dry_run, status, asked_by,
                  asked_at as "asked_at: Stored", started_at as "started_at: Stored", ended_at as "ended_at: Stored",
                  position, end_position, events_per_second, error, report, chat_message
             from rebuild_runs where chat_message is not null and not chat_told order by asked_at"#
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(Run::from).collect())
}

/// The message of the bot has been given the outcome.
///
/// # Errors
/// The database failed.
pub async fn told_in_chat(db: &Database, rebuild_id: RebuildId) -> Result<(), DatabaseError> {
    sqlx::query!("update rebuild_runs set chat_told = true where rebuild_id = $1", rebuild_id.0)
        .execute(db.pool())
        .await?;
    Ok(())
}

/// Deletes runs that ended longer ago.
///
/// # Errors
/// The database failed.
pub async fn prune(db: &Database, older_than: Duration) -> Result<u64, DatabaseError> {
    let deleted = sqlx::query!(
        "delete from rebuild_runs where ended_at < clock_timestamp() - make_interval(secs => $1)",
        older_than.as_secs_f64(),
    )
    .execute(db.pool())
    .await?;
    Ok(deleted.rows_affected())
}
