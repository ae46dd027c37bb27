//! A stand-in EventStoreDB on loopback: streams that are appended to and read over gRPC, with the real one's rules for
//! revisions and repetitions (`rules.rs`), over real connections that break on demand.
//!
//! What it is not: durable, clustered, or fast. No `$all`, no subscriptions, no projections. It does not know the
//! product: its protocol definitions are those of the client library.

#![allow(clippy::result_large_err, reason = "tonic's own error is large")]

mod features;
mod gossip;
mod node;
mod rules;
mod streams;

pub use node::{Fault, Node, Settings};
pub use rules::{Expected, Outcome, Recorded, Streams};

/// The messages and services, generated.
#[allow(
    dead_code,
    missing_docs,
    unused_qualifications,
    rustdoc::broken_intra_doc_links,
    clippy::all,
    reason = "generated"
)]
mod protocol {
    include!(concat!(env!("OUT_DIR"), "/protocol.rs"));
}
