//! The settings of traces: OpenTelemetry's variables. Headers may come from a file, as every secret may.

use secrecy::ExposeSecret as _;
use telemetry::traces::TraceSettings;

use super::bad_setting::BadSetting;
use super::secret::secret;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Where traces go; None: there are none.
///
/// # Errors
/// The first setting that is bad.
pub fn trace_settings() -> Result<Option<TraceSettings>, BadSetting> {
    let headers = secret(HEADERS)?;
    let variable = |name| match name {
        HEADERS => headers.as_ref().map(|text| text.expose_secret().to_owned()),
        name => std::env::var(name).ok().filter(|value| !value.trim().is_empty()),
    };
    TraceSettings::read(variable).map_err(|bad| BadSetting::new(bad.setting, bad.problem))
}
