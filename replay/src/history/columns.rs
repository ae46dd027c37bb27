//! How the columns of the table share the terminal. At 80 columns the day has a line of its own, and the time alone is in the
//! row. In a pipe nothing is cut.

use terminal::columns::{cut, fit};

/// The longest name of an event, `AuthorizationConfirmed`.
const EVENT: usize = 22;
/// From this width on each row has its date.
const WIDE: usize = 100;

/// The columns for one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// None: nothing is cut.
    width: Option<usize>,
    position: usize,
    at: usize,
    who: usize,
}

/// A row before it is cut.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    pub position: &'a str,
    pub at: &'a str,
    pub event: &'a str,
    pub who: &'a str,
    pub details: &'a str,
}

impl Columns {
    /// For a terminal of this width, and a log that ends at this position.
    pub fn of(width: Option<usize>, end: i64) -> Self {
        // Room for what a followed log grows by.
        let position = end.to_string().len().max(4);
        match width {
            None => Self { width, position: 8, at: 19, who: 24 },
            Some(WIDE..) => Self { width, position, at: 19, who: 24 },
            Some(_) => Self { width, position, at: 8, who: 16 },
        }
    }

    /// Whether what does not fit is cut.
    pub const fn is_cut(self) -> bool {
        self.width.is_some()
    }

    /// Whether a day has a line of its own.
    pub const fn has_day_lines(self) -> bool {
        self.at == 8
    }

    /// The cells of a row, each as wide as its column, with the gaps.
    pub fn row(self, cells: &Cells<'_>) -> [String; 4] {
        let Self { width, position, at, who } = self;
        let Some(width) = width else {
            let left = format!("{:>position$}  {:<at$}  ", cells.position, cells.at);
            let event = format!("{:<EVENT$}", cells.event);
            return [left, event, format!("  {:<who$}  ", cells.who), cells.details.to_owned()];
        };
        let left = format!("{:>position$}  {}  ", cells.position, fit(cells.at, at));
        let used = position + 2 + at + 2 + EVENT + 2 + who + 2;
        let who = format!("  {}  ", fit(cells.who, who));
        [left, fit(cells.event, EVENT), who, cut(cells.details, width.saturating_sub(used))]
    }
}

#[cfg(test)]
mod tests {
    use super::{Cells, Columns};

    fn row(width: Option<usize>) -> String {
        let cells = Cells {
            position: "4711",
            at: "10:00:00",
            event: "AuthorizationConfirmed",
            who: "Ilya Ilyich Oblomov (139883458)",
            details: "login 0123456789… attempt=1 method=qr deadline_at=10:05:00 by somebody whose name is long",
        };
        Columns::of(width, 4711).row(&cells).concat()
    }

    #[test]
    fn a_row_fits_80_and_120_columns_and_is_whole_in_a_pipe() {
        for width in [80, 120] {
            let row = row(Some(width));
            assert_eq!(row.chars().count(), width, "{row}");
            assert!(row.ends_with('…') && row.contains("AuthorizationConfirmed"), "{row}");
        }
        let whole = row(None);
        assert!(whole.contains("Oblomov (139883458)") && whole.ends_with("long"), "{whole}");
    }
}
