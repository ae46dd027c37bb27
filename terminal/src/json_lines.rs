//! `LOG_FORMAT=json`: one object a line, with the keys of tracing-subscriber in alphabetical order, but for errors. That writes the outermost error alone
//! (`PostgreSQL failed`); this writes all its causes after it.

use std::error::Error;
use std::fmt::{self, Debug};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::phrases::error_chain;

/// Writes `{"timestamp", "level", "message", …fields, "span", "spans"}`.
#[derive(Debug)]
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let mut line = Fields::default();
        line.0.insert("timestamp".to_owned(), timestamp.into());
        line.0.insert("level".to_owned(), event.metadata().level().as_str().into());
        event.record(&mut line);
        let spans: Vec<Value> = context
            .event_scope()
            .map(|scope| scope.from_root().map(|it| object_of::<S, N>(&it)).collect())
            .unwrap_or_default();
        if let Some(innermost) = spans.last() {
            line.0.insert("span".to_owned(), innermost.clone());
            line.0.insert("spans".to_owned(), spans.into());
        }
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

/// The fields of a span, which were written as JSON when it began, and its name.
fn object_of<S, N>(span: &SpanRef<'_, S>) -> Value
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let extensions = span.extensions();
    let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
    let mut fields: Map<String, Value> = serde_json::from_str(fields).unwrap_or_default();
    fields.insert("name".to_owned(), span.name().into());
    Value::Object(fields)
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().trim_start_matches("r#").to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.insert(field, error_chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("PostgreSQL failed")]
    struct Failed(#[source] io::Error);

    #[test]
    fn a_line_tells_every_cause_of_an_error_and_the_spans_around_it() {
        let written = Written::default();
        let lines = tracing_subscriber::fmt().json().event_format(JsonLines).with_writer(written.clone());
        tracing::subscriber::with_default(lines.finish(), || {
            let error = Failed(io::Error::other("connection \"refused\""));
            let _outer = tracing::error_span!("lease", lease.name = "leader").entered();
            let _inner = tracing::error_span!("project", position = 7).entered();
            tracing::warn!(error = &error as &dyn Error, tries = 2, "it failed\n");
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(written.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(written.lines().count(), 1);
        assert_eq!(line["error"], "PostgreSQL failed: connection \"refused\"");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "it failed\n");
        assert_eq!(line["tries"], 2);
        assert_eq!(line["span"], serde_json::json!({"name": "project", "position": 7}));
        assert_eq!(line["spans"][0], serde_json::json!({"name": "lease", "lease.name": "leader"}));
        assert!(line["timestamp"].is_string());
    }
}
