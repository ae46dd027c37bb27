//! Colours, where a person looks: on a terminal that has them, unless `NO_COLOR` is set. A pipe and a file get plain text.

use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What a text is to the reader; `{style}text{style:#}` writes it.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// For what is written to stdout.
    pub fn for_stdout() -> Self {
        Self { colours: AutoStream::choice(&io::stdout()) != ColorChoice::Never }
    }

    /// As it should be.
    pub const fn good(self) -> Style {
        self.of(AnsiColor::Green)
    }

    /// Worth a look.
    pub const fn odd(self) -> Style {
        self.of(AnsiColor::Yellow)
    }

    /// Not as it should be.
    pub const fn bad(self) -> Style {
        self.of(AnsiColor::Red)
    }

    /// Read last.
    pub const fn faint(self) -> Style {
        if self.colours { Style::new().dimmed() } else { Style::new() }
    }

    /// A count of which there should be none.
    pub const fn none_of(self, count: usize) -> Style {
        if count == 0 { self.good() } else { self.bad() }
    }

    const fn of(self, colour: AnsiColor) -> Style {
        if self.colours { colour.on_default() } else { Style::new() }
    }
}

/// Text that somebody chose, on one line and without power over the terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
