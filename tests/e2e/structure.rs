//! The shape of the workspace, as ARCHITECTURE.md draws it: which crate may know which, where SQL is, how a file begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// Which crate may know which, as in the picture of ARCHITECTURE.md. The stand-ins know nothing of the product.
const MAY_KNOW: [(&str, &[&str]); 27] = [
    ("domain", &[]),
    ("terminal", &[]),
    ("telemetry", &["terminal"]),
    ("private-postgres", &[]),
    ("eventlog", &["domain", "private-postgres", "telemetry"]),
    ("vault", &["domain", "eventlog"]),
    ("transparency", &["domain", "eventlog", "vault"]),
    ("qr-verify", &[]),
    ("messages", &["domain", "eventlog", "vault"]),
    ("projections", &["domain", "eventlog", "telemetry", "vault"]),
    ("rebuild", &["domain", "eventlog", "vault", "projections"]),
    ("webhooks", &["domain", "eventlog", "vault", "projections"]),
    (
        "app",
        &[
            "domain",
            "telemetry",
            "eventlog",
            "vault",
            "messages",
            "projections",
            "rebuild",
            "webhooks",
            "transparency",
        ],
    ),
    ("login-worker", &["domain", "telemetry", "eventlog", "vault", "messages", "app"]),
    ("texts", &["domain"]),
    (
        "bot",
        &[
            "domain",
            "telemetry",
            "eventlog",
            "vault",
            "messages",
            "projections",
            "webhooks",
            "app",
            "login-worker",
            "texts",
            "transparency",
        ],
    ),
    (
        "web",
        &[
            "domain",
            "telemetry",
            "eventlog",
            "vault",
            "projections",
            "webhooks",
            "app",
            "texts",
            "transparency",
        ],
    ),
    (
        "admin-api",
        &[
            "domain",
            "eventlog",
            "vault",
            "messages",
            "projections",
            "rebuild",
            "webhooks",
            "app",
            "texts",
            "web",
        ],
    ),
    ("service-api", &["domain", "eventlog", "vault", "projections", "webhooks", "app", "web"]),
    (
        "api",
        &[
            "domain",
            "telemetry",
            "eventlog",
            "vault",
            "messages",
            "projections",
            "app",
            "texts",
            "web",
            "admin-api",
            "service-api",
            "transparency",
        ],
    ),
    ("import", &["domain", "eventlog", "vault", "projections", "app", "login-worker"]),
    ("replay", &["domain", "terminal", "eventlog", "vault", "projections", "rebuild", "app", "transparency"]),
    ("qr-login", &PARTS),
    ("stand-in", &[]),
    ("kurrent", &[]),
    ("dataset", &["domain", "eventlog", "private-postgres", "projections", "vault"]),
    (
        "bench",
        &[
            "domain",
            "eventlog",
            "vault",
            "projections",
            "rebuild",
            "webhooks",
            "app",
            "transparency",
            "login-worker",
            "bot",
            "stand-in",
            "dataset",
            "kurrent",
        ],
    ),
];
/// What the service is composed of.
const PARTS: [&str; 16] = [
    "domain",
    "terminal",
    "telemetry",
    "private-postgres",
    "eventlog",
    "vault",
    "transparency",
    "messages",
    "projections",
    "webhooks",
    "app",
    "login-worker",
    "import",
    "bot",
    "web",
    "api",
];
/// The crates that own tables, and `import`, which reads those of another system.
const SPEAKS_SQL: [&str; 10] = [
    "private-postgres",
    "eventlog",
    "vault",
    "messages",
    "projections",
    "rebuild",
    "webhooks",
    "app",
    "import",
    "transparency",
];
/// Not part of the product: what measures it, and what fills it with made-up people.
const MEASURES: [&str; 2] = ["bench", "dataset"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(text.parse()?)
}

/// Every crate of the workspace by its name.
fn manifests() -> Result<BTreeMap<String, Table>> {
    let workspace = manifest(&root().join("Cargo.toml"))?;
    let members = workspace["workspace"]["members"].as_array().context("members")?.clone();
    let folders = members.iter().filter_map(Value::as_str).map(|member| root().join(member));
    folders
        .chain([root().to_owned()])
        .map(|folder| {
            let manifest = manifest(&folder.join("Cargo.toml"))?;
            Ok((manifest["package"]["name"].as_str().context("a name")?.to_owned(), manifest))
        })
        .collect()
}

