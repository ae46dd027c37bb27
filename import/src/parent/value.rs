//! What the text in a column means.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::TextRow;

/// A text that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column} is {text}, which is no {wanted}")]
pub struct BadValue {
    column: &'static str,
    text: String,
    wanted: &'static str,
}

impl TextRow {
    fn parsed<T>(
        &self,
        column: &'static str,
        wanted: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadValue> {
        let Some(text) = self.text(column) else { return Ok(None) };
        let bad = || BadValue { column, text: quoted(text), wanted };
        parse(text).map(Some).ok_or_else(bad)
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`BadValue`].
    pub fn number(&self, column: &'static str) -> Result<Option<i64>, BadValue> {
        self.parsed(column, "whole number", |text| text.parse().ok())
    }

    /// Yes or no.
    ///
    /// # Errors
    /// [`BadValue`].
    pub fn truth(&self, column: &'static str) -> Result<Option<bool>, BadValue> {
        self.parsed(column, "yes or no", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" | "yes" => Some(true),
            "false" | "f" | "0" | "no" => Some(false),
            _ => None,
        })
    }

    /// An instant. One without a zone is UTC. PostgreSQL's `infinity` is none.
    ///
    /// # Errors
    /// [`BadValue`].
    pub fn instant(&self, column: &'static str) -> Result<Option<Timestamp>, BadValue> {
        let instant = self.parsed(column, "time that this service can keep", |text| match text {
            "infinity" => Some(None),
            text => instant_of(text).map(Some),
        })?;
        Ok(instant.flatten())
    }
}

/// A text of there in quotation marks. What is out of place may be long, or have power over a terminal.
pub fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

fn instant_of(text: &str) -> Option<Timestamp> {
    let with_zone = text.parse::<Timestamp>().ok();
    with_zone.or_else(|| {
        // A time that the civil parser takes has no offset: it would be left out of it silently.
        let naive: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(naive).ok()
    })
}
