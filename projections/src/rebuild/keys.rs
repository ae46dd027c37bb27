//! One row alone, folded anew from the log: to let a parked key go after a fix, or to look at one person.
//!
//! Applying the parked event late would differ from a rebuild, so the whole row is made anew.

use std::collections::{BTreeSet, HashSet};

use domain::AccountId;
use serde_json::Value;
use sqlx::types::Json;

use super::claim::{self, Claim};
use super::slot::{events_of, locked_position};
use super::{RebuildError, chosen};
use crate::projector::{self, Batch, Side, Table, WriteMode};
use crate::verify::Difference;
use crate::views::{AnyView, Lookups};
use eventlog::database::{Connection, Database, Transaction};
use eventlog::log::{Filter, Log};
use eventlog::wake::Topic;

/// Events a page, when a person's rows are looked for.
const PAGE: i64 = 500;

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// Of which view.
    pub view: &'static str,
    /// Its key.
    pub key: String,
    /// In what it differed from what the log makes; None: in nothing.
    pub difference: Option<Difference>,
    /// From which event on it stands still, and why; None: it goes.
    pub parked: Option<(i64, String)>,
}

/// Lets a parked key go: folds its row anew. Where the event still cannot be taken in, it stands still as before.
///
/// # Errors
/// [`RebuildError`].
pub async fn unpark(db: &Database, view: &str, key: &str) -> Result<KeyReport, RebuildError> {
    let views = chosen(&[view.to_owned()])?;
    let keys = BTreeSet::from([key.to_owned()]);
    let mut reports = refold(db, views[0], &keys, true).await?;
    reports.pop().ok_or_else(|| RebuildError::Unknown { view: view.to_owned() })
}

/// Rebuilds the rows of one person alone, in these views or in all; with `write` false it only tells what differs.
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
    for view in chosen(names)? {
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
        return told(db, view, keys).await;
    }
    claim::may_rebuild(db, &[view]).await?;
    // A whole rebuild would not hear of it, and does the same.
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

async fn refold_one(
    db: &Database,
    transaction: &mut Transaction,
    view: &'static dyn AnyView,
    key: &str,
) -> Result<KeyReport, RebuildError> {
    let shape = view.shape();
    let position = locked_position(transaction, shape.name).await?;
    let slot = live_slot(transaction, view).await?;
    let before = row(transaction, view, &slot, key).await?;
    let events = events_of(db, view, key, position).await?;
    let lookups = Lookups::for_events(db, &events).await?;
    sqlx::query("delete from parked where view = $1 and key = $2")
        .bind(shape.name)
        .bind(key)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(&shape.delete(&slot)).bind(vec![key]).execute(&mut **transaction).await?;
    let table = Table { view, slot: &slot, position: 0, parked: HashSet::new(), side: Side::Live };
    let batch = Batch { events: &events, lookups: &lookups, mode: WriteMode::RowByRow };
    batch.write(transaction, &table).await?;
    let after = row(transaction, view, &slot, key).await?;
    let parked = sqlx::query_as("select position, error from parked where view = $1 and key = $2")
        .bind(shape.name)
        .bind(key)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(report(view, key, before, after, parked))
}

/// Without writing; a row that PostgreSQL would refuse is not found out.
async fn told(
    db: &Database,
    view: &'static dyn AnyView,
    keys: &BTreeSet<String>,
) -> Result<Vec<KeyReport>, RebuildError> {
    let mut reports = Vec::new();
    for key in keys {
        let begin = "begin isolation level repeatable read, read only";
        let mut snapshot = db.begin(begin).await?;
        let position: i64 = sqlx::query_scalar("select position from checkpoints where consumer = $1")
            .bind(view.shape().name)
            .fetch_one(&mut *snapshot)
            .await?;
        let slot = live_slot(&mut snapshot, view).await?;
        let before = row(&mut snapshot, view, &slot, key).await?;
        let events = events_of(db, view, key, position).await?;
        let lookups = Lookups::for_events(db, &events).await?;
        let mut aside = view.memory_table();
        let failure = events.iter().filter_map(|event| aside.take(&event.fact(), &lookups)).next();
        let after = aside.rows(Some(key)).pop();
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
    // In the view's own types: PostgreSQL spells a time in another way than we do.
    let [before, after] = [before, after].map(|row| row.map(|row| view.canonical(row)));
    let difference = (before != after).then(|| Difference::between(key.to_owned(), before, after));
    KeyReport { view: view.shape().name, key: key.to_owned(), difference, parked }
}

async fn live_slot(connection: &mut Connection, view: &'static dyn AnyView) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("select slot from checkpoints where consumer = $1")
        .bind(view.shape().name)
        .fetch_one(connection)
        .await
}

async fn row(
    connection: &mut Connection,
    view: &'static dyn AnyView,
    slot: &str,
    key: &str,
) -> Result<Option<Value>, sqlx::Error> {
    let found: Option<(String, Json<Value>)> =
        sqlx::query_as(&view.shape().select(slot)).bind(vec![key]).fetch_optional(connection).await?;
    Ok(found.map(|(_, Json(row))| row))
}
