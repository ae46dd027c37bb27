//! What is parked, by its cause: the error without what belongs to one row alone. After a fix an admin has one row folded again, or
//! all rows with the same cause; who did that, when, and with what success is kept.
//!
//! [`replay`]:
//!
//! 1. Record the order on the admin's account (`ParkedReplayOrdered`), which refuses it from anybody else. A command at the
//!    terminal has no account; it is in the table alone.
//! 2. Note in `parked_replays` that it began.
//! 3. Fold each row again. A row whose event still cannot be folded in is parked again.
//! 4. Note what became of it.
//!
//! A process that dies on the way leaves an order without an end. The rows that are left are still parked, and the order can be given anew.

use domain::{AccountCommand, AccountError, AccountId, ReplayId};
use eventlog::{Context, Database, DatabaseError, Store, StoreError};
use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Stored, ToSqlx};
use projections::views;
use rebuild::{KeyReport, RebuildError};
use uuid::Uuid;

/// Rows that are folded again by one order: an answer waits for them. The others stay parked, and the order can be given again.
pub const MOST_ROWS: i64 = 500;

/// Rows and events that are parked for one reason.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedCause {
    /// The reason.
    pub cause: String,
    /// The views whose rows are parked; `reactor` for events.
    pub views: Vec<String>,
    /// How many are parked.
    pub count: i64,
    /// When the first of them was parked.
    pub first_since: Timestamp,
    /// The first of them.
    pub keys: Vec<ParkedRow>,
}

/// A row that is parked.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedRow {
    /// Its view.
    pub view: String,
    /// Its key.
    pub key: String,
    /// The position of the event that could not be folded in.
    pub position: i64,
    /// The name of that event.
    pub event: Option<String>,
    /// Why it could not.
    pub error: String,
    /// Since when it is parked.
    pub since: Timestamp,
}

/// The most rows that are listed for one cause.
const LISTED: i64 = 100;

/// Everything that is parked, by its cause, the oldest first.
///
/// # Errors
/// The database failed.
pub async fn by_cause(db: &Database) -> Result<Vec<ParkedCause>, DatabaseError> {
    let causes = sqlx::query!(
        r#"select parked_cause(error) as "cause!",
                  array_agg(distinct view order by view) as "views!",
                  count(*) as "count!",
                  min(parked_at) as "first_since!: Stored"
             from parked
            group by 1
            order by 4, 1"#
    )
    .fetch_all(db.pool())
    .await?;
    let rows = sqlx::query!(
        r#"select cause as "cause!", view, key, position, error, parked_at as "since: Stored",
                  (select e.event_type from log_index i join events e using (event_no)
                    where i.position = found.position) as event
             from (select parked_cause(error) as cause, view, key, position, error, parked_at,
                          row_number() over (partition by parked_cause(error) order by parked_at, view, key) as number
                     from parked) as found
            where number <= $1
            order by parked_at, view, key"#,
        LISTED,
    )
    .fetch_all(db.pool())
    .await?;
    let mut causes: Vec<ParkedCause> = causes
        .into_iter()
        .map(|row| ParkedCause {
            cause: row.cause,
            views: row.views,
            count: row.count,
            first_since: row.first_since.to_jiff(),
            keys: Vec::new(),
        })
        .collect();
    for row in rows {
        let Some(of) = causes.iter_mut().find(|it| it.cause == row.cause) else { continue };
        of.keys.push(ParkedRow {
            view: row.view,
            key: row.key,
            position: row.position,
            event: row.event,
            error: row.error,
            since: row.since.to_jiff(),
        });
    }
    Ok(causes)
}

/// Which rows of a view are to be folded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The row with this key.
    Key(String),
    /// All rows with this cause.
    Cause(String),
}

/// Who orders it.
#[derive(Clone, Debug)]
pub enum OrderedBy {
    /// An admin.
    Admin(AccountId),
    /// A command at the terminal. It is known by its database role: `tool:replay:qr_login`.
    Terminal,
}

/// What became of an order.
#[derive(Debug)]
pub enum Replayed {
    /// These rows were folded again.
    Done(Vec<KeyReport>),
    /// There is no such view, or the reactor is meant: what it has parked is an event, no row.
    NoView,
    /// Nothing of the view is parked so.
    NothingParked,
    /// They are no admin any more.
    NotAllowed,
}

/// Why rows were not folded again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The view is being rebuilt, or the role may not write.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The order could not be recorded.
    #[error(transparent)]
    Store(#[from] StoreError<AccountError>),
}

