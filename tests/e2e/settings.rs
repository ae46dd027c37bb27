//! Bad settings and bad surroundings: the real binary, and the one line that it says.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};

/// Runs the service with good settings, but for these; it is expected to end by itself.
fn serve_with(dir: &Path, changed: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.current_dir(dir).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let good = [
        ("BOT_TOKEN", "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("TELEGRAM_API_ID", "1"),
        ("TELEGRAM_API_HASH", "0123456789abcdef0123456789abcdef"),
        ("AUTH_BASE_URL", "https://login.example.org"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("OPS_LISTEN_ADDR", "127.0.0.1:0"),
    ];
    command.envs(good);
    for (name, value) in changed {
        match *value {
            "" => command.env_remove(name),
            value => command.env(name, value),
        };
    }
    command.output().context("the binary runs")
}

fn says(changed: &[(&str, &str)], line: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = serve_with(dir.path(), changed).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it went on with {changed:?}");
    assert_eq!(said.trim_end(), format!("qr-login: {line}"), "for {changed:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_missing_setting_is_named_with_where_to_get_it() {
    says(&[("BOT_TOKEN", "")], "BOT_TOKEN: is not set (from @BotFather)");
    says(&[("TELEGRAM_API_ID", "")], "TELEGRAM_API_ID: is not set (from https://my.telegram.org)");
    says(&[("TELEGRAM_API_HASH", "")], "TELEGRAM_API_HASH: is not set (from https://my.telegram.org)");
    says(
        &[("AUTH_BASE_URL", "")],
        "AUTH_BASE_URL: is not set: the public https origin of the Mini App, like https://login.example.org",
    );
}

#[test]
fn a_bad_setting_is_named_with_what_it_should_be() {
    says(&[("BOT_TOKEN", "secret")], "BOT_TOKEN: is not a bot token, which looks like 123456:ABC-DEF");
    says(&[("TELEGRAM_API_ID", "abc")], "TELEGRAM_API_ID: is not a positive number");
    says(
        &[("AUTH_BASE_URL", "http://login.example.org")],
        "AUTH_BASE_URL: \"http://login.example.org\" is not an https origin like https://login.example.org",
    );
    says(&[("LISTEN_ADDR", "8010")], "LISTEN_ADDR: \"8010\" is not an address like 127.0.0.1:8010");
    says(&[("ONE_PHONE_LOGIN", "maybe")], "ONE_PHONE_LOGIN: \"maybe\" is neither on nor off");
    says(&[("DISPLAY_TIMEZONE", "Mars/Base")], "DISPLAY_TIMEZONE: no time zone is called \"Mars/Base\"");
    says(&[("ADMIN_IDS", "1,two")], "ADMIN_IDS: \"two\" is not a Telegram id");
    says(&[("ROLE", "cook")], "ROLE: \"cook\" is none of api, bot, projector");
    says(
        &[("BOT_API_URL", "http://api.example.org")],
        "BOT_API_URL: \"http://api.example.org\" is not https (plain http only to loopback)",
    );
    says(
        &[("SESSION_CHECK_INTERVAL", "often")],
        "SESSION_CHECK_INTERVAL: \"often\" is not a time span like 6h or 30m",
    );
    says(
        &[("DATABASE_POOL_SIZE", "1")],
        "DATABASE_POOL_SIZE: \"1\" is not a number of connections from 2 to 1000",
    );
    says(
        &[("DATABASE_URL", "postgresql://one,two/login?target_session_attrs=fastest")],
        "DATABASE_URL: target_session_attrs is none of any, read-write, read-only, primary, standby",
    );
    says(&[("LOG_FORMAT", "xml")], "LOG_FORMAT: \"xml\" is neither text nor json");
    says(&[("DATABASE_URL", "mysql://localhost")], "DATABASE_URL is not a postgresql:// URL");
}

#[test]
fn a_secret_has_one_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    let file = file.to_str().unwrap();
    says(&[("BOT_TOKEN_FILE", file)], "BOT_TOKEN: both BOT_TOKEN and BOT_TOKEN_FILE are set; keep one");
    // From its file it is as good as from the variable: the next setting is the one that is missing.
    says(
        &[("BOT_TOKEN", ""), ("BOT_TOKEN_FILE", file), ("TELEGRAM_API_ID", "")],
        "TELEGRAM_API_ID: is not set (from https://my.telegram.org)",
    );
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    says(
        &[("LISTEN_ADDR", &addr)],
        &format!("LISTEN_ADDR: cannot listen on {addr}: Address already in use (os error 98)"),
    );
}

#[test]
fn a_private_network_stays_on_loopback() {
    let dir = tempfile::tempdir().unwrap();
    let network = dir.path().join("network.toml");
    let text = "home_dc = 2\n[[dc]]\nid = 2\naddr = \"127.0.0.1:4430\"\n[rsa]\nn = \"25\"\ne = \"3\"\n";
    std::fs::write(&network, text.replace("127.0.0.1", "192.0.2.1")).unwrap();
    let path = network.to_str().unwrap();
    let output = serve_with(dir.path(), &[("TELEGRAM_NETWORK_FILE", path)]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("qr-login: TELEGRAM_NETWORK_FILE: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
