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
    assert_eq!(stderr, "qr-login: DATABASE_URL is not a postgresql:// URL\n");
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
    for variable in qr_login::config::VARIABLES {
        let named = example.get(variable.name).with_context(|| format!("{} is not there", variable.name))?;
        if let Some(default) = variable.default {
            assert_eq!(*named, default, "{}", variable.name);
        }
    }
    Ok(())
}

/// The value that compose gives the service for this variable.
fn compose_variable(name: &str) -> Result<String> {
    let compose = repository_file("deploy/compose.yaml")?;
    let value = compose.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    value.map(|value| value.trim_matches('"').to_owned()).with_context(|| format!("{name} in compose"))
}

/// The lines of a service in the compose file, without those of the others.
fn compose_service(name: &str) -> Result<String> {
    let compose = repository_file("deploy/compose.yaml")?;
    let services = compose.split_once("\nservices:\n").context("services")?.1;
    let lines = services.lines().skip_while(|line| *line != format!("  {name}:")).skip(1);
    let lines: Vec<_> = lines.take_while(|line| line.starts_with("    ") || line.is_empty()).collect();
    anyhow::ensure!(!lines.is_empty(), "{name} is no service");
    Ok(lines.join("\n"))
}

#[test]
fn each_container_has_only_the_power_that_it_needs() -> Result<()> {
    for (name, networks) in [("postgres", "[back]"), ("qr-login", "[front, back]"), ("caddy", "[front]")] {
        let service = compose_service(name)?;
        for needed in [
            "    read_only: true",
            "    cap_drop: [ALL]",
            "    security_opt: [\"no-new-privileges:true\"]",
            "    healthcheck:",
            &format!("    networks: {networks}"),
        ] {
            assert!(service.lines().any(|line| line == needed), "{needed:?} in {name}");
        }
        assert!(service.contains("\n    mem_limit: ") && service.contains("\n    pids_limit: "), "{name}");
        let added = service.lines().find(|line| line.trim().starts_with("cap_add"));
        assert_eq!(added.is_some(), name == "caddy", "{name}: {added:?}");
        assert!(!service.contains("privileged:") && !service.contains("docker.sock"), "{name}");
    }
    // PostgreSQL reaches nobody outside, and nobody publishes a port but Caddy.
    let compose = repository_file("deploy/compose.yaml")?;
    assert!(compose.contains("\n  back:\n    internal: true\n"), "{compose}");
    assert_eq!(compose.matches("    ports:").count(), 1);
    assert!(compose_service("caddy")?.contains("    ports: "));
    Ok(())
}

#[test]
fn in_compose_each_secret_is_a_file() -> Result<()> {
    let compose = repository_file("deploy/compose.yaml")?;
    for secret in ["BOT_TOKEN", "TELEGRAM_API_ID", "TELEGRAM_API_HASH", "PGPASSWORD", "POSTGRES_PASSWORD"] {
        let file = compose_variable(&format!("{secret}_FILE"))?;
        let name = file.strip_prefix("/run/secrets/").context("a secret")?;
        assert!(compose.contains(&format!("\n  {name}:\n    file: ./secrets/{name}\n")), "{name}");
        assert!(!compose.contains(&format!("      {secret}: ")), "{secret} stands in the environment");
    }
    for ignored in [repository_file(".gitignore")?, repository_file(".dockerignore")?] {
        assert!(ignored.lines().any(|line| line.ends_with("deploy/secrets")), "{ignored}");
    }
    Ok(())
}

/// The images that the files under `deploy/` stand on: the setting that pins each, and its tag.
const IMAGES: [&str; 4] = ["RUST_IMAGE", "DEBIAN_IMAGE", "POSTGRES_IMAGE", "CADDY_IMAGE"];

