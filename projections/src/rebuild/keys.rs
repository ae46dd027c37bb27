//! Folds single rows again from the log: to unpark a key after a fix, or to rebuild the rows of one person.
//!
//! The whole row is folded again, because applying only the parked event late would differ from a rebuild.

use std::collections::{BTreeSet, HashSet};

use domain::AccountId;
use serde_json::Value;
use sqlx::types::Json;

use super::claim::{self, Claim};
use super::error::RebuildError;
use super::selection::select_views;
use super::slot::{events_of, lock_position};
use crate::projector::{self, Batch, SlotRole, Table, WriteMode};
use crate::verify::Difference;
use crate::views::{AnyView, Lookups, RowsBy};
use eventlog::database::{Connection, Database, Transaction};
use eventlog::log::{Filter, Log};
use eventlog::wake::Topic;

/// Events in one page, when the rows of a person are looked for.
const PAGE: i64 = 500;

/// The result for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// The view.
    pub view: &'static str,
    /// Its key.
    pub key: String,
    /// How it differed from the row that the log makes; None where it did not.
    pub difference: Option<Difference>,
    /// The position at which it is parked, and why; None where it is not.
    pub parked: Option<(i64, String)>,
}

/// Unparks a key: folds its row again. If the event still cannot be folded in, the key stays parked.
///
/// # Errors
/// [`RebuildError`].
pub async fn unpark(db: &Database, view: &str, key: &str) -> Result<KeyReport, RebuildError> {
    let views = select_views(&[view.to_owned()])?;
    let keys = BTreeSet::from([key.to_owned()]);
    let mut reports = refold(db, views[0], &keys, true).await?;
    reports.pop().ok_or_else(|| RebuildError::Unknown { view: view.to_owned() })
}

/// Rebuilds only the rows of one person, in these views or in all. With `write` false it only reports differences.
///
/// # Errors
/// [`RebuildError`].
pub async fn rebuild_account(
    db: &Database,
    account: AccountId,
    names: &[String],
    write: bool,
) -> Result<Vec<KeyReport>, RebuildError> {
    let log = Log::new(db);
    let filter = Filter { account: Some(account), ..Filter::default() };
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(0, |event: &eventlog::log::LogEvent| event.position);
        let page = log.history(&filter, after, PAGE).await?;
        let full = page.len() as i64 == PAGE;
        events.extend(page);
        if !full {
            break;
        }
    }
    let mut reports = Vec::new();
    // An hour is about everybody.
    let views = select_views(names)?.into_iter().filter(|view| view.interest().rows_by != RowsBy::Hour);
    for view in views {
        let keys: BTreeSet<String> = events.iter().filter_map(|event| view.key(event)).collect();
        reports.extend(refold(db, view, &keys, write).await?);
    }
    Ok(reports)
}

async fn refold(
    db: &Database,
    view: &'static dyn AnyView,
    keys: &BTreeSet<String>,
    write: bool,
) -> Result<Vec<KeyReport>, RebuildError> {
    if !write {
        return compare_with_log(db, view, keys).await;
    }
    claim::may_rebuild(db, &[view]).await?;
    // A rebuild of the whole view would overwrite the row; it folds the row again anyway.
    let claim = Claim::take(db, &[view]).await?;
    let mut reports = Vec::new();
    for key in keys {
        let mut transaction = projector::begin(db).await?;
        let report = refold_one(db, &mut transaction, view, key).await?;
        transaction.commit().await?;
        reports.push(report);
    }
    claim.end().await;
    db.wake().notify(Topic::Projected);
    Ok(reports)
}

#[tracing::instrument(name = "refold", level = "error", skip_all, fields(view = view.shape().name, key, position))]
async fn refold_one(
    db: &Database,
    transaction: &mut Transaction,
    view: &'static dyn AnyView,
    key: &str,
) -> Result<KeyReport, RebuildError> {
    let shape = view.shape();
    let position = lock_position(transaction, shape.name).await?;
    tracing::Span::current().record("position", position);
    let slot = projector::live_slot(&mut **transaction, shape.name).await?;
    let before = row(transaction, view, &slot, key).await?;
    let events = events_of(db, view, key, position).await?;
    let lookups = Lookups::for_events(db, &events).await?;
    sqlx::query!("delete from parked where view = $1 and key = $2", shape.name, key)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(&shape.delete(&slot)).bind(vec![key]).execute(&mut **transaction).await?;
    let table = Table { view, slot: &slot, position: 0, parked: HashSet::new(), role: SlotRole::Live };
    let batch = Batch { events: &events, lookups: &lookups, mode: WriteMode::RowByRow };
    batch.write(transaction, &table).await?;
    let after = row(transaction, view, &slot, key).await?;
    let parked =
        sqlx::query!("select position, error from parked where view = $1 and key = $2", shape.name, key)
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(report(view, key, before, after, parked.map(|row| (row.position, row.error))))
}

/// Reports without writing, so it does not find a row that PostgreSQL would refuse.
async fn compare_with_log(
    db: &Database,
    view: &'static dyn AnyView,
    keys: &BTreeSet<String>,
) -> Result<Vec<KeyReport>, RebuildError> {
    let mut reports = Vec::new();
    for key in keys {
        let begin = "begin isolation level repeatable read, read only";
        let mut snapshot = db.begin(begin).await?;
        let name = view.shape().name;
        let position = sqlx::query_scalar!("select position from checkpoints where consumer = $1", name)
            .fetch_one(&mut *snapshot)
            .await?;
        let slot = projector::live_slot(&mut *snapshot, view.shape().name).await?;
        let before = row(&mut snapshot, view, &slot, key).await?;
        let events = events_of(db, view, key, position).await?;
        let lookups = Lookups::for_events(db, &events).await?;
        let mut table = view.memory_table();
        let failure = events.iter().filter_map(|event| table.fold_in(&event.fact(), &lookups)).next();
        let after = table.rows(Some(key)).pop();
        let parked = failure.map(|(_, failure)| (failure.position, failure.error.to_string()));
        reports.push(report(view, key, before, after, parked));
        snapshot.rollback().await?;
    }
    Ok(reports)
}

fn report(
    view: &'static dyn AnyView,
    key: &str,
    before: Option<Value>,
    after: Option<Value>,
    parked: Option<(i64, String)>,
) -> KeyReport {
    // In the view's own types, because PostgreSQL spells a time differently.
    let [before, after] = [before, after].map(|row| row.map(|row| view.canonical(row)));
    let difference = (before != after).then(|| Difference::between(key.to_owned(), before, after));
    KeyReport { view: view.shape().name, key: key.to_owned(), difference, parked }
}

/// The row of this key in a slot.
pub(crate) async fn row(
    connection: &mut Connection,
    view: &'static dyn AnyView,
    slot: &str,
    key: &str,
) -> Result<Option<Value>, sqlx::Error> {
    let found: Option<(String, Json<Value>)> =
        sqlx::query_as(&view.shape().select(slot)).bind(vec![key]).fetch_optional(connection).await?;
    Ok(found.map(|(_, Json(row))| row))
}
