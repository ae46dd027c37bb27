//! The log, read once into views in memory: what a verification compares, a rebuild writes, and "as of" tells.

use std::collections::HashMap;

use crate::database::{Database, DatabaseError};
use crate::log::Log;
use crate::views::{AnyView, Aside, Known, Poison};

const BATCH: i64 = 2_000;

/// Views folded aside, up to a position.
pub(crate) struct Reading<'a> {
    db: &'a Database,
    log: Log,
    pub asides: Vec<(&'static dyn AnyView, Box<dyn Aside>)>,
    pub at: i64,
    pub events: u64,
    /// Events that cannot be decoded: where, and why.
    pub undecodable: Vec<(i64, String)>,
    /// Keys that stand still for another reason than that they were held.
    pub poison: HashMap<&'static str, Vec<(String, Poison)>>,
    /// How far to fold a view, where not as far as the others.
    pub limits: HashMap<String, i64>,
}

impl<'a> Reading<'a> {
    pub fn begin(db: &'a Database, views: &[&'static dyn AnyView]) -> Self {
        Self {
            db,
            log: Log::new(db),
            asides: views.iter().map(|view| (*view, view.aside())).collect(),
            at: 0,
            events: 0,
            undecodable: Vec::new(),
            poison: HashMap::new(),
            limits: HashMap::new(),
        }
    }

    /// These keys (view, key, from which event on) stand still.
    pub fn hold(&mut self, parked: &[(String, String, i64)]) {
        for (view, aside) in &mut self.asides {
            for (_, key, position) in parked.iter().filter(|(name, ..)| name == view.shape().name) {
                aside.hold(key.clone(), *position);
            }
        }
    }

    /// Folds everything up to a position in; `progress` hears how far it is.
    pub async fn read_to(
        &mut self,
        end: i64,
        progress: &mut impl FnMut(i64, i64),
    ) -> Result<(), DatabaseError> {
        while self.at < end {
            let events = self.log.read(self.at, BATCH.min(end - self.at)).await?;
            let Some(last) = events.last() else { return Ok(()) };
            self.at = last.position;
            let known = Known::for_events(self.db, &events).await?;
            for event in &events {
                self.events += 1;
                if let Err(error) = &event.event {
                    self.undecodable.push((event.position, error.to_string()));
                }
                for (view, aside) in &mut self.asides {
                    let name = view.shape().name;
                    if self.limits.get(name).is_some_and(|limit| event.position > *limit) {
                        continue;
                    }
                    self.poison.entry(name).or_default().extend(aside.take(event, &known));
                }
            }
            progress(self.at, end);
        }
        Ok(())
    }
}
