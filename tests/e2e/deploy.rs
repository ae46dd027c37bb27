//! What stands under `deploy/` and what it says, beside the real binary: the example of the settings, the compose file, and the
//! image's build command.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use eventlog::Database;
use private_postgres::PrivateCluster;
use secrecy::ExposeSecret as _;

/// A file of the repository.
fn text(path: &str) -> Result<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The example with every setting uncommented.
fn uncommented() -> Result<String> {
    let is_setting = |line: &&str| {
        let name = line.split('=').next().unwrap_or_default();
        line.contains('=') && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let example = text("deploy/.env.example")?;
    let lines = example.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).filter(is_setting);
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// How the service ends with these settings where only its database is impossible.
fn ends_at_the_database(environment: &[(&str, &str)], file: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join(".env"), file)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.current_dir(dir.path()).env_clear();
    let output =
        command.envs(environment.iter().copied()).env("DATABASE_URL", "mysql://localhost").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("qr-login: DATABASE_URL"), "{said}");
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
fn every_line_of_the_example_works_when_it_is_uncommented() -> Result<()> {
    ends_at_the_database(&REQUIRED, &uncommented()?)
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
    ends_at_the_database(&environment, "")
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

/// What compose gives the service under this name, with this password in the place of the variable.
fn of_compose(name: &str, password: &str) -> Result<Option<String>> {
    let compose = text("deploy/compose.yaml")?;
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
    // The configuration is read anew in a moment.
    crate::left::eventually("a password is asked for", async || {
        Ok(Database::connect(&cluster.url()).await.is_err())
    })
    .await?;

    // The socket in the place of compose's host.
    let cluster_url = cluster.url();
    let socket = cluster_url.expose_secret().split_once("host=").context("a socket")?.1;
    let socket = socket.split('&').next().unwrap_or_default();
    let url = of_compose("DATABASE_URL", password)?.context("DATABASE_URL in compose")?;
    let url = url.replace("@postgres/qr_login", &format!("@localhost/qr_login?host={socket}"));
    assert!(url.contains(socket), "{url}");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.args(["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"]);
    command.current_dir(dir.path()).env_clear().env("DATABASE_URL", url);
    if let Some(password) = of_compose("PGPASSWORD", password)? {
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
    let dockerfile = text("deploy/Dockerfile")?;
    assert!(dockerfile.contains("    scripts/build --release"), "{dockerfile}");
    assert!(!dockerfile.contains("cargo build"), "a second command that builds it");
    assert!(text("Makefile")?.contains("\n\tscripts/build\n"), "nothing runs the image's command");
    Ok(())
}
