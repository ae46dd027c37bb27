//! Folds single rows again from the log: to unpark a key after a fix, or to rebuild the rows of one person.
//!
//! The whole row is folded again, because applying only the parked event late would differ from a rebuild.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use domain::AccountId;
use serde_json::Value;

use super::claim::{self, Claim};
use super::error::RebuildError;
use super::selection::select_views;
use super::slot::lock_position;
use crate::difference::{Difference, explain_difference};
use crate::explain::{Snapshot, fold_each};
use crate::one_row::{events_of, stored_row};
use eventlog::database::{Database, Transaction};
use eventlog::log::{Filter, Log};
use eventlog::wake::Topic;
use projections::projector::{self, Batch, SlotRole, Table, WriteMode};
use projections::views::{AnyView, Lookups, RowsBy};

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
    // An hour and a day are about everybody.
    let views = select_views(names)?.into_iter().filter(|view| view.interest().rows_by != RowsBy::Time);
    for view in views {
        let keys: BTreeSet<String> =
            events.iter().filter_map(|event| view.key(&event.fact()).map(Cow::into_owned)).collect();
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
    // In the view's own types, because PostgreSQL spells a time differently.
    let live = stored_row(transaction, view, &slot, key).await?.map(|row| view.canonical(row));
    let events = events_of(db, view, key, position).await?;
    let lookups = Lookups::for_events(db, &events).await?;
    let was_parked = sqlx::query_scalar!(
        "delete from parked where view = $1 and key = $2 returning position",
        shape.name,
        key,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let before = Snapshot { live, parked: was_parked, events, lookups };
    sqlx::query(&shape.delete(&slot)).bind(vec![key]).execute(&mut **transaction).await?;
    let table = Table { view, slot: &slot, position: 0, parked: HashSet::new(), role: SlotRole::Live };
    let batch = Batch { events: &before.events, lookups: &before.lookups, mode: WriteMode::RowByRow };
    batch.write(transaction, &[table]).await?;
    let after = stored_row(transaction, view, &slot, key).await?.map(|row| view.canonical(row));
    let parked =
        sqlx::query!("select position, error from parked where view = $1 and key = $2", shape.name, key)
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(report(view, key, &before, after, parked.map(|row| (row.position, row.error))))
}

/// Reports without writing, so it does not find a row that PostgreSQL would refuse.
async fn compare_with_log(
    db: &Database,
    view: &'static dyn AnyView,
    keys: &BTreeSet<String>,
) -> Result<Vec<KeyReport>, RebuildError> {
    let mut reports = Vec::new();
    for key in keys {
        let row = Snapshot::take(db, view, key).await?;
        let mut parked = None;
        let made = fold_each(view, &row.events, &row.lookups, |_, _, after| {
            let failure = after.failure.as_ref();
            parked = failure.map(|failure| (failure.position, failure.error.to_string()));
        });
        reports.push(report(view, key, &row, made, parked));
    }
    Ok(reports)
}

fn report(
    view: &'static dyn AnyView,
    key: &str,
    before: &Snapshot,
    after: Option<Value>,
    parked: Option<(i64, String)>,
) -> KeyReport {
    let difference = (before.live != after).then(|| {
        let after_position = parked.as_ref().map(|(position, _)| (*position, SlotRole::Building));
        let parked = before.parked.map(|position| (position, SlotRole::Live)).or(after_position);
        let parting = explain_difference(view, before.live.as_ref(), &before.events, &before.lookups, parked);
        let difference = Difference::between(key.to_owned(), before.live.clone(), after);
        Difference { parting: Some(parting), ..difference }
    });
    KeyReport { view: view.shape().name, key: key.to_owned(), difference, parked }
}
