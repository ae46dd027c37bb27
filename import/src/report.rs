//! What an import did: how many of each came over, and every row that did not, or not as it was, with the reason. It names people by
//! the ids of the Python system and of Telegram, never by their names.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// The table that session files are told of in.
pub const FILES: &str = "sessions";

/// What an import did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When it began.
    pub began_at: Timestamp,
    /// Nothing was changed: it says what would have been.
    pub dry_run: bool,
    /// Sessions went back: what was taken is what went back.
    pub undo: bool,
    /// How many of each.
    pub totals: BTreeMap<Kind, Total>,
    /// What was not taken.
    pub not_taken: Vec<Entry>,
    /// What was taken, and not as it was.
    pub changed: Vec<Entry>,
    /// What is to be said of the import as a whole.
    pub notes: Vec<String>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People.
    People,
    /// Admins and auditors among them.
    Roles,
    /// Blocked people among them.
    Blocks,
    /// Subscriptions, those that are over among them.
    Subscriptions,
    /// What happened to subscriptions.
    History,
    /// Linked sessions.
    Sessions,
    /// Invites.
    Invites,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::People,
        Self::Roles,
        Self::Blocks,
        Self::Subscriptions,
        Self::History,
        Self::Sessions,
        Self::Invites,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Roles => "admins and auditors",
            Self::Blocks => "blocks",
            Self::Subscriptions => "subscriptions",
            Self::History => "history",
            Self::Sessions => "sessions",
            Self::Invites => "invites",
        }
    }
}

/// How many of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// This import took them.
    pub taken: usize,
    /// They were here already.
    pub here_before: usize,
    /// They were not taken.
    pub not_taken: usize,
}

/// A row, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Entry {
    /// Of which table, or [`FILES`] for a file.
    pub table: &'static str,
    /// Which row.
    pub row: String,
    /// Why it was not taken, or what was changed.
    pub why: String,
}

impl Report {
    /// An empty one.
    pub fn new(began_at: Timestamp, dry_run: bool) -> Self {
        let totals = Kind::ALL.into_iter().map(|kind| (kind, Total::default())).collect();
        Self {
            began_at,
            dry_run,
            undo: false,
            totals,
            not_taken: Vec::new(),
            changed: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// An empty one of sessions that go back.
    pub fn undo(began_at: Timestamp, dry_run: bool) -> Self {
        let totals = BTreeMap::from([(Kind::Sessions, Total::default())]);
        Self { undo: true, totals, ..Self::new(began_at, dry_run) }
    }

    /// So many of them came over.
    pub fn took(&mut self, kind: Kind, count: usize) {
        self.total(kind).taken += count;
    }

    /// So many of them were here before.
    pub fn were_here(&mut self, kind: Kind, count: usize) {
        self.total(kind).here_before += count;
    }

    /// A row was not taken.
    pub fn not_taken(&mut self, kind: Kind, table: &'static str, row: String, why: impl fmt::Display) {
        self.total(kind).not_taken += 1;
        self.not_taken.push(Entry { table, row, why: why.to_string() });
    }

    /// A table was not taken as a whole.
    pub fn table_not_taken(&mut self, table: &'static str, why: impl fmt::Display) {
        self.not_taken.push(Entry { table, row: "(all)".to_owned(), why: why.to_string() });
    }

    /// A row was taken, and something in it was not.
    pub fn changed(&mut self, table: &'static str, row: String, what: impl fmt::Display) {
        self.changed.push(Entry { table, row, why: what.to_string() });
    }

    /// Something is to be said of the import as a whole.
    pub fn note(&mut self, what: impl fmt::Display) {
        self.notes.push(what.to_string());
    }

    fn total(&mut self, kind: Kind) -> &mut Total {
        self.totals.entry(kind).or_default()
    }

    /// As JSON, for a program.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data") + "\n"
    }
}

/// As a table, for an operator.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, taken, not_taken) = match self.undo {
            false => ("Import", "TAKEN", "Not taken"),
            true => ("Return of sessions", "RETURNED", "Not returned"),
        };
        let dry_run = if self.dry_run { " (dry run: nothing was changed)" } else { "" };
        writeln!(f, "{what} of {}{dry_run}\n", self.began_at.strftime("%Y-%m-%d %H:%M UTC"))?;
        writeln!(f, "{:<20} {taken:>8} {:>12} {:>13}", "", "HERE BEFORE", not_taken.to_uppercase())?;
        for (kind, total) in &self.totals {
            let Total { taken, here_before, not_taken } = total;
            writeln!(f, "{:<20} {taken:>8} {here_before:>12} {not_taken:>13}", kind.name())?;
        }
        entries(f, not_taken, &self.not_taken)?;
        entries(f, "Done, but not as it was there", &self.changed)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "\nNote: {note}"))
    }
}

fn entries(f: &mut fmt::Formatter<'_>, title: &str, entries: &[Entry]) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    let width = |of: fn(&Entry) -> usize| entries.iter().map(of).max().unwrap_or_default();
    let (table, row) = (width(|entry| entry.table.len()), width(|entry| entry.row.chars().count()));
    writeln!(f, "\n{title}:\n")?;
    for entry in entries {
        writeln!(f, "  {:<table$}  {:<row$}  {}", entry.table, entry.row, entry.why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
