//! Bad settings, a taken port and a bad network file: the real binary prints one line and ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};

const WITNESS_KEY: &str = "witness.example.com+35f0a9bb+BMhTrQ8M0rYZrqks7sT9VqJNZJnVhM55JX5Fz9gTm2Cn";
const LOG_KEY: &str =
    "login.example.net/qr-login/6f1d0c2b9a7e4853+0cbca643+AW1E+Tn4KdQ1mLze3akN4B22n6pQyqM+jGwyikuQDU2s";

/// Runs the service with good settings except for these, until it ends.
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

fn expect_refusal(changed: &[(&str, &str)], line: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = serve_with(dir.path(), changed).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it went on with {changed:?}");
    assert_eq!(stderr.trim_end(), format!("qr-login: {line}"), "for {changed:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_missing_setting_is_named_with_where_to_get_it() {
    expect_refusal(&[("BOT_TOKEN", "")], "BOT_TOKEN: is not set (from @BotFather)");
    expect_refusal(&[("TELEGRAM_API_ID", "")], "TELEGRAM_API_ID: is not set (from https://my.telegram.org)");
    expect_refusal(
        &[("TELEGRAM_API_HASH", "")],
        "TELEGRAM_API_HASH: is not set (from https://my.telegram.org)",
    );
    expect_refusal(
        &[("AUTH_BASE_URL", "")],
        "AUTH_BASE_URL: is not set: the public https origin of the Mini App, like https://login.example.org",
    );
}

#[test]
fn a_bad_setting_is_named_with_what_it_should_be() {
    expect_refusal(
        &[("BOT_TOKEN", "secret")],
        "BOT_TOKEN: is not a bot token, which looks like 123456:ABC-DEF",
    );
    expect_refusal(&[("TELEGRAM_API_ID", "abc")], "TELEGRAM_API_ID: is not a positive number");
    expect_refusal(
        &[("AUTH_BASE_URL", "http://login.example.org")],
        "AUTH_BASE_URL: \"http://login.example.org\" is not an https origin like https://login.example.org",
    );
    expect_refusal(&[("LISTEN_ADDR", "8010")], "LISTEN_ADDR: \"8010\" is not an address like 127.0.0.1:8010");
    expect_refusal(
        &[("ONE_PHONE_LOGIN", "maybe")],
        "ONE_PHONE_LOGIN: \"maybe\" is neither on nor off nor typed",
    );
    expect_refusal(
        &[("DISPLAY_TIMEZONE", "Mars/Base")],
        "DISPLAY_TIMEZONE: no time zone is called \"Mars/Base\"",
    );
    expect_refusal(&[("ADMIN_IDS", "1,two")], "ADMIN_IDS: \"two\" is not a Telegram id");
    expect_refusal(&[("ROLE", "cook")], "ROLE: \"cook\" is none of api, bot, projector");
    expect_refusal(
        &[("BOT_API_URL", "http://api.example.org")],
        "BOT_API_URL: \"http://api.example.org\" is not https (plain http only to loopback)",
    );
    expect_refusal(
        &[("SESSION_CHECK_INTERVAL", "often")],
        "SESSION_CHECK_INTERVAL: \"often\" is not a time span like 6h or 30m",
    );
    expect_refusal(
        &[("DATABASE_POOL_SIZE", "1")],
        "DATABASE_POOL_SIZE: \"1\" is not a number of connections from 2 to 1000",
    );
    expect_refusal(
        &[("DATABASE_URL", "postgresql://one,two/login?target_session_attrs=fastest")],
        "DATABASE_URL: target_session_attrs is none of any, read-write, read-only, primary, standby",
    );
    expect_refusal(
        &[("DATABASE_READ_URL", "postgresql://standby/login")],
        "DATABASE_READ_URL: names a standby of DATABASE_URL, which is not set",
    );
    let (witness, log) = (WITNESS_KEY, LOG_KEY);
    for (bad, told) in [
        (
            "often",
            "does not begin with how many have to sign, like `2 of https://witness.example.com NAME+ID+KEY, …`",
        ),
        (
            &format!("2 of https://w.example {witness}"),
            "2 of 1 cannot sign: the number has to be from 1 to 1",
        ),
        (
            &format!("1 of ftp://w.example {witness}"),
            "the address of witness 1 is not one like https://witness.example.com or http://10.0.0.5:8011/log",
        ),
        (
            &format!("1 of https://w.example {log}"),
            "the key of witness 1 is not one of a witness (NAME+ID+KEY of C2SP signed-note, Ed25519)",
        ),
        (
            &format!("1 of https://w.example {witness}, https://v.example {witness}"),
            "the key of witness 2 is that of another one, too: each counts once",
        ),
        (
            "1 of https://w.example",
            "witness 1 is not a URL and a verifier key, like https://witness.example.com NAME+ID+KEY",
        ),
    ] {
        expect_refusal(&[("WITNESSES", bad)], &format!("WITNESSES: {told}"));
    }
    let told = format!("WITNESS_LOGS: {witness:?} is not the verifier key of a log (NAME+ID+KEY)");
    expect_refusal(&[("WITNESS_LOGS", witness)], &told);
    let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
    expect_refusal(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")],
        "OTEL_EXPORTER_OTLP_ENDPOINT: is not an http or https URL like http://localhost:4318",
    );
    expect_refusal(
        &[collector, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        "OTEL_EXPORTER_OTLP_PROTOCOL: is not http/protobuf, the one protocol that is spoken",
    );
    expect_refusal(
        &[collector, ("OTEL_EXPORTER_OTLP_HEADERS", "pa55word")],
        "OTEL_EXPORTER_OTLP_HEADERS: is not like name=value,name=value with percent-encoded values",
    );
    expect_refusal(&[("LOG_FORMAT", "xml")], "LOG_FORMAT: \"xml\" is neither text nor json");
    expect_refusal(&[("DATABASE_URL", "mysql://localhost")], "DATABASE_URL is not a postgresql:// URL");
}

#[test]
fn all_bad_settings_are_told_at_once_each_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let changed = [
        ("BOT_TOKEN", ""),
        ("TELEGRAM_API_ID", "abc"),
        ("AUTH_BASE_URL", "http://login.example.org"),
        ("DATABASE_URL", "mysql://someone:pa55word@localhost"),
        ("DATABASE_OWNER_URL", "mysql://localhost"),
        ("LISTEN_ADDR", "8010"),
        ("ONE_PHONE_LOGIN", "maybe"),
        ("LOG_FORMAT", "xml"),
    ];
    let output = serve_with(dir.path(), &changed).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told: Vec<_> = stderr.lines().map(|line| line.strip_prefix("qr-login: ").unwrap()).collect();
    assert_eq!(
        told,
        [
            "LOG_FORMAT: \"xml\" is neither text nor json",
            "BOT_TOKEN: is not set (from @BotFather)",
            "TELEGRAM_API_ID: is not a positive number",
            "AUTH_BASE_URL: \"http://login.example.org\" is not an https origin like https://login.example.org",
            "DATABASE_URL is not a postgresql:// URL",
            "DATABASE_OWNER_URL is not a postgresql:// URL",
            "LISTEN_ADDR: \"8010\" is not an address like 127.0.0.1:8010",
            "ONE_PHONE_LOGIN: \"maybe\" is neither on nor off nor typed",
        ]
    );
}

#[test]
fn help_names_every_setting_with_what_is_required() {
    let help = |flag: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_qr-login")).arg(flag).env_clear().output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (short, long) = (help("-h"), help("--help"));
    for required in ["BOT_TOKEN", "TELEGRAM_API_ID", "TELEGRAM_API_HASH", "AUTH_BASE_URL"] {
        assert!(short.contains(required) && long.contains(required), "{required}");
    }
    let command = <qr_login::cli::Cli as clap::CommandFactory>::command();
    let flags = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let others = qr_login::config::VARIABLES.iter().map(|variable| variable.name);
    for name in flags.chain(others) {
        assert!(long.contains(name), "{name} in {long}");
    }
    assert!(long.contains("\nExamples:\n") && long.contains("[default: 127.0.0.1:8010]"), "{long}");
}

#[test]
fn a_secret_comes_from_one_place_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    expect_refusal(
        &[("BOT_TOKEN_FILE", file)],
        "BOT_TOKEN: both BOT_TOKEN and BOT_TOKEN_FILE are set; keep one",
    );
    // The file replaces the variable, so the next setting is the missing one.
    expect_refusal(
        &[("BOT_TOKEN", ""), ("BOT_TOKEN_FILE", file), ("TELEGRAM_API_ID", "")],
        "TELEGRAM_API_ID: is not set (from https://my.telegram.org)",
    );
}

#[test]
fn a_secret_in_a_file_that_others_can_read_is_refused_unless_it_was_mounted_for_the_service_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n").unwrap();
    let file = path.to_str().unwrap();
    for mode in [0o644, 0o640, 0o604] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        expect_refusal(
            &[("BOT_TOKEN", ""), ("BOT_TOKEN_FILE", file)],
            &format!("BOT_TOKEN: BOT_TOKEN_FILE: {file} can be read by others: run chmod 600 {file}"),
        );
    }
    // As systemd mounts it.
    let mounted = dir.path().to_str().unwrap();
    expect_refusal(
        &[
            ("BOT_TOKEN", ""),
            ("BOT_TOKEN_FILE", file),
            ("CREDENTIALS_DIRECTORY", mounted),
            ("TELEGRAM_API_ID", ""),
        ],
        "TELEGRAM_API_ID: is not set (from https://my.telegram.org)",
    );
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    expect_refusal(
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
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("qr-login: TELEGRAM_NETWORK_FILE: "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
