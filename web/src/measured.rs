//! Counts and times the requests of a service by the patterns of its routes: never by paths, which hold ids and which anybody can
//! invent. It stands around the router, and finds the pattern by itself. What an answer costs is a lookup and two atomic additions.
//!
//! Where traces are on, each request is a span, by the same patterns (opentelemetry.io/docs/specs/semconv/http). The caller's
//! `traceparent` counts for other services alone: a person's page must not choose which trace it is in.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use metrics::{Counter, Histogram, counter, histogram};
use pin_project_lite::pin_project;
use telemetry::traces::{Span, TraceHeaders};
use tokio::time::Instant;
use tower::Service;

/// The route of what has none, and the method of what nobody uses.
const OTHER: &str = "other";
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/// The routes of other services begin so.
const SERVICES: &str = "/api/v1/";
/// In the query of a request that waits for news: how long it takes says nothing of the service.
const WAITS: &str = "wait=";

/// A service whose requests are measured.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    service: S,
    routes: Arc<Routes>,
}

#[derive(Debug)]
struct Routes {
    /// To the place in `patterns`.
    places: matchit::Router<usize>,
    /// The last is that of paths without a route.
    patterns: Vec<Pattern>,
}

/// What is known of one route, for each method and what is none of them. A series begins with its first request.
#[derive(Debug)]
struct Pattern {
    path: &'static str,
    methods: [OnceLock<Series>; METHODS.len() + 1],
}

#[derive(Debug)]
struct Series {
    /// By the first digit of the status: 2 to 5.
    classes: [Counter; 4],
    seconds: Histogram,
}

impl<S> Measured<S> {
    /// These are all patterns that the service routes by; one that comes twice counts once.
    pub fn new(service: S, paths: impl IntoIterator<Item = &'static str>) -> Self {
        let (mut places, mut patterns) = (matchit::Router::new(), Vec::new());
        for path in paths {
            if places.insert(path, patterns.len()).is_ok() {
                patterns.push(Pattern::new(path));
            }
        }
        patterns.push(Pattern::new(OTHER));
        Self { service, routes: Arc::new(Routes { places, patterns }) }
    }
}

impl Pattern {
    fn new(path: &'static str) -> Self {
        Self { path, methods: Default::default() }
    }

    fn series(&self, method: usize) -> &Series {
        self.methods[method].get_or_init(|| {
            let (route, method) = (self.path, METHODS.get(method).copied().unwrap_or(OTHER));
            let classes = ["2xx", "3xx", "4xx", "5xx"].map(|status| {
                counter!("qrlogin_http_requests_total", "route" => route, "method" => method, "status" => status)
            });
            let seconds = histogram!("qrlogin_http_request_seconds", "route" => route, "method" => method);
            Series { classes, seconds }
        })
    }
}

impl Series {
    fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
        self.classes[class].increment(1);
    }
}

/// What is known of a request when its answer comes.
struct Measurement {
    routes: Arc<Routes>,
    pattern: usize,
    method: usize,
    /// None: how long it takes does not count.
    at: Option<Instant>,
    span: Span,
}

impl Measurement {
    fn new(routes: &Arc<Routes>, request: &Request) -> Self {
        let place = routes.places.at(request.uri().path()).map(|found| *found.value);
        let pattern = place.unwrap_or(routes.patterns.len() - 1);
        let method = METHODS.iter().position(|method| *method == request.method().as_str());
        let method = method.unwrap_or(METHODS.len());
        let waits = request.uri().query().is_some_and(|query| query.contains(WAITS));
        Self {
            routes: Arc::clone(routes),
            pattern,
            method,
            at: (!waits).then(Instant::now),
            span: span(routes.patterns[pattern].path, method, request.headers()),
        }
    }

    fn is_answered(&self, status: StatusCode) {
        let series = self.routes.patterns[self.pattern].series(self.method);
        series.count(status);
        if let Some(at) = self.at {
            series.seconds.record(at.elapsed().as_secs_f64());
        }
        self.span.set_number("http.response.status_code", status.as_u16().into());
        match status.as_u16() {
            500 => self.span.failed("500"),
            503 => self.span.failed("503"),
            501.. => self.span.failed("5xx"),
            _ => {}
        }
    }
}

