//! How the views stand, and a rebuild, as they are sent.

use app::rebuilds::report::{PartingKind, RowDifference, RunReport};
use app::rebuilds::{Overview, Run, RunStatus};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// How the views stand.
#[derive(Serialize, ToSchema)]
pub struct Projections {
    /// The last position of the log.
    pub end: i64,
    /// Events that have no position yet.
    pub unplaced: i64,
    pub views: Vec<Projection>,
}

/// How a view stands.
#[derive(Serialize, ToSchema)]
pub struct Projection {
    pub view: &'static str,
    /// The last position that it shows.
    pub position: i64,
    /// Events that it does not show yet.
    pub behind: i64,
    /// When the first of those was recorded.
    #[schema(required)]
    pub waiting_since: Option<Timestamp>,
    /// About how many rows it has.
    pub rows: i64,
    /// How many of them are parked.
    pub parked: i64,
    /// The latest that was ordered.
    #[schema(required)]
    pub rebuild: Option<Rebuild>,
}

/// A rebuild of a view that an admin ordered.
#[derive(Serialize, ToSchema)]
pub struct Rebuild {
    pub rebuild_id: Uuid,
    pub view: String,
    /// It only looks what would change.
    pub dry_run: bool,
    pub status: RebuildStatus,
    /// How far the log is read.
    #[schema(required)]
    pub position: Option<i64>,
    /// How far it is going to be read.
    #[schema(required)]
    pub end: Option<i64>,
    /// How fast it is read, or was.
    #[schema(required)]
    pub events_per_second: Option<f64>,
    /// While it waits, when it was ordered.
    pub started_at: Timestamp,
    #[schema(required)]
    pub ended_at: Option<Timestamp>,
    /// The admin's account.
    pub asked_by: Uuid,
    /// Why it failed, or was not carried out.
    #[schema(required)]
    pub error: Option<String>,
    #[schema(required)]
    pub report: Option<RebuildReport>,
}

/// How a rebuild stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildStatus {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// What a rebuild found.
#[derive(Serialize, ToSchema)]
pub struct RebuildReport {
    /// Rows that the log makes.
    pub rows: usize,
    /// Rows that differed from the log.
    pub differ: usize,
    /// Those of them that were missing.
    pub missing: usize,
    /// Those of them that the log does not make.
    pub extra: usize,
    /// The first hundred of them.
    pub differences: Vec<RebuildDifference>,
}

/// A row that differed from the log. Personal values are shown as `•••`, long ones are cut.
#[derive(Serialize, ToSchema)]
pub struct RebuildDifference {
    pub key: String,
    /// The row as it was; null: there was none.
    #[schema(required, value_type = Option<Object>)]
    pub live: Option<Map<String, Value>>,
    /// The row that the log makes; null: it makes none.
    #[schema(required, value_type = Option<Object>)]
    pub log: Option<Map<String, Value>>,
    /// Null: it has too many events to look at.
    #[schema(required)]
    pub explanation: Option<Explanation>,
}

/// Where a row parted from the log.
#[derive(Serialize, ToSchema)]
pub struct Explanation {
    pub kind: ExplanationKind,
    /// Of the event.
    #[schema(required)]
    pub position: Option<i64>,
    /// Its name.
    #[schema(required)]
    pub event: Option<String>,
    /// When it was recorded.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// The columns that differed.
    pub changes: Vec<ColumnChange>,
}

/// How a row parted from the log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExplanationKind {
    /// It was what the log made before the event.
    AsOf,
    /// No part of the log makes it: something else changed it.
    NotOfTheLog,
    /// It is parked at the event.
    Parked,
}

/// A column that differed.
#[derive(Serialize, ToSchema)]
pub struct ColumnChange {
    pub column: String,
    /// As it was.
    #[schema(required)]
    pub before: Option<Value>,
    /// As the log makes it.
    #[schema(required)]
    pub after: Option<Value>,
}

impl From<Overview> for Projections {
    fn from(overview: Overview) -> Self {
        let views = overview.views.into_iter().map(|it| Projection {
            view: it.view,
            position: it.position,
            behind: it.behind,
            waiting_since: it.waiting_since,
            rows: it.rows,
            parked: it.parked,
            rebuild: it.rebuild.map(Rebuild::from),
        });
        Self { end: overview.end, unplaced: overview.unplaced, views: views.collect() }
    }
}

impl From<Run> for Rebuild {
    fn from(run: Run) -> Self {
        Self {
            rebuild_id: run.rebuild_id.0,
            view: run.view,
            dry_run: run.dry_run,
            status: match run.status {
                RunStatus::Waiting => RebuildStatus::Waiting,
                RunStatus::Running => RebuildStatus::Running,
                RunStatus::Done => RebuildStatus::Done,
                RunStatus::Failed => RebuildStatus::Failed,
                RunStatus::Cancelled => RebuildStatus::Cancelled,
            },
            position: run.position,
            end: run.end,
            events_per_second: run.events_per_second,
            started_at: run.started_at,
            ended_at: run.ended_at,
            asked_by: run.asked_by.0,
            error: run.error,
            report: run.report.map(RebuildReport::from),
        }
    }
}

impl From<RunReport> for RebuildReport {
    fn from(report: RunReport) -> Self {
        Self {
            rows: report.rows,
            differ: report.differ,
            missing: report.missing,
            extra: report.extra,
            differences: report.differences.into_iter().map(RebuildDifference::from).collect(),
        }
    }
}

impl From<RowDifference> for RebuildDifference {
    fn from(row: RowDifference) -> Self {
        let explanation = row.explanation;
        let kind = match explanation.kind {
            PartingKind::AsOf => Some(ExplanationKind::AsOf),
            PartingKind::NotOfTheLog => Some(ExplanationKind::NotOfTheLog),
            PartingKind::Parked => Some(ExplanationKind::Parked),
            PartingKind::Unexplained => None,
        };
        let changes = explanation.changes.into_iter().map(|it| ColumnChange {
            column: it.column,
            before: it.before,
            after: it.after,
        });
        let explanation = kind.map(|kind| Explanation {
            kind,
            position: explanation.position,
            event: explanation.event,
            at: explanation.at,
            changes: changes.collect(),
        });
        Self { key: row.key, live: row.live, log: row.log, explanation }
    }
}