impl From<sqlx::Error> for ReplayError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Folds parked rows of a view again, at most [`MOST_ROWS`].
///
/// # Errors
/// [`ReplayError`]: what was folded again before stays so.
pub async fn replay(
    db: &Database,
    view: &str,
    which: &Which,
    ordered_by: &OrderedBy,
    now: Timestamp,
    context: Context,
) -> Result<Replayed, ReplayError> {
    if !views::names().contains(&view) {
        return Ok(Replayed::NoView);
    }
    rebuild::may_rebuild(db, view).await?;
    let parked = parked_keys(db, view, which).await?;
    let Some(cause) = parked.first().map(|(_, cause)| cause.clone()) else {
        return Ok(Replayed::NothingParked);
    };
    let replay_id = ReplayId(Uuid::new_v4());
    let key = match which {
        Which::Key(key) => Some(key.clone()),
        Which::Cause(_) => None,
    };
    // 1.
    if let OrderedBy::Admin(admin) = ordered_by {
        let (view, row, cause) = (view.to_owned(), key.clone(), cause.clone());
        let order = AccountCommand::OrderParkedReplay { replay_id, view, row, cause, at: now };
        match Store::new(db).account(*admin, order, context).await {
            Ok(()) => {}
            Err(StoreError::Refused(why)) if why.is_no_admin() => return Ok(Replayed::NotAllowed),
            Err(error) => return Err(error.into()),
        }
    }
    // 2.
    let admin = match ordered_by {
        OrderedBy::Admin(admin) => Some(admin.to_string()),
        OrderedBy::Terminal => None,
    };
    sqlx::query!(
        "insert into parked_replays (replay_id, began_at, ordered_by, view, key, cause) \
         values ($1, $2, coalesce($3, 'tool:replay:' || session_user), $4, $5, $6)",
        replay_id.0,
        now.to_sqlx() as _,
        admin,
        view,
        key,
        cause,
    )
    .execute(db.pool())
    .await?;
    // 3.
    let mut reports = Vec::new();
    for (key, _) in &parked {
        match rebuild::unpark(db, view, key).await {
            Ok(report) => reports.push(report),
            Err(error) => {
                // What was done until then is noted, too.
                note(db, replay_id, &reports).await?;
                return Err(error.into());
            }
        }
    }
    // 4.
    note(db, replay_id, &reports).await?;
    Ok(Replayed::Done(reports))
}

/// The keys that are parked so, each with its cause.
async fn parked_keys(
    db: &Database,
    view: &str,
    which: &Which,
) -> Result<Vec<(String, String)>, DatabaseError> {
    let (key, cause) = match which {
        Which::Key(key) => (Some(key), None),
        Which::Cause(cause) => (None, Some(cause)),
    };
    // PostgreSQL takes no zero byte, so nothing is parked by it.
    if key.or(cause).is_some_and(|text| text.contains('\0')) {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select key, parked_cause(error) as "cause!" from parked
            where view = $1 and ($2::text is null or key = $2) and ($3::text is null or parked_cause(error) = $3)
            order by parked_at, key
            limit $4"#,
        view,
        key,
        cause,
        MOST_ROWS,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|row| (row.key, row.cause)).collect())
}

async fn note(db: &Database, replay_id: ReplayId, reports: &[KeyReport]) -> Result<(), DatabaseError> {
    let still = reports.iter().filter(|it| it.parked.is_some()).count();
    sqlx::query!(
        "update parked_replays set replayed = $2, still_parked = $3, ended_at = clock_timestamp() where replay_id = $1",
        replay_id.0,
        i32::try_from(reports.len() - still).unwrap_or(i32::MAX),
        i32::try_from(still).unwrap_or(i32::MAX),
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// An order of the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastReplay {
    /// Its id.
    pub replay_id: ReplayId,
    /// When it was given.
    pub at: Timestamp,
    /// An account id, or `tool:replay:<database role>`.
    pub by: String,
    /// Which view.
    pub view: String,
    /// The one row; None: all with the cause.
    pub key: Option<String>,
    /// Why the rows were parked.
    pub cause: String,
    /// How many are not parked any more.
    pub replayed: i32,
    /// How many were parked again.
    pub still_parked: i32,
}

/// The orders before one, the latest first; from the latest on where it is None.
///
/// # Errors
/// The database failed.
pub async fn history(
    db: &Database,
    before: Option<ReplayId>,
    limit: i64,
) -> Result<Vec<PastReplay>, DatabaseError> {
    let rows = sqlx::query!(
        r#"select replay_id, began_at as "at: Stored", ordered_by, view, key, cause, replayed, still_parked
             from parked_replays
            where $1::uuid is null
               or (began_at, replay_id) < (select began_at, replay_id from parked_replays where replay_id = $1)
            order by began_at desc, replay_id desc
            limit $2"#,
        before.map(|id| id.0),
        limit,
    )
    .fetch_all(db.pool())
    .await?;
    let orders = rows.into_iter().map(|row| PastReplay {
        replay_id: ReplayId(row.replay_id),
        at: row.at.to_jiff(),
        by: row.ordered_by,
        view: row.view,
        key: row.key,
        cause: row.cause,
        replayed: row.replayed,
        still_parked: row.still_parked,
    });
    Ok(orders.collect())
}

#[cfg(test)]
mod tests;
