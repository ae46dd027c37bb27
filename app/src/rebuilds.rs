//! Rebuilds of views that admins order from the app and the chat. The leader carries them out ([`runner`]).
//!
//! [`order`]:
//!
//! 1. Put the run into the queue. One run a view is waiting or running; another order is told which.
//! 2. Record the order on the admin's account (`RebuildOrdered`), which refuses it from anybody else.
//!
//! A process that dies between the two leaves a run without an event. So the leader records the order once more before it begins, which
//! changes nothing where it is recorded already: no rebuild is carried out that the log does not tell of.
//!
//! [`cancel`] records first (`RebuildCancelled`), and then asks the run to stop; the same order again goes on.

use domain::{AccountCommand, AccountId, RebuildId};
use eventlog::{Context, DatabaseError, Log, StoreError, Topic};
use jiff::Timestamp;
use projections::row_count::rows_of;
use projections::{lag, views};

use crate::app::App;
use crate::error::UseCaseError;

pub mod report;
pub mod run;
pub mod runner;

pub use run::{Run, RunStatus};

/// What an admin orders.
#[derive(Clone, Debug)]
pub struct RebuildOrder {
    /// The same id again is the same order.
    pub rebuild_id: RebuildId,
    /// The admin.
    pub asked_by: AccountId,
    /// Which view.
    pub view: String,
    /// Only look what would change.
    pub dry_run: bool,
}

/// What became of an order.
#[derive(Clone, Debug)]
pub enum Ordered {
    /// It is waiting, or it runs, or it has ended already.
    Run(Run),
    /// This one is waiting or running for the same view.
    Busy(Run),
    /// There is no such view.
    NoView,
    /// They are no admin any more.
    NotAllowed,
}

/// Orders a rebuild. Repeating it changes nothing.
///
/// # Errors
/// The database failed: the same order goes on.
pub async fn order(app: &App, order: RebuildOrder, context: Context) -> Result<Ordered, UseCaseError> {
    let RebuildOrder { rebuild_id, asked_by, view, dry_run } = order;
    if !views::names().contains(&view.as_str()) {
        return Ok(Ordered::NoView);
    }
    // 1.
    let run = loop {
        run::queue(&app.db, rebuild_id, asked_by, &view, dry_run).await?;
        if let Some(own) = run::by_id(&app.db, rebuild_id).await? {
            break own;
        }
        if let Some(other) = run::live_of(&app.db, &view).await? {
            return Ok(Ordered::Busy(other));
        }
        // The other one has just ended.
    };
    // 2.
    let command = AccountCommand::OrderRebuild { rebuild_id, view, dry_run, at: app.clock.now() };
    match app.store.account(asked_by, command, context).await {
        Ok(()) => {}
        Err(StoreError::Refused(why)) if why.is_no_admin() => {
            run::cancel_waiting(&app.db, rebuild_id).await?;
            return Ok(Ordered::NotAllowed);
        }
        Err(error) => return Err(error.into()),
    }
    app.db.wake().notify(Topic::Projected);
    Ok(Ordered::Run(run))
}

/// What became of an order to stop.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a request")]
pub enum Cancelled {
    /// It ends soon, or has ended.
    Run(Run),
    /// There is no such run.
    Unknown,
    /// They are no admin any more.
    NotAllowed,
}

/// Stops a run, also another admin's. Repeating it changes nothing, and neither does an order after its end.
///
/// # Errors
/// The database failed: the same order goes on.
pub async fn cancel(
    app: &App,
    rebuild_id: RebuildId,
    by: AccountId,
    context: Context,
) -> Result<Cancelled, UseCaseError> {
    let Some(run) = run::by_id(&app.db, rebuild_id).await? else { return Ok(Cancelled::Unknown) };
    if !run.status.is_live() {
        return Ok(Cancelled::Run(run));
    }
    let command = AccountCommand::CancelRebuild { rebuild_id, at: app.clock.now() };
    match app.store.account(by, command, context).await {
        Ok(()) => {}
        Err(StoreError::Refused(why)) if why.is_no_admin() => {
            return Ok(Cancelled::NotAllowed);
        }
        Err(error) => return Err(error.into()),
    }
    run::ask_to_stop(&app.db, rebuild_id).await?;
    app.db.wake().notify(Topic::Projected);
    let run = run::by_id(&app.db, rebuild_id).await?;
    Ok(run.map_or(Cancelled::Unknown, Cancelled::Run))
}

/// How every view stands.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The last position of the log.
    pub end: i64,
    /// Events that have no position yet.
    pub unplaced: i64,
    /// Every view.
    pub views: Vec<ViewState>,
}

/// How a view stands.
#[derive(Clone, Debug)]
pub struct ViewState {
    /// Its name.
    pub view: &'static str,
    /// The last position that is folded in.
    pub position: i64,
    /// How many events are left.
    pub behind: i64,
    /// When the first of those was recorded.
    pub waiting_since: Option<Timestamp>,
    /// About how many rows it has.
    pub rows: i64,
    /// How many of its rows are parked.
    pub parked: i64,
    /// The latest run.
    pub rebuild: Option<Run>,
}

/// Looks at every view.
///
/// # Errors
/// The database failed.
pub async fn overview(app: &App) -> Result<Overview, DatabaseError> {
    let unplaced = Log::new(&app.db).unplaced().await?;
    let end = unplaced.last_position;
    let consumers = lag::consumers(&app.db, end).await?;
    let parked = lag::count_parked(&app.db).await?;
    let mut runs = run::latest(&app.db).await?;
    let mut states = Vec::new();
    for view in views::names() {
        let Some(consumer) = consumers.iter().find(|it| it.consumer == view) else { continue };
        let run = runs.iter().position(|it| it.view == view);
        states.push(ViewState {
            view,
            position: consumer.position,
            behind: consumer.behind,
            waiting_since: consumer.waiting_since,
            rows: rows_of(&app.db, view).await?.unwrap_or(0),
            parked: parked.get(view).copied().unwrap_or(0),
            rebuild: run.map(|index| runs.swap_remove(index)),
        });
    }
    Ok(Overview { end, unplaced: unplaced.events, views: states })
}

#[cfg(test)]
mod tests;
