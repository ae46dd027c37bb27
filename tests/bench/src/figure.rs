//! A figure, always as a ratio, and the report that they make.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// A measured value beside what it is measured against in the same run.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured: `rebuild of users, 1,000,000 events`.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: `events/s`, `ms`, `MiB`.
    pub unit: &'static str,
    /// What it is compared with: `ordered binary COPY to nowhere`. For a goal that is a number, `the goal`.
    pub reference: String,
    /// How much that was, in the same unit.
    pub reference_value: f64,
    /// `value / reference_value`.
    pub ratio: f64,
    /// What the ratio should be: `at least 0.5`; None: told for comparison only.
    pub goal: Option<String>,
    /// Whether it is; None where there is no goal.
    pub goal_met: Option<bool>,
}

/// What a ratio should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// For a value that should be high.
    AtLeast(f64),
    /// For a value that should be low.
    AtMost(f64),
}

impl Figure {
    /// Told for comparison, without a goal.
    pub fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        reference: impl Into<String>,
        reference_value: f64,
    ) -> Self {
        let (name, reference) = (name.into(), reference.into());
        let ratio = value / reference_value;
        Self { name, value, unit, reference, reference_value, ratio, goal: None, goal_met: None }
    }

    /// With what the ratio should be.
    #[must_use]
    pub fn with_goal(self, goal: Goal) -> Self {
        let (text, met) = match goal {
            Goal::AtLeast(bound) => (format!("at least {bound}"), self.ratio >= bound),
            Goal::AtMost(bound) => (format!("at most {bound}"), self.ratio <= bound),
        };
        Self { goal: Some(text), goal_met: Some(met), ..self }
    }
}

/// All figures of a run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds a figure, and prints it on stderr.
    pub fn add(&mut self, figure: Figure) {
        eprintln!("{figure}");
        self.figures.push(figure);
    }

    /// Writes the figures as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures.iter().try_for_each(|figure| writeln!(f, "{figure}"))
    }
}

impl fmt::Display for Figure {
    /// `rebuild of users: 310,000 events/s, 0.52 of ordered binary COPY to nowhere (600,000); goal at least 0.5: met`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unit, reference, .. } = self;
        let (value, reference_value) = (number(self.value), number(self.reference_value));
        write!(f, "{name}: {value} {unit}, {} of {reference} ({reference_value})", number(self.ratio))?;
        match (&self.goal, self.goal_met) {
            (Some(goal), Some(true)) => write!(f, "; goal {goal}: met"),
            (Some(goal), _) => write!(f, "; goal {goal}: MISSED"),
            (None, _) => Ok(()),
        }
    }
}

/// Three digits at least, thousands set apart: `0.523`, `12.4`, `310,512`.
fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.3}");
    }
    if value.abs() < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value);
    let (sign, digits) = digits.strip_prefix('-').map_or(("", &*digits), |rest| ("-", rest));
    let first = digits.len() % 3;
    let mut groups: Vec<&str> = if first == 0 { Vec::new() } else { vec![&digits[..first]] };
    groups.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_shows_value_unit_reference_and_whether_the_goal_is_met() {
        let figure = Figure::new("rebuild of users", 310_000.0, "events/s", "the limit", 600_000.0);
        let told = figure.clone().with_goal(Goal::AtLeast(0.5)).to_string();
        assert_eq!(
            told,
            "rebuild of users: 310,000 events/s, 0.517 of the limit (600,000); goal at least 0.5: met"
        );
        assert!(figure.clone().with_goal(Goal::AtMost(0.5)).to_string().ends_with("at most 0.5: MISSED"));
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(serde_json::to_value(figure).unwrap()["goal_met"], serde_json::Value::Null);
    }
}
