//! The leader's part: it carries out the runs that admins ordered, one after the other.
//!
//! 1. **Take over** what a leader before had begun: it is not there any more, or finds out soon that it is fenced. A run that has
//!    lost its process three times is given up.
//! 2. **Claim** the next run that waits.
//! 3. **Record** its order, in case that the process which took the order died before it had.
//! 4. **Rebuild**, or look what would change; meanwhile write down how far it is, twice a second, and look whether an admin has
//!    stopped it. What is dropped in the middle changes nothing that people read; the leader's maintenance empties its slot.
//! 5. **End** it, with its report. Where somebody else rebuilds the view, or the database is away, it waits again.
//!
//! Every write names the epoch of this leader: a leader that was frozen while another took over changes nothing.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use domain::{AccountCommand, RebuildId};
use eventlog::clock::Clock;
use eventlog::database::{Database, DatabaseError};
use eventlog::store::{Context, Store, StoreError};
use eventlog::{Outage, Topic};
use rebuild::verify::ViewReport;
use rebuild::{Progress, RebuildError};
use sqlx::types::Json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::report::RunReport;
use super::run::{Run, StoredRun};
use jiff_sqlx::Timestamp as Stored;

/// Between two looks where no signal comes.
const IDLE: Duration = Duration::from_secs(1);
/// Between two notes of how far a run is.
const NOTE_EVERY: Duration = Duration::from_millis(500);
/// While the database fails.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// A run begins so often at most.
const MOST_TRIES: i32 = 3;
/// Between two looks at least.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// Before a run begins again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Carries out what is ordered, for as long as it is polled.
pub async fn run(db: &Database, clock: &Clock) -> Infallible {
    let mut outage = Outage::new(
        "rebuilds that admins ordered wait for the database",
        "rebuilds that admins ordered go on",
    );
    let epoch = outage.retry_until_ok(DATABASE_PAUSE, || new_epoch(db)).await;
    let runner = Runner { db: db.clone(), store: Store::new(db), clock: clock.clone(), epoch };
    let mut news = db.wake().subscribe(Topic::Projected);
    loop {
        let next = outage.retry_until_ok(DATABASE_PAUSE, || runner.next()).await;
        match next {
            Some(run) => {
                let mut outage = outage.clone();
                outage.retry_until_ok(DATABASE_PAUSE, || Box::pin(runner.carry_out(&run))).await;
            }
            None => {
                news.wait(IDLE).await;
                // Views are projected all the time.
                sleep(LOOK_PAUSE).await;
            }
        }
    }
}

async fn new_epoch(db: &Database) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"select nextval('reader_epoch') as "epoch!""#).fetch_one(db.pool()).await?)
}

struct Runner {
    db: Database,
    store: Store,
    clock: Clock,
    epoch: i64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    position: Option<i64>,
    end: Option<i64>,
    events_per_second: Option<f64>,
    is_swapped: bool,
}

/// How the rebuild of a run ended.
enum Ended {
    Rebuilt(Result<Vec<ViewReport>, RebuildError>),
    Stopped,
    Fenced,
}

/// How a run ends.
#[derive(Clone, Copy)]
struct End<'a> {
    /// Its stored status.
    status: &'static str,
    error: Option<&'a str>,
    report: Option<&'a RunReport>,
    shown: Shown,
}

impl End<'_> {
    fn of(status: &'static str) -> Self {
        Self { status, error: None, report: None, shown: Shown::default() }
    }
}

