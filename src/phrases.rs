//! Pieces of the lines that a person at a terminal reads.

use std::error::Error;

use anyhow::Chain;

/// An error with its causes, in one line.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    Chain::new(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `1 fault`, `2 faults`.
pub fn counted(number: usize, of: &str) -> String {
    match number {
        1 => format!("1 {of}"),
        _ => format!("{number} {of}s"),
    }
}