/// The span of a request: nothing that its caller has sent is in it.
fn span(route: &'static str, method: usize, headers: &HeaderMap) -> Span {
    let headers = route.starts_with(SERVICES).then_some(headers);
    let caller = headers.map(TraceHeaders);
    // As OpenTelemetry names a method that nobody knows.
    let known = METHODS.get(method).copied();
    let name = || match route {
        OTHER => known.unwrap_or("HTTP").into(),
        route => format!("{} {route}", known.unwrap_or("HTTP")).into(),
    };
    let span = Span::request(name, caller);
    span.set("http.request.method", known.unwrap_or("_OTHER"));
    if route != OTHER {
        span.set("http.route", route);
    }
    span
}

impl<S> Service<Request> for Measured<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = MeasuredResponse<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let measurement = Measurement::new(&self.routes, &request);
        let entered = measurement.span.enter();
        let answer = self.service.call(request);
        drop(entered);
        MeasuredResponse { answer, measurement }
    }
}

pin_project! {
    /// The answer of a service, measured when it is there.
    pub struct MeasuredResponse<F> {
        #[pin]
        answer: F,
        measurement: Measurement,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for MeasuredResponse<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.measurement.span.enter();
        let answer = ready!(this.answer.poll(context));
        drop(entered);
        if let Ok(answer) = &answer {
            this.measurement.is_answered(answer.status());
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::body::Body;
    use axum::http::Method;
    use axum::routing::{get, post};
    use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use tower::ServiceExt as _;

    use super::*;

    /// What was recorded, a line each.
    #[derive(Clone, Default)]
    struct Recorded(Arc<Mutex<Vec<String>>>);

    struct Line(String, Recorded);

    impl Line {
        fn write(&self) {
            self.1.0.lock().unwrap().push(self.0.clone());
        }
    }

    impl CounterFn for Line {
        fn increment(&self, _: u64) {
            self.write();
        }
        fn absolute(&self, _: u64) {}
    }

    impl HistogramFn for Line {
        fn record(&self, _: f64) {
            self.write();
        }
    }

    impl GaugeFn for Line {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, _: f64) {}
    }

    impl Recorded {
        fn line(&self, key: &Key) -> Arc<Line> {
            let labels: Vec<_> = key.labels().map(metrics::Label::value).collect();
            Arc::new(Line(format!("{} {}", key.name(), labels.join(" ")), self.clone()))
        }
    }

    impl Recorder for Recorded {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.line(key))
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
            metrics::Gauge::from_arc(self.line(key))
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.line(key))
        }
    }

    /// A request, and what it left in the metrics.
    async fn ask(method: Method, uri: &str) -> Vec<String> {
        let router: Router = Router::new()
            .route("/qr-auth", get(async || "page"))
            .route("/api/users/{id}", post(async || StatusCode::INTERNAL_SERVER_ERROR));
        let service = Measured::new(router, ["/qr-auth", "/api/users/{id}", "/api/users/{id}"]);
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let recorded = Recorded::default();
        // The future of a router has no await that leaves this thread.
        let _local = metrics::set_default_local_recorder(&recorded);
        service.oneshot(request).await.unwrap();
        recorded.0.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn a_request_counts_for_its_route_and_no_path_is_named() {
        assert_eq!(
            ask(Method::POST, "/api/users/139883458?x=1").await,
            [
                "qrlogin_http_requests_total /api/users/{id} POST 5xx",
                "qrlogin_http_request_seconds /api/users/{id} POST"
            ]
        );
        assert_eq!(
            ask(Method::GET, "/no/such/page").await,
            ["qrlogin_http_requests_total other GET 4xx", "qrlogin_http_request_seconds other GET"]
        );
        assert_eq!(
            ask(Method::from_bytes(b"BREW").unwrap(), "/qr-auth").await,
            ["qrlogin_http_requests_total /qr-auth other 4xx", "qrlogin_http_request_seconds /qr-auth other"]
        );
    }

    #[tokio::test]
    async fn a_request_that_waits_for_news_is_counted_and_not_timed() {
        assert_eq!(
            ask(Method::GET, "/qr-auth?since=3&wait=25").await,
            ["qrlogin_http_requests_total /qr-auth GET 2xx"]
        );
    }
}
