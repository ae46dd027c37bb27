//! The trace of a login, from the phone's confirmation to the page.
//!
//! The processes that take part hand no context to each other. The trace's id and its first span's id are a hash of the login's id and
//! the attempt, so each process knows them by itself. The hash cannot be turned back: a login's whole id opens its page.

use std::time::SystemTime;

use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample as _};
use sha2::{Digest as _, Sha256};

use super::ids::with_ids;
use super::span::{Moment, Span};
use super::{Started, started};

/// The first span.
const FIRST: &str = "confirm login";
/// How much of a login's id may be told, as in the log.
const TOLD: usize = 8;

/// The trace of one attempt of a login; nothing where traces are off.
#[derive(Clone, Debug, Default)]
pub struct LoginTrace(Option<Attempt>);

#[derive(Clone, Debug)]
struct Attempt {
    trace_id: TraceId,
    first: SpanId,
    is_sampled: bool,
    began_at: SystemTime,
    attributes: [KeyValue; 2],
}

impl LoginTrace {
    /// The trace of this attempt. Where its first span is recorded, it begins now.
    pub fn of(login_id: &str, attempt: u32) -> Self {
        Self(started().map(|started| Attempt::new(started, login_id, attempt)))
    }

    /// Whether it has begun.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A span below the first one, beginning now.
    pub fn span(&self, name: &'static str) -> Span {
        let Some(attempt) = &self.0 else { return Span::default() };
        let builder = SpanBuilder::from_name(name).with_attributes(attempt.attributes.clone());
        Span::start(builder, &attempt.context())
    }

    /// The first span, for spans below it. It is recorded by [`Self::end`] alone.
    pub fn first(&self) -> Span {
        Span::from_context(self.0.as_ref().map(Attempt::context))
    }

    /// Records a span below the first one, from a moment until now.
    pub fn record(&self, name: &'static str, from: Moment) {
        self.record_linked(name, from, &Span::default());
    }

    /// The same, with a link to a span of another trace.
    pub fn record_linked(&self, name: &'static str, from: Moment, to: &Span) {
        let (Some(attempt), Some(from)) = (&self.0, from.0) else { return };
        let builder = SpanBuilder::from_name(name)
            .with_attributes(attempt.attributes.clone())
            .with_start_time(from)
            .with_links(to.link());
        drop(Span::start(builder, &attempt.context()));
    }

    /// Records the first span, from [`Self::of`] until now. Once for an attempt: the worker that goes on after another one has died
    /// records it for both.
    pub fn end(self, failure: Option<&'static str>) {
        let (Some(started), Some(attempt)) = (started(), self.0) else { return };
        let builder = SpanBuilder::from_name(FIRST)
            .with_attributes(attempt.attributes)
            .with_start_time(attempt.began_at);
        let span = with_ids(attempt.trace_id, attempt.first, || {
            started.tracer.build_with_context(builder, &Context::new())
        });
        let span = Span::from_context(Some(Context::new().with_span(span)));
        if let Some(failure) = failure {
            span.failed(failure);
        }
    }
}

impl Attempt {
    fn new(started: &Started, login_id: &str, attempt: u32) -> Self {
        let (trace_id, first) = ids(login_id, attempt);
        // As the first span's own: every process comes to the same.
        let sampled = started.sampler.should_sample(None, trace_id, FIRST, &SpanKind::Internal, &[], &[]);
        let short = login_id.get(..TOLD).unwrap_or_default().to_owned();
        Self {
            trace_id,
            first,
            is_sampled: sampled.decision == SamplingDecision::RecordAndSample,
            began_at: opentelemetry::time::now(),
            attributes: [
                KeyValue::new("login.id", short),
                KeyValue::new("login.attempt", i64::from(attempt)),
            ],
        }
    }

    fn context(&self) -> Context {
        let flags = TraceFlags::default().with_sampled(self.is_sampled);
        let first = SpanContext::new(self.trace_id, self.first, flags, true, TraceState::NONE);
        Context::new().with_remote_span_context(first)
    }
}

/// The first 24 bytes of SHA-256 over `qr-login trace`, the login's id and the attempt, with a zero byte between them: 16 are the
/// trace's, 8 the first span's.
fn ids(login_id: &str, attempt: u32) -> (TraceId, SpanId) {
    let text = format!("qr-login trace\0{login_id}\0{attempt}");
    let hash: [u8; 32] = Sha256::digest(text).into();
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    trace_id.copy_from_slice(&hash[..16]);
    span_id.copy_from_slice(&hash[16..24]);
    (TraceId::from_bytes(trace_id), SpanId::from_bytes(span_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of two versions take part in one login.
    #[test]
    fn the_ids_of_a_login_never_change() {
        let (trace_id, span_id) = ids("AAAAAAAAAAAAAAAAAAAAAA", 1);
        assert_eq!(
            (trace_id.to_string(), span_id.to_string()),
            ("7eb2b7bdb3b93fa5b7acc514cb756fa2".to_owned(), "3ef46940ae9263e4".to_owned())
        );
    }

    #[test]
    fn another_attempt_is_another_trace() {
        let [one, two] = [1, 2].map(|attempt| ids("AAAAAAAAAAAAAAAAAAAAAA", attempt));
        assert!(one.0 != two.0 && one.1 != two.1);
    }
}
