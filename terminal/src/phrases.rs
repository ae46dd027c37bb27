//! Pieces of the lines that a person at a terminal reads.

use std::error::Error;
use std::iter::successors;

/// An error with its causes, in one line.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `1 fault`, `2 faults`.
pub fn counted(number: usize, of: &str) -> String {
    match number {
        1 => format!("1 {of}"),
        _ => format!("{number} {of}s"),
    }
}
