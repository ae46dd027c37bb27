//! Which traces settings are good, what they mean, and what is told of bad ones.

use super::*;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");

fn read(variables: &[(&str, &str)]) -> Result<Option<TraceSettings>, BadSetting> {
    let all: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TraceSettings::read(|name| all.get(name).cloned())
}

fn endpoint_of(variables: &[(&str, &str)]) -> String {
    read(variables).unwrap().expect("traces are on").endpoint.to_string()
}

#[test]
fn traces_are_off_without_an_endpoint_and_where_they_are_switched_off() {
    assert!(read(&[("OTEL_SERVICE_NAME", "x")]).unwrap().is_none());
    assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
    assert!(read(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
    assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")]).unwrap().is_some());
}

/// opentelemetry.io/docs/specs/otel/protocol/exporter: endpoint URLs for OTLP/HTTP.
#[test]
fn the_endpoint_for_all_signals_gets_a_path_and_the_one_for_traces_is_taken_as_it_is() {
    assert_eq!(endpoint_of(&[ENDPOINT]), "http://localhost:4318/v1/traces");
    let general = |url| endpoint_of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]);
    assert_eq!(general("https://c.example/tenant/"), "https://c.example/tenant/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/mine");
    assert_eq!(endpoint_of(&[ENDPOINT, own]), "http://localhost:4318/mine");
}

#[test]
fn headers_are_pairs_with_percent_encoded_values_and_are_printed_nowhere() {
    let settings =
        read(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, authorization=Basic%20c2VjcmV0=")]);
    let settings = settings.unwrap().expect("traces are on");
    assert_eq!(settings.headers["x-key"], "a b");
    assert_eq!(settings.headers["authorization"], "Basic c2VjcmV0=");
    assert!(!format!("{settings:?}").contains("c2VjcmV0"));
}

#[test]
fn a_bad_setting_is_named_without_its_value() {
    let url = "is not an http or https URL like http://localhost:4318";
    let compression = "is neither gzip nor none";
    let headers = "is not like name=value,name=value with percent-encoded values";
    let protocol = "is not http/protobuf, the one protocol that is spoken";
    for (setting, value, problem) in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318", url),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://localhost:4317", url),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://user:pass@localhost:4318",
            "holds a user or a password; OTEL_EXPORTER_OTLP_HEADERS is for those",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", protocol),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", protocol),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", compression),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", headers),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%2", headers),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=c", headers),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "is not a number of milliseconds from 1 to 3600000"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file", "names a file that cannot be read"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "is neither otlp nor none"),
        ("OTEL_TRACES_SAMPLER", "xray", SAMPLERS),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "is not a number of spans from 1 to 65536"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "is not a number of milliseconds from 1 to 3600000"),
    ] {
        let bad = read(&[ENDPOINT, (setting, value)]).expect_err(value);
        assert_eq!(bad, BadSetting { setting, problem: problem.into() }, "{value}");
    }
    let ratio = read(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]);
    assert_eq!(ratio.expect_err("2").setting, "OTEL_TRACES_SAMPLER_ARG");
}

#[test]
fn a_bad_setting_counts_only_where_traces_are_on() {
    assert!(read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap().is_none());
}