#[test]
fn each_image_can_be_pinned_by_the_digest_that_its_registry_names() -> Result<()> {
    let files = [repository_file("deploy/Dockerfile")?, repository_file("deploy/compose.yaml")?].concat();
    for line in files.lines().filter(|line| line.starts_with("FROM ") || line.trim().starts_with("image:")) {
        assert!(IMAGES.iter().any(|image| line.contains(&format!("${{{image}"))), "cannot be pinned: {line}");
    }
    // What `deploy/pin-images` prints, where a registry answers and where none does.
    let dir = tempfile::tempdir()?;
    let pin = |answer: &str| -> Result<std::process::Output> {
        let skopeo = dir.path().join("skopeo");
        std::fs::write(&skopeo, format!("#!/bin/sh\n{answer}\n"))?;
        std::fs::set_permissions(&skopeo, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/pin-images");
        Ok(Command::new(script).env("PATH", path).output()?)
    };
    let digest = format!("sha256:{}", "5".repeat(64));
    let pinned = pin(&format!("echo {digest}"))?;
    let told = String::from_utf8(pinned.stdout)?;
    for image in IMAGES {
        let line = told.lines().find_map(|line| line.strip_prefix(image)?.strip_prefix('='));
        let tag = line.and_then(|line| line.strip_suffix(&format!("@{digest}")));
        let tag = tag.with_context(|| format!("{image} in {told}"))?;
        assert!(tag.starts_with("docker.io/library/") && files.contains(tag), "{tag}");
    }
    for refused in ["exit 1", "echo not-a-digest"] {
        let output = pin(refused)?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{stderr}");
        assert!(stderr.contains("no digest of docker.io/library/rust"), "{stderr}");
    }
    Ok(())
}

#[test]
fn what_pip_and_npm_fetch_has_a_hash() -> Result<()> {
    for file in [
        "examples/requirements.txt",
        "tests/e2e/requirements.txt",
        "tests/e2e/requirements-1.41.txt",
        "tests/e2e/schemathesis/requirements.txt",
        "tests/e2e/standardwebhooks/requirements.txt",
        "tests/e2e/typed_client/requirements.txt",
        "tests/bench/requirements.txt",
    ] {
        let text = repository_file(file)?;
        assert!(!text.contains("--find-links"), "{file} names a folder of some machine");
        for package in text.split("\n").filter(|line| line.contains("==")) {
            assert!(package.ends_with(" \\"), "{file}: {package} has no hash");
        }
        assert!(text.matches("--hash=sha256:").count() >= text.matches("==").count(), "{file}");
    }
    let made_by = |file: &str, needed: &str| -> Result<bool> { Ok(repository_file(file)?.contains(needed)) };
    for tool in ["telegram-sdk", "axe"] {
        let lock: serde_json::Value =
            serde_json::from_str(&repository_file(&format!("tests/e2e/{tool}/package-lock.json"))?)?;
        let packages = lock["packages"].as_object().context("packages")?;
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")), "{name}");
        }
        let script = format!("scripts/{tool}");
        assert!(made_by(&script, "npm ci ")? && !made_by(&script, "npm pack ")?);
    }
    for file in ["tests/e2e/python.rs", "tests/bench/src/status/python.rs"] {
        assert!(made_by(file, "--require-hashes")?, "{file}");
    }
    Ok(())
}

#[test]
fn the_image_says_what_it_is_made_of() -> Result<()> {
    let dockerfile = repository_file("deploy/Dockerfile")?;
    assert!(dockerfile.contains("\nENV CARGO=\"cargo auditable\"\n"), "{dockerfile}");
    assert!(dockerfile.contains(" scripts/sbom /usr/local/share/qr-login\n"), "{dockerfile}");
    assert!(dockerfile.contains("\nCOPY --from=build /usr/local/share/qr-login "), "{dockerfile}");
    Ok(())
}

#[tokio::test]
async fn in_compose_a_password_may_hold_what_a_url_may_not() -> Result<()> {
    let password = "p/w@:%20?#&[ ";
    let dir = tempfile::tempdir()?;
    let cluster = PrivateCluster::start(dir.path()).await?;
    let db = Database::connect(&cluster.url()).await?;
    let set = format!(
        "alter role qr_login password '{password}'; create role qr_login_service login password '{password}'"
    );
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
    let here = |name| {
        let url = compose_variable(name)?;
        let url = url.replace("@postgres/qr_login?", &format!("@localhost/qr_login?host={socket}&"));
        assert!(url.contains(socket), "{url}");
        anyhow::Ok(url)
    };
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qr-login"));
    command.args(["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"]);
    command.current_dir(dir.path()).env_clear().env("DATABASE_URL", here("DATABASE_URL")?);
    command.env("DATABASE_OWNER_URL", here("DATABASE_OWNER_URL")?);
    anyhow::ensure!(compose_variable("PGPASSWORD_FILE")?.starts_with("/run/secrets/"));
    let file = dir.path().join("postgres_password");
    std::fs::write(&file, format!("{password}\n"))?;
    command.env("PGPASSWORD_FILE", &file);
    let output = command.output().await?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3HBP4Z3ECICZ\n", "{output:?}");
    cluster.stop().await?;
    Ok(())
}

/// `make check` runs the same script, and makes no code.
#[test]
fn the_image_is_built_by_the_command_that_is_checked() -> Result<()> {
    let dockerfile = repository_file("deploy/Dockerfile")?;
    assert!(dockerfile.contains("    scripts/shipped build --profile dist"), "{dockerfile}");
    assert!(!dockerfile.contains("cargo build"), "there is a second build command");
    assert!(
        repository_file("Makefile")?.contains("\n\tscripts/shipped check\n"),
        "no target checks what the image builds"
    );
    Ok(())
}
