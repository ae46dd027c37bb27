//! The files under `deploy/` agree with the real binary: the example of the settings, the compose file, and the build command of
//! the image.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use eventlog::Database;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret as _;

fn repository_file(path: &str) -> Result<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The example with every setting uncommented.
fn uncommented() -> Result<String> {
    let is_setting = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default();
        line.contains('=') && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let example = repository_file("deploy/.env.example")?;
    let lines = example.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).filter(is_setting);
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Runs the service with these settings and an impossible database. The database must be the only setting that is refused.
fn expect_only_the_database_refused(environment: &[(&str, &str)], file: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join(".env"), file)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.current_dir(dir.path()).env_clear();
    let output =
        command.envs(environment.iter().copied()).env("DATABASE_URL", "mysql://localhost").output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("qr-login: DATABASE_URL"), "{stderr}");
    Ok(())
}

const REQUIRED: [(&str, &str); 5] = [
    ("BOT_TOKEN", "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("TELEGRAM_API_ID", "1"),
    ("TELEGRAM_API_HASH", "0123456789abcdef0123456789abcdef"),
    ("LISTEN_ADDR", "127.0.0.1:0"),
    ("OPS_LISTEN_ADDR", "127.0.0.1:0"),
];

#[test]
fn every_setting_of_the_example_works_when_it_is_uncommented() -> Result<()> {
    expect_only_the_database_refused(&REQUIRED, &uncommented()?)
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() -> Result<()> {
    let names = qr_login::cli::Cli::command();
    let names = names.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let empty = names.filter(|name| REQUIRED.iter().all(|(known, _)| known != name));
    let mut environment: Vec<_> = empty.map(|name| (name, "")).collect();
    assert!(environment.iter().any(|(name, _)| *name == "ROLE"));
    environment.extend([("LOG_FORMAT", ""), ("RUST_LOG", ""), ("MASTER_KEY_FILE", "")]);
    environment.extend(REQUIRED);
    environment.retain(|(name, _)| *name != "AUTH_BASE_URL");
    environment.push(("AUTH_BASE_URL", "https://login.example.org"));
    expect_only_the_database_refused(&environment, "")
}

#[test]
fn the_example_names_every_setting_with_its_real_default() -> Result<()> {
    let lines = uncommented()?;
    let example: BTreeMap<_, _> = lines.lines().filter_map(|line| line.split_once('=')).collect();
    for argument in qr_login::cli::Cli::command().get_arguments() {
        let Some(name) = argument.get_env() else { continue };
        let name = name.to_string_lossy();
        let named = example.get(&*name).with_context(|| format!("{name} is not in the example"))?;
        if let Some(default) = argument.get_default_values().first() {
            assert_eq!(*named, default.to_string_lossy(), "{name}");
        }
    }
    Ok(())
}

/// The value that compose gives the service for this variable, with this password.
fn compose_variable(name: &str, password: &str) -> Result<Option<String>> {
    let compose = repository_file("deploy/compose.yaml")?;
    let value = compose.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    let value = value.map(|value| value.trim_matches('"'));
    Ok(value.map(|value| value.replace("${POSTGRES_PASSWORD}", password)))
}

#[tokio::test]
async fn in_compose_a_password_may_hold_what_a_url_may_not() -> Result<()> {
    let password = "p/w@:%20?#&[ ";
    let dir = tempfile::tempdir()?;
    let cluster = PrivateCluster::start(dir.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    let set = format!("alter role qr_login password '{password}'");
    sqlx::raw_sql(&set).execute(db.pool()).await?;
    let data = dir.path().join("postgres/data");
    std::fs::write(data.join("pg_hba.conf"), "local all all scram-sha-256\n")?;
    sqlx::raw_sql("select pg_reload_conf()").execute(db.pool()).await?;
    db.close().await;
    // PostgreSQL reads its configuration again a moment later.
    crate::wait::eventually("a password is asked for", async || {
        Ok(Database::connect(&cluster.url()).await.is_err())
    })
    .await?;

    // The socket replaces compose's host.
    let cluster_url = cluster.url();
    let socket = cluster_url.expose_secret().split_once("host=").context("a socket")?.1;
    let socket = socket.split('&').next().unwrap_or_default();
    let url = compose_variable("DATABASE_URL", password)?.context("DATABASE_URL in compose")?;
    let url = url.replace("@postgres/qr_login", &format!("@localhost/qr_login?host={socket}"));
    assert!(url.contains(socket), "{url}");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.args(["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"]);
    command.current_dir(dir.path()).env_clear().env("DATABASE_URL", url);
    if let Some(password) = compose_variable("PGPASSWORD", password)? {
        command.env("PGPASSWORD", password);
    }
    let output = command.output().await?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3HBP4Z3ECICZ\n", "{output:?}");
    cluster.stop().await?;
    Ok(())
}

/// `make test` runs the same script in the development profile.
#[test]
fn the_image_is_built_by_the_command_that_the_tests_run() -> Result<()> {
    let dockerfile = repository_file("deploy/Dockerfile")?;
    assert!(dockerfile.contains("    scripts/build --profile dist"), "{dockerfile}");
    assert!(!dockerfile.contains("cargo build"), "there is a second build command");
    assert!(
        repository_file("Makefile")?.contains("\n\tscripts/build\n"),
        "no target runs the build command of the image"
    );
    Ok(())
}
