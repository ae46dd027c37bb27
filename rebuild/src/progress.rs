//! How far a rebuild is, for a person who watches it.

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The log is read up to `position`.
    Read {
        /// The last position that was read.
        position: i64,
        /// The last position that will be read.
        end: i64,
    },
    /// Rows are written into the idle slot.
    Load {
        /// The view.
        view: &'static str,
        /// How many rows are written.
        rows: usize,
    },
    /// People read the rows that were built. What is left is to empty the other slot.
    Swapped {
        /// The view.
        view: &'static str,
    },
    /// Everything is written. The rebuild waits for a process that reads from an older snapshot.
    Wait {
        /// The view.
        view: &'static str,
        /// The server process of that reader.
        pid: i32,
    },
}
