//! Limits of time and number for the clients of a server.

use std::time::Duration;

/// The limits of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the head of a request: from the connection's beginning, or from its first byte where another request went before it.
    pub head: Duration,
    /// For the body of a request, from the end of its head.
    pub body: Duration,
    /// Between an answer and the next request.
    pub idle: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Limits {
    /// The usual ones, for so many connections at a time.
    pub const fn of(connections: usize) -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            connections,
        }
    }
}