impl Runner {
    /// Steps 1 and 2.
    async fn next(&self) -> Result<Option<Run>, DatabaseError> {
        sqlx::query!(
            "update rebuild_runs
                set status = case when stop_asked then 'cancelled' when tries >= $2 then 'failed' else 'waiting' end,
                    error = case when tries >= $2 and not stop_asked
                                 then 'the process that carried it out died, ' || tries || ' times' end,
                    ended_at = case when stop_asked or tries >= $2 then clock_timestamp() end
              where status = 'running' and epoch < $1",
            self.epoch,
            MOST_TRIES,
        )
        .execute(self.db.pool())
        .await?;
        let row = sqlx::query_as!(
            StoredRun,
            r#"update rebuild_runs
                  set status = 'running', epoch = $1, tries = tries + 1, started_at = clock_timestamp(),
                      position = null, end_position = null, events_per_second = null, error = null
                where rebuild_id = (select rebuild_id from rebuild_runs
                                     where status = 'waiting' and due_at <= clock_timestamp()
                                     order by asked_at limit 1 for update skip locked)
            returning rebuild_id, view, dry_run, status, asked_by,
                      asked_at as "asked_at: Stored", started_at as "started_at: Stored",
                      ended_at as "ended_at: Stored",
                      position, end_position, events_per_second, error, report, chat_message"#,
            self.epoch,
        )
        .fetch_optional(self.db.pool())
        .await?;
        Ok(row.map(Run::from))
    }

