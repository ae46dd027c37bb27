//! Tests of `catalogue`.

use super::*;

#[test]
fn each_series_that_is_known_begins() {
    let of = |name: &str| METRICS.iter().find(|it| it.name == name).unwrap().known_series().len();
    assert_eq!(of("qrlogin_logins_started_total"), 1);
    assert_eq!(of("qrlogin_logins_total"), 15);
    assert_eq!(of("qrlogin_http_requests_total"), 0);
}

#[test]
fn names_follow_the_conventions() {
    let mut names = std::collections::BTreeSet::new();
    for Metric { name, kind, help, .. } in METRICS {
        assert!(names.insert(*name), "{name} is there twice");
        assert!(name.starts_with("qrlogin_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(!matches!(kind, Kind::Histogram(_)) || name.ends_with("_seconds"), "{name}");
        assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
    }
}
