//! Colours for a terminal that supports them, unless `NO_COLOR` is set. A pipe and a file get plain text.

use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Styles by meaning. `{style}text{style:#}` writes a text.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// For what is written to stdout.
    pub fn for_stdout() -> Self {
        Self { colours: AutoStream::choice(&io::stdout()) != ColorChoice::Never }
    }

    /// Something that is right.
    pub const fn good(self) -> Style {
        self.of(AnsiColor::Green)
    }

    /// Something unusual.
    pub const fn odd(self) -> Style {
        self.of(AnsiColor::Yellow)
    }

    /// Something that is wrong.
    pub const fn bad(self) -> Style {
        self.of(AnsiColor::Red)
    }

    /// Something less important.
    pub const fn faint(self) -> Style {
        if self.colours { Style::new().dimmed() } else { Style::new() }
    }

    /// A count that should be 0.
    pub const fn none_of(self, count: usize) -> Style {
        if count == 0 { self.good() } else { self.bad() }
    }

    const fn of(self, colour: AnsiColor) -> Style {
        if self.colours { colour.on_default() } else { Style::new() }
    }
}
