//! Traces, sent by OTLP over HTTP with protobuf (opentelemetry.io/docs/specs/otlp). They are off unless an endpoint is set
//! ([`TraceSettings`]). While they are off, a span costs one look at a static.
//!
//! Spans are made by hand ([`Span`]), not from the spans of the log. So only what is named here is ever sent: names that are part of the
//! program, numbers, and the first characters of a login's id. Nothing that a person sends or is called can be in a trace.
//!
//! No request waits for the collector. A thread takes finished spans from a queue of `OTEL_BSP_MAX_QUEUE_SIZE`, and sends them; what
//! does not fit is dropped.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use tokio::runtime::Handle;

mod collector;
mod ids;
mod login;
mod settings;
mod span;

use self::collector::Collector;
use self::ids::Ids;

pub use self::login::LoginTrace;
pub use self::settings::TraceSettings;
pub use self::span::{Entered, InSpan, Moment, Span, TraceHeaders, Traced};

/// How long the last spans may take when the process stops.
const FLUSHED_WITHIN: Duration = Duration::from_secs(2);

static STARTED: OnceLock<Started> = OnceLock::new();

/// What spans are made with.
#[derive(Debug)]
struct Started {
    tracer: SdkTracer,
    sampler: Sampler,
}

/// The traces of this process, until they are stopped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Why traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The HTTP client cannot be made.
    #[error("no HTTP client for traces")]
    Client(#[from] reqwest::Error),
    /// The exporter cannot be made.
    #[error("no exporter for traces")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Starts the traces of this process. `runtime` sends them. A second start has no effect on spans.
    ///
    /// # Errors
    /// The HTTP client or the exporter cannot be made.
    pub fn start(settings: &TraceSettings, runtime: Handle) -> Result<Self, TraceError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(settings.endpoint.as_str())
            .with_timeout(settings.timeout)
            .with_headers(settings.headers.clone())
            .with_http_client(Collector::new(settings, runtime)?);
        let exporter = match settings.gzip {
            true => exporter.with_compression(Compression::Gzip),
            false => exporter,
        };
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue_size)
            .with_max_export_batch_size(settings.batch_size)
            .with_scheduled_delay(settings.delay)
            .build();
        let processor = BatchSpanProcessor::builder(exporter.build()?).with_batch_config(queue).build();
        let resource = Resource::builder();
        let resource = match settings.is_named {
            true => resource,
            false => resource.with_service_name("qr-login"),
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_sampler(settings.sampler.clone())
            .with_id_generator(Ids::default())
            .with_span_processor(processor)
            .build();
        let started = Started { tracer: provider.tracer("qr-login"), sampler: settings.sampler.clone() };
        // The tests of this crate start several.
        let _ = STARTED.set(started);
        Ok(Self(provider))
    }

    /// Sends what is left, for two seconds at most, and blocks the thread meanwhile. Spans that end later are lost.
    pub fn stop(self) {
        if self.0.shutdown_with_timeout(FLUSHED_WITHIN).is_err() {
            tracing::debug!("the last spans did not reach the collector of traces");
        }
    }
}

fn started() -> Option<&'static Started> {
    STARTED.get()
}
