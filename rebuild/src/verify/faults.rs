//! What readers of a view depend on, besides its rows: checkpoints, the public views, and the limits of people without a
//! subscription. All of it is looked at in the snapshot in which rows are compared.

use std::collections::HashMap;
use std::fmt;

use eventlog::database::{Connection, DatabaseError};
use projections::views::AnyView;

/// Checkpoints in a snapshot: consumer → (position, slot).
pub(super) type Checkpoints = HashMap<String, (i64, String)>;

/// What is wrong with what views read. Its text is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewFault {
    /// This reader of the log has no row in `checkpoints`.
    NoCheckpoint(String),
    /// The reader, its position, and the log's last one, which is smaller.
    BeyondEnd(String, i64, i64),
    /// The public view does not read its live slot alone. The view and that slot.
    OtherTable(&'static str, String),
    /// The public view shows this many rows, and its table has so many.
    RowCount(&'static str, i64, i64),
    /// So many of the view's tallies are not what its rows make.
    Tallies(&'static str, i64),
    /// The limits are not those that a leader wrote.
    FreeLimits,
}

/// Looks for faults of these views and of the reactor.
pub(super) async fn check(
    snapshot: &mut Connection,
    views: &[&'static dyn AnyView],
    checkpoints: &Checkpoints,
) -> Result<Vec<ViewFault>, DatabaseError> {
    let mut faults = Vec::new();
    let end = sqlx::query_scalar!(r#"select coalesce(max(position), 0) as "end!" from log_index"#)
        .fetch_one(&mut *snapshot)
        .await?;
    let names = views.iter().map(|view| view.shape().name);
    for consumer in names.chain(["reactor"]).filter(|name| !checkpoints.contains_key(*name)) {
        faults.push(ViewFault::NoCheckpoint(consumer.to_owned()));
    }
    let mut beyond: Vec<_> = checkpoints.iter().filter(|(_, (position, _))| *position > end).collect();
    beyond.sort();
    faults.extend(
        beyond
            .into_iter()
            .map(|(consumer, (position, _))| ViewFault::BeyondEnd(consumer.clone(), *position, end)),
    );
    for view in views {
        let name = view.shape().name;
        let Some((_, slot)) = checkpoints.get(name) else { continue };
        let table = view.shape().table(slot);
        let read = tables_of(snapshot, name).await?;
        if read != [table.as_str()] {
            faults.push(ViewFault::OtherTable(name, table));
            continue;
        }
        let shown = count(snapshot, &format!("public.{name}")).await?;
        let stored = count(snapshot, &table).await?;
        if shown != stored {
            faults.push(ViewFault::RowCount(name, shown, stored));
        }
        let differing = differing_tallies(snapshot, name, slot).await?;
        if differing > 0 {
            faults.push(ViewFault::Tallies(name, differing));
        }
    }
    let as_written = sqlx::query_scalar!(
        r#"select coalesce(bool_and(written_sha256 = sha256(convert_to(limits::text, 'UTF8'))), false) as "as_written!"
             from free_limits"#
    )
    .fetch_one(&mut *snapshot)
    .await?;
    if !as_written {
        faults.push(ViewFault::FreeLimits);
    }
    Ok(faults)
}

/// How many tallies of a slot differ from its rows; of most views there are none.
async fn differing_tallies(snapshot: &mut Connection, view: &str, slot: &str) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "count!"
             from count_tallies($1, $2) counted
             full join (select tally, value, count from slots.tallies where view = $1 and slot = $2 and count <> 0) kept
               using (tally, value)
            where counted.count is distinct from kept.count"#,
        view,
        slot,
    )
    .fetch_one(snapshot)
    .await?)
}

/// The slots that a public view reads.
async fn tables_of(snapshot: &mut Connection, view: &str) -> Result<Vec<String>, DatabaseError> {
    Ok(sqlx::query_scalar!(
        r#"select distinct n.nspname || '.' || c.relname as "table!"
             from pg_rewrite r
             join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
             join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
             join pg_namespace n on n.oid = c.relnamespace
            where r.ev_class = to_regclass('public.' || $1) and n.nspname = 'slots'"#,
        view
    )
    .fetch_all(snapshot)
    .await?)
}

async fn count(snapshot: &mut Connection, table: &str) -> Result<i64, DatabaseError> {
    Ok(sqlx::query_scalar(&format!("select count(*) from {table}")).fetch_one(snapshot).await?)
}

impl fmt::Display for ViewFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCheckpoint(consumer) => write!(
                f,
                "{consumer}: it has no row in checkpoints, so nothing reads the log for it: restore the database from \
                 a backup that has it"
            ),
            Self::BeyondEnd(consumer, position, end) => write!(
                f,
                "{consumer}: its checkpoint is {position}, and the log ends at {end}: the last events are gone, or the \
                 checkpoint was changed; restore the database from a backup that has them"
            ),
            Self::OtherTable(view, table) => write!(
                f,
                "{view}: the view does not read {table} alone: its definition was changed; `replay rebuild {view}` \
                 does not mend that, restore the definition from a backup"
            ),
            Self::RowCount(view, shown, stored) => write!(
                f,
                "{view}: the view shows {shown} rows, and its table has {stored}: its definition was changed, or \
                 free_limits has not one row; restore them from a backup"
            ),
            Self::Tallies(view, differing) => write!(
                f,
                "{view}: {differing} of its tallies are not what its rows make: slots.tallies was changed; run `replay \
                 rebuild {view}`"
            ),
            Self::FreeLimits => write!(
                f,
                "free_limits: they are not as the service wrote them; restart the service, which writes what its \
                 settings say"
            ),
        }
    }
}