    /// Steps 3 to 5.
    #[tracing::instrument(name = "ordered_rebuild", level = "error", skip_all, fields(rebuild.id = %run.rebuild_id, view = run.view))]
    async fn carry_out(&self, run: &Run) -> Result<(), DatabaseError> {
        let Run { rebuild_id, view, dry_run, asked_by, .. } = run;
        // 3.
        let command = AccountCommand::OrderRebuild {
            rebuild_id: *rebuild_id,
            view: view.clone(),
            dry_run: *dry_run,
            at: self.clock.now(),
        };
        match self.store.account(*asked_by, command, Context::by(*asked_by)).await {
            Ok(()) => {}
            Err(StoreError::Database(error)) => return Err(error),
            Err(StoreError::Refused(why)) if why.is_no_admin() => {
                let why = "who ordered it is no admin any more";
                self.end(*rebuild_id, End { error: Some(why), ..End::of("cancelled") }).await;
                return Ok(());
            }
            Err(other) => {
                let why = other.to_string();
                self.end(*rebuild_id, End { error: Some(&why), ..End::of("failed") }).await;
                return Ok(());
            }
        }
        // 4.
        let (shows, shown) = watch::channel(Shown::default());
        let ended = tokio::select! {
            done = self.rebuild(run, &shows) => Ended::Rebuilt(done),
            ended = self.watch(*rebuild_id, &shown) => ended,
        };
        // 5.
        let shown = *shown.borrow();
        let done = match ended {
            Ended::Fenced => {
                tracing::warn!("another leader has taken this rebuild over");
                return Ok(());
            }
            Ended::Stopped => {
                tracing::info!("an admin stopped this rebuild");
                self.end(*rebuild_id, End { shown, ..End::of("cancelled") }).await;
                return Ok(());
            }
            Ended::Rebuilt(done) => done,
        };
        match done {
            Ok(reports) => {
                let report = reports.first().map(RunReport::from).unwrap_or_default();
                self.end(*rebuild_id, End { report: Some(&report), shown, ..End::of("done") }).await;
            }
            Err(RebuildError::Busy(_)) => self.wait_again(*rebuild_id, -1).await?,
            Err(RebuildError::Database(error)) if error.is_transient() => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "this rebuild begins again: the database is away"
                );
                self.wait_again(*rebuild_id, 0).await?;
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "a rebuild that an admin ordered failed");
                let why = whole_chain(&error);
                self.end(*rebuild_id, End { error: Some(&why), shown, ..End::of("failed") }).await;
            }
        }
        Ok(())
    }

    async fn rebuild(
        &self,
        run: &Run,
        shows: &watch::Sender<Shown>,
    ) -> Result<Vec<ViewReport>, RebuildError> {
        let began = Instant::now();
        let progress = |step| {
            shows.send_modify(|shown| match step {
                Progress::Read { position, end } => {
                    let seconds = began.elapsed().as_secs_f64();
                    shown.position = Some(position);
                    shown.end = Some(end);
                    shown.events_per_second = (seconds > 0.0).then_some(position as f64 / seconds);
                }
                Progress::Swapped { .. } => shown.is_swapped = true,
                Progress::Load { .. } | Progress::Wait { .. } => {}
            });
        };
        let views = std::slice::from_ref(&run.view);
        match run.dry_run {
            true => rebuild::dry_run(&self.db, views, progress).await,
            false => rebuild::rebuild(&self.db, views, progress).await,
        }
    }

    /// Writes down how far the run is, until it is to stop. Once people read the new rows it is too late for that.
    async fn watch(&self, rebuild_id: RebuildId, shown: &watch::Receiver<Shown>) -> Ended {
        let mut outage = Outage::new(
            "how far a rebuild is cannot be written down",
            "how far a rebuild is can be written down",
        );
        loop {
            sleep(NOTE_EVERY).await;
            let now = *shown.borrow();
            let stop_asked = outage.retry_until_ok(DATABASE_PAUSE, || self.note(rebuild_id, now)).await;
            match stop_asked {
                None => return Ended::Fenced,
                Some(true) if !shown.borrow().is_swapped => return Ended::Stopped,
                Some(_) => {}
            }
        }
    }

    /// Whether an admin wants it to stop; None: another leader has it.
    async fn note(&self, rebuild_id: RebuildId, shown: Shown) -> Result<Option<bool>, DatabaseError> {
        let stop_asked = sqlx::query_scalar!(
            "update rebuild_runs set position = $3, end_position = $4, events_per_second = $5
              where rebuild_id = $1 and epoch = $2 and status = 'running' returning stop_asked",
            rebuild_id.0,
            self.epoch,
            shown.position,
            shown.end,
            shown.events_per_second,
        );
        Ok(stop_asked.fetch_optional(self.db.pool()).await?)
    }

    /// It is tried until it works: the report would be lost.
    async fn end(&self, rebuild_id: RebuildId, end: End<'_>) {
        let mut outage = Outage::new(
            "the end of a rebuild cannot be written down",
            "the end of a rebuild is written down",
        );
        outage.retry_until_ok(DATABASE_PAUSE, || self.write_end(rebuild_id, end)).await;
        self.db.wake().notify(Topic::Projected);
    }

    async fn write_end(
        &self,
        rebuild_id: RebuildId,
        End { status, error, report, shown }: End<'_>,
    ) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update rebuild_runs
                set status = $3, error = $4, report = $5, ended_at = clock_timestamp(),
                    position = $6, end_position = $7, events_per_second = $8
              where rebuild_id = $1 and epoch = $2 and status = 'running'",
            rebuild_id.0,
            self.epoch,
            status,
            error,
            report.map(Json) as _,
            shown.position,
            shown.end,
            shown.events_per_second,
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }

    /// It begins again later; this try counts, or not (-1).
    async fn wait_again(&self, rebuild_id: RebuildId, tries: i32) -> Result<(), DatabaseError> {
        sqlx::query!(
            "update rebuild_runs
                set status = case when stop_asked then 'cancelled' when tries + $3 >= $4 then 'failed' else 'waiting' end,
                    error = case when tries + $3 >= $4 and not stop_asked then 'the database was away' end,
                    ended_at = case when stop_asked or tries + $3 >= $4 then clock_timestamp() end,
                    tries = tries + $3,
                    due_at = clock_timestamp() + make_interval(secs => $5)
              where rebuild_id = $1 and epoch = $2 and status = 'running'",
            rebuild_id.0,
            self.epoch,
            tries,
            MOST_TRIES,
            AGAIN_AFTER.as_secs_f64(),
        )
        .execute(self.db.pool())
        .await?;
        Ok(())
    }
}

/// An error with its causes, on one line.
fn whole_chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