/// What a crate is built with: its dependencies and those of its build script, on every platform, by their real names.
fn built_with(manifest: &Table) -> BTreeSet<String> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let of = |table: &Table| {
        let kinds = ["dependencies", "build-dependencies"].map(|kind| table.get(kind).cloned());
        kinds.into_iter().flatten().filter_map(|kind| kind.as_table().cloned()).collect::<Vec<_>>()
    };
    let named = |(name, how): (&String, &Value)| {
        how.get("package").and_then(Value::as_str).map_or_else(|| name.clone(), str::to_owned)
    };
    let tables = platforms.flat_map(of).chain(of(manifest)).collect::<Vec<_>>();
    tables.iter().flat_map(|table| table.iter().map(named)).collect()
}

#[test]
fn no_crate_knows_one_that_it_must_not_know() -> Result<()> {
    let manifests = manifests()?;
    let ours: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    assert_eq!(ours, MAY_KNOW.iter().map(|(name, _)| *name).collect(), "a crate that nobody has placed");
    for (name, may_know) in MAY_KNOW {
        let built_with = built_with(&manifests[name]);
        for known in built_with.iter().filter(|known| ours.contains(known.as_str())) {
            assert!(may_know.contains(&known.as_str()), "{name} must not know {known}");
        }
    }
    Ok(())
}

#[test]
fn only_tests_know_the_stand_in() -> Result<()> {
    for (name, manifest) in manifests()?.into_iter().filter(|(name, _)| !MEASURES.contains(&name.as_str())) {
        assert!(!built_with(&manifest).contains("stand-in"), "{name} is built with the stand-in");
    }
    Ok(())
}

#[test]
fn only_those_who_own_tables_speak_sql() -> Result<()> {
    for (name, manifest) in manifests()?.into_iter().filter(|(name, _)| !MEASURES.contains(&name.as_str())) {
        let built_with = built_with(&manifest);
        for library in ["sqlx", "jiff-sqlx", "postgres-es"] {
            let may = SPEAKS_SQL.contains(&name.as_str()) && (library != "postgres-es" || name == "eventlog");
            assert!(may || !built_with.contains(library), "{name} is built with {library}");
        }
    }
    for path in sources()? {
        let inside = path.strip_prefix(root())?;
        let is_test = inside.components().any(|part| part.as_os_str() == "tests")
            || inside.file_stem().is_some_and(|stem| stem == "tests");
        if !SPEAKS_SQL.iter().any(|owner| inside.starts_with(owner)) && !is_test {
            let text = std::fs::read_to_string(&path)?;
            assert!(!text.contains("sqlx::query"), "SQL in {}", inside.display());
        }
    }
    Ok(())
}

/// A use of an invite is reserved by one use case.
#[test]
fn only_app_redeems_invites() -> Result<()> {
    for path in sources()? {
        let inside = path.strip_prefix(root())?;
        let is_test = inside.components().any(|part| part.as_os_str() == "tests")
            || inside.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
        if !is_test && !inside.starts_with("app") && !inside.starts_with("domain") {
            let text = std::fs::read_to_string(&path)?;
            assert!(!text.contains("InviteCommand::Redeem"), "{} redeems an invite", inside.display());
        }
    }
    Ok(())
}

#[test]
fn every_file_opens_with_what_lives_in_it() -> Result<()> {
    let sources = sources()?;
    assert!(sources.len() > 200, "the files were not found");
    for path in sources {
        let text = std::fs::read_to_string(&path)?;
        assert!(text.starts_with("//! "), "{} does not say what lives in it", path.display());
        assert!(path.file_name().is_some_and(|name| name != "mod.rs"), "{}", path.display());
    }
    Ok(())
}

/// A room that has grown too large is two.
#[test]
fn no_crate_is_above_6000_lines_without_its_tests() -> Result<()> {
    let mut lines = BTreeMap::<String, usize>::new();
    for path in sources()? {
        let inside = path.strip_prefix(root())?;
        let is_test =
            inside.components().any(|part| ["tests", "testing"].iter().any(|it| part.as_os_str() == *it))
                || inside.file_stem().is_some_and(|stem| stem == "tests" || stem == "testing");
        if !is_test {
            let room =
                inside.iter().next().map(|room| room.to_string_lossy().into_owned()).unwrap_or_default();
            *lines.entry(room).or_default() += std::fs::read_to_string(&path)?.lines().count();
        }
    }
    assert!(lines.get("src").is_some_and(|lines| *lines > 1_000), "the files were not found");
    let large: Vec<_> = lines.iter().filter(|(_, lines)| **lines > 6_000).collect();
    assert!(large.is_empty(), "{large:?}");
    Ok(())
}

/// Every Rust file of the workspace.
fn sources() -> Result<Vec<PathBuf>> {
    let mut folders = vec![root().to_owned()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let (entry, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
            let name = entry.to_string_lossy();
            if path.is_dir() {
                let ours = !["target", "node_modules", "data"].contains(&name.as_ref());
                if ours && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                sources.push(path);
            }
        }
    }
    Ok(sources)
}
