//! What a comparison of the views with the log found.

use super::faults::ViewFault;
use crate::difference::Difference;
use eventlog::integrity::LogFault;

/// Differences that are reported one by one, and explained; the others are only counted.
pub(crate) const EXAMPLES: usize = 100;

/// The result of a verification.
#[derive(Clone, Debug)]
pub struct Report {
    /// Events that were read.
    pub events: u64,
    /// Events that cannot be decoded: where, and why.
    pub undecodable: Vec<(i64, String)>,
    /// What is wrong with positions and streams. Only looked for by [`verify`](super::verify()).
    pub log_faults: Vec<LogFault>,
    /// What is wrong with what views read, besides rows.
    pub view_faults: Vec<ViewFault>,
    /// One report for each view.
    pub views: Vec<ViewReport>,
}

/// The result for one view.
#[derive(Clone, Debug)]
pub struct ViewReport {
    /// The view.
    pub view: &'static str,
    /// The position at which it was compared.
    pub position: i64,
    /// Rows that the log makes.
    pub rows: usize,
    /// Rows that differ, are missing, or should not be there.
    pub differ: usize,
    /// Those of them that are missing in the live table.
    pub missing: usize,
    /// Those of them that the log does not make.
    pub extra: usize,
    /// The first of those that differ.
    pub examples: Vec<Difference>,
    /// Parked keys of the live table; they are compared as they were parked.
    pub parked: usize,
}

impl Report {
    /// Whether the log is whole, and nothing differs from it.
    pub fn is_clean(&self) -> bool {
        self.undecodable.is_empty()
            && self.log_faults.is_empty()
            && self.view_faults.is_empty()
            && self.views.iter().all(|view| view.differ == 0)
    }
}

impl ViewReport {
    /// Counts a row that differs. It is only put into words where it is one of the first.
    pub(super) fn count(&mut self, example: impl FnOnce() -> Difference) {
        self.differ += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}
