//! The rows of one view, as the log makes them, beside the live ones of a snapshot.

use std::collections::HashMap;

use futures::TryStreamExt;
use serde_json::Value;
use sqlx::types::Json;

use super::report::{EXAMPLES, ViewReport};
use crate::bounded::{Part, Parts};
use crate::difference::{Difference, ParkedAt};
use crate::error::VerifyError;
use crate::one_row::{fold_alone, stored_row};
use crate::overflow::{Overflow, Record, Room};
use eventlog::database::{Connection, Database};
use projections::projector::SlotRole;
use projections::views::{AnyView, Comparison, MemoryTable, RowFailure};

/// A view that is compared with its live rows.
pub(super) struct ViewComparison<'a> {
    pub db: &'a Database,
    pub view: &'static dyn AnyView,
    pub slot: &'a str,
    pub report: ViewReport,
    /// In the live table, and in this comparison.
    pub parked: HashMap<String, ParkedAt>,
}

impl ViewComparison<'_> {
    /// With what the log makes.
    pub async fn with(&mut self, snapshot: &mut Connection, mut parts: Parts) -> Result<(), VerifyError> {
        let mut live_parts = match parts.file() {
            Some(file) => Some(self.live_in_parts(snapshot, &parts.room, file).await?),
            None => None,
        };
        while let Some(Part { number, mut rows, mut failures, out_of_order }) = parts.next()? {
            for key in out_of_order {
                let (view, position) = (self.view, self.report.position);
                failures.extend(fold_alone(self.db, view, &key, position, &mut *rows).await?);
            }
            self.report.rows += rows.row_count();
            for (key, failure) in failures {
                self.count_failure(snapshot, &mut *rows, key, &failure).await?;
            }
            if let Some(live_parts) = &mut live_parts {
                let read = live_parts.read(number, |record| {
                    if let Record::Row(key, row) = record {
                        self.compare_row(key.to_owned(), serde_json::from_slice(row)?, &mut *rows);
                    }
                    Ok(())
                });
                read.map_err(|error| parts.room.error(error))?;
            } else {
                let sql = self.view.shape().select_all(self.slot);
                let mut live = sqlx::query_as::<_, (String, Json<Value>)>(&sql).fetch(&mut *snapshot);
                while let Some((key, Json(row))) = live.try_next().await? {
                    self.compare_row(key, row, &mut *rows);
                }
            }
            for key in rows.not_compared() {
                self.report.missing += 1;
                self.report.count(|| {
                    let log = rows.rows(Some(&key)).pop();
                    Difference::between(key, None, log)
                });
            }
        }
        Ok(())
    }

    /// The live rows, divided as those of the log are.
    async fn live_in_parts(
        &self,
        snapshot: &mut Connection,
        room: &Room,
        file: &Overflow,
    ) -> Result<Overflow, VerifyError> {
        let sql = self.view.shape().select_all(self.slot);
        let mut live = sqlx::query_as::<_, (String, Json<Value>)>(&sql).fetch(snapshot);
        let mut parts = file.like(&room.directory).map_err(|error| room.error(error))?;
        while let Some((key, Json(row))) = live.try_next().await? {
            parts.put_row(&key, row.to_string().as_bytes()).map_err(|error| room.error(error))?;
        }
        Ok(parts)
    }

    async fn count_failure(
        &mut self,
        snapshot: &mut Connection,
        rows: &mut dyn MemoryTable,
        key: String,
        failure: &RowFailure,
    ) -> Result<(), VerifyError> {
        let Self { view, slot, report, parked, .. } = self;
        let what = format!("is parked at position {}: {}", failure.position, failure.error);
        parked.insert(key.clone(), (failure.position, SlotRole::Building));
        let live = match report.examples.len() < EXAMPLES {
            true => stored_row(snapshot, *view, slot, &key).await?.map(|row| view.canonical(row)),
            false => None,
        };
        report.count(|| {
            let log = rows.rows(Some(&key)).pop();
            Difference { key, what, live, log, parting: None }
        });
        Ok(())
    }

    fn compare_row(&mut self, key: String, row: Value, rows: &mut dyn MemoryTable) {
        let (log, is_unreadable) = match rows.compare(&key, &row) {
            Comparison::Same => return,
            Comparison::Differs(log) => (Some(log), false),
            Comparison::Unreadable(log) => (Some(log), true),
            Comparison::Surplus => (None, false),
        };
        self.report.extra += usize::from(log.is_none());
        self.report.count(|| {
            let difference = Difference::between(key, Some(self.view.canonical(row)), log);
            match is_unreadable {
                true => Difference { what: "does not have the view's shape".to_owned(), ..difference },
                false => difference,
            }
        });
    }
}
