//! The settings of traces: OpenTelemetry's standard variables (opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
//! and …/protocol/exporter). Each is checked before anything starts. No value is in a message: headers may hold a secret.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use reqwest::{Certificate, Url};

use crate::BadSetting;

/// Where traces go, and how.
#[derive(Clone)]
pub struct TraceSettings {
    pub(super) endpoint: Url,
    pub(super) headers: HashMap<String, String>,
    pub(super) timeout: Duration,
    pub(super) gzip: bool,
    /// Beside those that every program trusts.
    pub(super) certificates: Vec<Certificate>,
    pub(super) sampler: Sampler,
    pub(super) queue_size: usize,
    pub(super) batch_size: usize,
    pub(super) delay: Duration,
    /// Whether the variables name the service.
    pub(super) is_named: bool,
}

const SAMPLERS: &str = "is none of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";

impl TraceSettings {
    /// Reads the variables with `variable`, which knows nothing of empty ones. None: traces are off.
    ///
    /// # Errors
    /// The first that is bad.
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, BadSetting> {
        let is = |name, value: &str| variable(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
        if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        let Some(endpoint) = endpoint(&variable)? else { return Ok(None) };
        known(&variable, "OTEL_TRACES_EXPORTER", &["otlp"], "is neither otlp nor none")?;
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            known(
                &variable,
                name,
                &["http/protobuf"],
                "is not http/protobuf, the one protocol that is spoken",
            )?;
        }
        let compressions = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
        for name in compressions {
            known(&variable, name, &["gzip", "none"], "is neither gzip nor none")?;
        }
        let compression = compressions.into_iter().find_map(&variable);
        let timeout = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        let timeout = milliseconds(&variable, &timeout, 10_000)?;
        let queue_size = size(&variable, "OTEL_BSP_MAX_QUEUE_SIZE", 2_048)?;
        Ok(Some(Self {
            endpoint,
            headers: headers(&variable)?,
            timeout: timeout.min(milliseconds(&variable, &["OTEL_BSP_EXPORT_TIMEOUT"], 30_000)?),
            gzip: compression.is_some_and(|it| it.eq_ignore_ascii_case("gzip")),
            certificates: certificates(&variable)?,
            sampler: sampler(&variable)?,
            queue_size,
            batch_size: size(&variable, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)?.min(queue_size),
            delay: milliseconds(&variable, &["OTEL_BSP_SCHEDULE_DELAY"], 5_000)?,
            is_named: variable("OTEL_SERVICE_NAME").is_some()
                || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|it| it.contains("service.name=")),
        }))
    }
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings").finish_non_exhaustive()
    }
}

const fn bad(setting: &'static str, problem: &'static str) -> BadSetting {
    BadSetting { setting, problem: Cow::Borrowed(problem) }
}

/// The variable for traces is taken as it is; to the one for all signals belongs `/v1/traces`.
fn endpoint(variable: &impl Fn(&'static str) -> Option<String>) -> Result<Option<Url>, BadSetting> {
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let (name, text) = match variable(own) {
        Some(text) => (own, text),
        None => {
            let general = "OTEL_EXPORTER_OTLP_ENDPOINT";
            let Some(text) = variable(general) else { return Ok(None) };
            (general, text)
        }
    };
    let url = text.parse::<Url>().ok().filter(|it| ["http", "https"].contains(&it.scheme()) && it.has_host());
    let mut url = url.ok_or_else(|| bad(name, "is not an http or https URL like http://localhost:4318"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(name, "holds a user or a password; OTEL_EXPORTER_OTLP_HEADERS is for those"));
    }
    if name != own {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(Some(url))
}

/// `name=value,name=value`; values are percent-encoded.
fn headers(
    variable: &impl Fn(&'static str) -> Option<String>,
) -> Result<HashMap<String, String>, BadSetting> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"] {
        let Some(text) = variable(name) else { continue };
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let read = pairs.map(header).collect::<Option<_>>();
        return read
            .ok_or_else(|| bad(name, "is not like name=value,name=value with percent-encoded values"));
    }
    Ok(HashMap::new())
}

fn header(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_decoded(value.trim())?;
    let name = reqwest::header::HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    reqwest::header::HeaderValue::from_str(&value).ok()?;
    Some((name.to_string(), value))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The authorities of a file, as PEM.
fn certificates(variable: &impl Fn(&'static str) -> Option<String>) -> Result<Vec<Certificate>, BadSetting> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"] {
        let Some(path) = variable(name) else { continue };
        let pem = std::fs::read(path).map_err(|_| bad(name, "names a file that cannot be read"))?;
        let read = Certificate::from_pem_bundle(&pem).ok().filter(|read| !read.is_empty());
        return read.ok_or_else(|| bad(name, "names a file that holds no certificate as PEM"));
    }
    Ok(Vec::new())
}

fn sampler(variable: &impl Fn(&'static str) -> Option<String>) -> Result<Sampler, BadSetting> {
    let below = |sampler| Sampler::ParentBased(Box::new(sampler));
    let ratio = || {
        let ratio = variable("OTEL_TRACES_SAMPLER_ARG").unwrap_or_else(|| "1".to_owned());
        let ratio = ratio.trim().parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio
            .map(Sampler::TraceIdRatioBased)
            .ok_or_else(|| bad("OTEL_TRACES_SAMPLER_ARG", "is not a number from 0 to 1"))
    };
    Ok(match variable("OTEL_TRACES_SAMPLER").as_deref() {
        None | Some("parentbased_always_on") => below(Sampler::AlwaysOn),
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("parentbased_always_off") => below(Sampler::AlwaysOff),
        Some("traceidratio") => ratio()?,
        Some("parentbased_traceidratio") => below(ratio()?),
        Some(_) => return Err(bad("OTEL_TRACES_SAMPLER", SAMPLERS)),
    })
}

fn known(
    variable: &impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    values: &[&str],
    problem: &'static str,
) -> Result<(), BadSetting> {
    match variable(name) {
        Some(value) if !values.iter().any(|it| value.eq_ignore_ascii_case(it)) => Err(bad(name, problem)),
        _ => Ok(()),
    }
}

/// Of the first of these variables that is set.
fn milliseconds(
    variable: &impl Fn(&'static str) -> Option<String>,
    names: &[&'static str],
    default: u64,
) -> Result<Duration, BadSetting> {
    for name in names {
        let Some(text) = variable(name) else { continue };
        let read = text.trim().parse().ok().filter(|it| (1..=3_600_000).contains(it));
        return read
            .map(Duration::from_millis)
            .ok_or_else(|| bad(name, "is not a number of milliseconds from 1 to 3600000"));
    }
    Ok(Duration::from_millis(default))
}

fn size(
    variable: &impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    default: usize,
) -> Result<usize, BadSetting> {
    let Some(text) = variable(name) else { return Ok(default) };
    let read = text.trim().parse().ok().filter(|it| (1..=65_536).contains(it));
    read.ok_or_else(|| bad(name, "is not a number of spans from 1 to 65536"))
}

#[cfg(test)]
mod tests;
