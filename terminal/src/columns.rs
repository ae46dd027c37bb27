//! Tables on a terminal: columns that fit its width. In a pipe or a file nothing is cut.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::harmless;

/// Between two columns.
const GAP: usize = 2;
/// No column is cut to less.
const NARROWEST: usize = 6;

/// What a table does on a terminal that is too narrow for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooNarrow {
    /// The widest columns are cut.
    Cut,
    /// Each row is a block with a line for each column.
    Block,
}

/// Rows of text under their headers.
#[derive(Clone, Debug)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    too_narrow: TooNarrow,
}

/// How many columns the terminal has that stdout leads to; None in a pipe or a file, and where nobody knows.
pub fn width_of_stdout() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| usize::from(width.0))
}

/// The text in so many columns of a terminal: cut with `…`, or filled with spaces.
pub fn fit(text: &str, columns: usize) -> String {
    let wide = text.width();
    if wide <= columns {
        return format!("{text}{}", " ".repeat(columns - wide));
    }
    cut(text, columns)
}

/// The text in at most so many columns of a terminal.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut kept, mut left) = (String::new(), columns.saturating_sub(1));
    for letter in text.chars() {
        let width = letter.width().unwrap_or(0);
        if width > left {
            break;
        }
        left -= width;
        kept.push(letter);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept + &" ".repeat(left)
}

/// `2026-11-29 05:37:41Z`: to the second, in UTC.
pub fn to_the_second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

impl Table {
    /// With these headers, and no row yet.
    pub fn new<'a>(headers: impl IntoIterator<Item = &'a str>, too_narrow: TooNarrow) -> Self {
        let headers = headers.into_iter().map(str::to_owned).collect();
        Self { headers, rows: Vec::new(), too_narrow }
    }

    /// Adds a row. Its texts may be anybody's.
    pub fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().map(|text| harmless(&text).into_owned()).collect());
    }

    /// Writes it for a terminal of this width, or uncut.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
        let mut columns: Vec<usize> = self.headers.iter().map(|header| header.width()).collect();
        for row in &self.rows {
            for (column, text) in columns.iter_mut().zip(row) {
                *column = (*column).max(text.width());
            }
        }
        let total = |columns: &[usize]| columns.iter().sum::<usize>() + GAP * (columns.len().max(1) - 1);
        if let Some(width) = width
            && total(&columns) > width
        {
            if self.too_narrow == TooNarrow::Block {
                return self.write_blocks(width, out);
            }
            while total(&columns) > width
                && let Some(widest) = columns.iter_mut().max().filter(|widest| **widest > NARROWEST)
            {
                *widest -= 1;
            }
        }
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            let cells = columns.iter().zip(row).map(|(column, text)| fit(text, *column));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end())?;
        }
        Ok(())
    }

    fn write_blocks(&self, width: usize, out: &mut impl Write) -> io::Result<()> {
        let name = self.headers.iter().map(|header| header.width()).max().unwrap_or(0);
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            for (header, text) in self.headers.iter().zip(row) {
                let text = cut(text, width.saturating_sub(name + GAP).max(NARROWEST));
                writeln!(out, "{}{}{}", fit(header, name), " ".repeat(GAP), text.trim_end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, TooNarrow, cut, fit};

    fn written(table: &Table, width: Option<usize>) -> String {
        let mut out = Vec::new();
        table.write(width, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn people(too_narrow: TooNarrow) -> Table {
        let mut table = Table::new(["ID", "NAME"], too_narrow);
        table.push(["7".to_owned(), "Ilya Ilyich Oblomov".to_owned()]);
        table.push(["139883458".to_owned(), "名前\u{1b}[2J".to_owned()]);
        table
    }

    #[test]
    fn text_is_cut_by_the_columns_that_it_takes() {
        assert_eq!(fit("Ilya", 6), "Ilya  ");
        assert_eq!(cut("Oblomov", 4), "Obl…");
        assert_eq!(cut("名前です", 4), "名… ", "half of a wide letter does not fit");
        assert_eq!(cut("Ilya", 4), "Ilya");
        assert_eq!(cut("Ilya", 0), "");
    }

    #[test]
    fn a_table_is_uncut_in_a_pipe_and_fits_a_terminal() {
        let table = people(TooNarrow::Cut);
        assert_eq!(
            written(&table, None),
            "ID         NAME\n7          Ilya Ilyich Oblomov\n139883458  名前\u{fffd}[2J\n"
        );
        assert_eq!(written(&table, Some(80)), written(&table, None));
        assert_eq!(
            written(&table, Some(20)),
            "ID         NAME\n7          Ilya Ily…\n139883458  名前\u{fffd}[2J\n"
        );
    }

    #[test]
    fn a_row_that_is_too_wide_becomes_a_block() {
        assert_eq!(
            written(&people(TooNarrow::Block), Some(20)),
            "ID    7\nNAME  Ilya Ilyich O…\n\nID    139883458\nNAME  名前\u{fffd}[2J\n"
        );
    }
}
