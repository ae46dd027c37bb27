//! What was found: a line each.

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use terminal::{harmless, write_json};

use terminal::counted;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The service works, and an operator should know.
    Warning,
    /// The service does not work, or loses something.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of what: `database`, `bot token`.
    pub part: &'static str,
    /// How bad it is.
    pub level: Level,
    /// How it is.
    pub what: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_do: Option<String>,
}

/// Everything that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order in which a person would repair it.
    pub findings: Vec<Finding>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(part: &'static str, what: impl Into<String>) -> Self {
        Self { part, level: Level::Ok, what: what.into(), to_do: None }
    }

    /// An operator should know.
    pub fn warning(part: &'static str, what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { part, level: Level::Warning, what: what.into(), to_do: Some(to_do.into()) }
    }

    /// A bad setting, which was told already, stands in the way.
    pub fn not_asked(part: &'static str) -> Self {
        Self::warning(part, "not asked", "correct the settings first")
    }

    /// It does not work, and the text itself says what to do.
    pub fn fault_with_remedy(part: &'static str, what: impl Into<String>) -> Self {
        Self { part, level: Level::Fault, what: what.into(), to_do: None }
    }

    /// It does not work.
    pub fn fault(part: &'static str, what: impl Into<String>, to_do: impl Into<String>) -> Self {
        Self { part, level: Level::Fault, what: what.into(), to_do: Some(to_do.into()) }
    }
}

impl Report {
    /// Whether anything does not work.
    pub fn has_fault(&self) -> bool {
        self.count(Level::Fault) > 0
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// `{"ok": false, "findings": [{"part": "database", "level": "fault", "what": "…", "to_do": "…"}]}`
    ///
    /// # Errors
    /// The writer's.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Json<'a> {
            ok: bool,
            findings: &'a [Finding],
        }
        write_json(&Json { ok: !self.has_fault(), findings: &self.findings }, out)?;
        writeln!(out)
    }

    /// A line for each finding, and their number.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let has_colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        for Finding { part, level, what, to_do } in &self.findings {
            let (word, colour) = match level {
                Level::Ok => ("ok", AnsiColor::Green),
                Level::Warning => ("warning", AnsiColor::Yellow),
                Level::Fault => ("fault", AnsiColor::Red),
            };
            let style = if has_colours { colour.on_default() } else { Style::new() };
            let to_do = to_do.as_ref().map(|to_do| format!(": {to_do}")).unwrap_or_default();
            let line = format!("{what}{to_do}");
            writeln!(out, "{style}{word:<8}{style:#} {part:<12} {}", harmless(&line))?;
        }
        let (faults, warnings) = (self.count(Level::Fault), self.count(Level::Warning));
        match (faults, warnings) {
            (0, 0) => writeln!(out, "all is well"),
            (0, _) => writeln!(out, "no fault, {}", counted(warnings, "warning")),
            _ => writeln!(out, "{}, {}", counted(faults, "fault"), counted(warnings, "warning")),
        }
    }
}
