//! The ids of traces and spans: random, but for the first span of a login's trace, whose ids every process knows.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

thread_local! {
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Random ids, but inside of [`with_ids`].
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| self.0.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.0.new_span_id(), |(_, span_id)| span_id)
    }
}

/// Runs `make`, which makes one span: that span gets these ids.
pub(super) fn with_ids<T>(trace_id: TraceId, span_id: SpanId, make: impl FnOnce() -> T) -> T {
    NEXT.set(Some((trace_id, span_id)));
    let made = make();
    NEXT.set(None);
    made
}
