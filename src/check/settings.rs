//! The settings themselves.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::{Config, Settings};

use super::report::Finding;

const PART: &str = "settings";

/// A line for each bad one.
pub fn check(settings: &Settings) -> Vec<Finding> {
    let mut found: Vec<_> = match Config::from_settings(settings) {
        Ok(_) => vec![Finding::ok(PART, "every setting is there and right")],
        Err(bad) => bad.0.iter().map(|bad| Finding::fault_with_remedy(PART, bad.to_string())).collect(),
    };
    let file = Path::new(".env");
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        found.push(Finding::warning(PART, ".env can be read by others", "run chmod 600 .env"));
    }
    found
}
