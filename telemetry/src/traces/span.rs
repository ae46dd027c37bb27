//! [`Span`]: a span that is on its way, or nothing where traces are off.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::Poll;
use std::time::SystemTime;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, ContextGuard, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use pin_project_lite::pin_project;
use reqwest::header::{HeaderMap, HeaderName};

use super::started;

/// A span that is on its way. It ends when it, and each future in it, is dropped.
///
/// Attributes are numbers and words of the program: what a person sends has no way in.
#[derive(Clone, Debug, Default)]
pub struct Span(Option<Context>);

/// Now; nothing where traces are off.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub(super) Option<SystemTime>);

/// While it lives, spans that begin on this thread are below its span.
#[must_use]
#[derive(Debug)]
pub struct Entered {
    _guard: Option<ContextGuard>,
}

/// The headers of a request whose `traceparent` counts (W3C Trace Context). Its `tracestate`, which is free text, is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct TraceHeaders<'h>(pub &'h HeaderMap);

impl Extractor for TraceHeaders<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).filter(|_| name == "traceparent")?;
        value.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self(started().map(|_| opentelemetry::time::now()))
    }
}

impl Span {
    /// A span of work of this process: below the current one, or the first of a trace where there is none.
    pub fn new(name: &'static str) -> Self {
        match started() {
            Some(_) => Self::start(SpanBuilder::from_name(name), &Context::current()),
            None => Self::default(),
        }
    }

    /// The same for a call of another server. `method`, which is part of the program, is asked for where traces are on.
    pub fn call(system: &'static str, method: impl FnOnce() -> Cow<'static, str>) -> Self {
        if started().is_none() {
            return Self::default();
        }
        let method = method();
        let attributes = [KeyValue::new("rpc.system", system), KeyValue::new("rpc.method", method.clone())];
        let builder = SpanBuilder::from_name(method).with_kind(SpanKind::Client).with_attributes(attributes);
        Self::start(builder, &Context::current())
    }

    /// A span of a request that this process answers. `name` is asked for where traces are on. Without `caller` it begins a trace.
    pub fn request(name: impl FnOnce() -> Cow<'static, str>, caller: Option<TraceHeaders<'_>>) -> Self {
        if started().is_none() {
            return Self::default();
        }
        let nothing = Context::new();
        let parent = match caller {
            Some(headers) => TraceContextPropagator::new().extract_with_context(&nothing, &headers),
            None => nothing,
        };
        Self::start(SpanBuilder::from_name(name()).with_kind(SpanKind::Server), &parent)
    }

    /// The span in which this runs.
    pub fn current() -> Self {
        Self(started().map(|_| Context::current()))
    }

    pub(super) fn start(builder: SpanBuilder, parent: &Context) -> Self {
        Self(started().map(|it| parent.with_span(it.tracer.build_with_context(builder, parent))))
    }

    pub(super) const fn from_context(context: Option<Context>) -> Self {
        Self(context)
    }

    /// A link to it, where it is one.
    pub(super) fn link(&self) -> Vec<Link> {
        let context = self.0.as_ref().map(|context| context.span().span_context().clone());
        context.filter(|it| it.is_valid()).map(Link::with_context).into_iter().collect()
    }

    /// Whether traces are on.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Says a word of the program.
    pub fn set(&self, name: &'static str, word: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, word));
        }
    }

    /// Says a number.
    pub fn set_number(&self, name: &'static str, number: i64) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, number));
        }
    }

    /// Says that it failed, and of what kind the failure is.
    pub fn failed(&self, kind: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", kind));
            context.span().set_status(Status::error(""));
        }
    }

    /// Makes it the current span of this thread.
    pub fn enter(&self) -> Entered {
        Entered { _guard: self.0.clone().map(Context::attach) }
    }
}

pin_project! {
    /// A future in a span, which ends with it.
    #[derive(Debug)]
    pub struct Traced<F> {
        #[pin]
        future: F,
        span: Span,
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = {
            let _entered = this.span.enter();
            this.future.poll(context)
        };
        if polled.is_ready() {
            *this.span = Span::default();
        }
        polled
    }
}

/// Puts a future into a span.
pub trait InSpan: Future + Sized {
    /// The span ends with the future.
    fn in_span(self, span: Span) -> Traced<Self> {
        Traced { future: self, span }
    }
}

impl<F: Future> InSpan for F {}
