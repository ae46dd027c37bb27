//! The figures of all rounds as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::failover::{Fault, Figures};

/// The figures of every round, by what happened.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<(&'static str, Fault), Vec<Figures>>);

impl Table {
    pub fn add(&mut self, part: &'static str, fault: Fault, figures: Figures) {
        self.0.entry((part, fault)).or_default().push(figures);
    }
}

/// In Markdown.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| | rounds | new primary after, s: min / p50 / p99 / max | then `/login` answered after | the last one waited |"
        )?;
        writeln!(f, "|---|---|---|---|---|")?;
        for ((part, fault), figures) in &self.0 {
            write_row(f, &format!("{part}, {fault:?}"), figures)?;
        }
        let of = |name: &[&str]| -> Vec<Figures> {
            let parts = self.0.iter().filter(|((part, _), _)| name.contains(part));
            parts.flat_map(|(_, figures)| figures.iter().copied()).collect()
        };
        let synchronous = of(&["haproxy", "hosts"]);
        write_row(f, "all with synchronous replication", &synchronous)
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, title: &str, figures: &[Figures]) -> fmt::Result {
    let columns = [
        spread(figures.iter().map(|it| it.new_primary)),
        spread(figures.iter().map(|it| it.answered)),
        spread(figures.iter().map(|it| it.longest)),
    ];
    writeln!(f, "| {title} | {} | {} |", figures.len(), columns.join(" | "))
}

/// `min / p50 / p99 / max` in seconds.
fn spread(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1));
    let seconds = [times.first(), at(50), at(99), times.last()]
        .map(|time| time.map_or_else(|| "–".to_owned(), |time| format!("{:.1}", time.as_secs_f64())));
    seconds.join(" / ")
}
