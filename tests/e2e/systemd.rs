//! The units under `deploy/systemd`: systemd knows every line, they leave the service little power, and they agree with the binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::CommandFactory as _;

const UNITS: [&str; 3] = ["qr-login.service", "qr-login@.service", "qr-login-migrate.service"];
/// In tenths: an exposure of 2.0 of 10.
const MOST_EXPOSED: &str = "20";

fn unit(name: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The values of a key, without comments.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The units as they are installed, with the binary of this build.
fn installed(into: &Path) -> Result<Vec<PathBuf>> {
    UNITS
        .iter()
        .map(|name| {
            let path = into.join(name);
            std::fs::write(
                &path,
                unit(name)?.replace("/usr/local/bin/qr-login", env!("CARGO_BIN_EXE_qr-login")),
            )?;
            Ok(path)
        })
        .collect()
}

#[test]
fn systemd_knows_every_line_of_the_units_and_finds_them_closed() -> Result<()> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("not tested: there is no systemd-analyze here");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    for path in installed(folder.path())? {
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output()?;
        let said = String::from_utf8_lossy(&verified.stderr);
        ensure!(verified.status.success() && said.is_empty(), "{}: {said}", path.display());
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--no-pager", "--threshold", MOST_EXPOSED]).arg(&path);
        let output = security.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    // A line that systemd does not know is told.
    let wrong = folder.path().join("wrong.service");
    let right = std::fs::read_to_string(folder.path().join(UNITS[0]))?;
    std::fs::write(&wrong, right.replace("NoNewPrivileges", "NoNewPrivilege"))?;
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&wrong).output()?;
    assert!(String::from_utf8_lossy(&verified.stderr).contains("NoNewPrivilege"), "this test could not fail");
    Ok(())
}

#[test]
fn each_secret_is_a_credential_and_each_variable_a_setting() -> Result<()> {
    let command = qr_login::cli::Cli::command();
    let known: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned()))
        .chain(qr_login::config::VARIABLES.iter().map(|variable| variable.name.to_owned()))
        .collect();
    for name in UNITS {
        let unit = unit(name)?;
        let credentials: BTreeSet<_> =
            values(&unit, "LoadCredential").into_iter().filter_map(|it| it.split_once(':')).collect();
        for variable in values(&unit, "Environment").into_iter().flat_map(str::split_whitespace) {
            let (variable, value) = variable.split_once('=').context("a variable")?;
            let setting = variable.strip_suffix("_FILE").unwrap_or(variable);
            assert!(known.contains(setting), "{name}: {setting} is no setting");
            if variable != setting {
                let credential = value.strip_prefix("%d/").with_context(|| format!("{name}: {value}"))?;
                let file = format!("/etc/qr-login/secrets/{credential}");
                assert!(credentials.contains(&(credential, &*file)), "{name}: {credential} is not loaded");
            }
        }
    }
    // The owner's way to the tables is none of the service's.
    assert!(!unit("qr-login.service")?.contains("OWNER"));
    Ok(())
}

#[test]
fn the_unit_of_a_role_is_the_unit_of_all_but_for_the_role() -> Result<()> {
    let settings = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains('=') && !line.starts_with('#'));
        let own = ["Description=", "ExecStart=", "EnvironmentFile=-"];
        lines.filter(|line| !own.iter().any(|it| line.starts_with(it))).map(str::to_owned).collect()
    };
    assert_eq!(settings(&unit("qr-login.service")?), settings(&unit("qr-login@.service")?));
    assert_eq!(values(&unit("qr-login@.service")?, "ExecStart"), ["/usr/local/bin/qr-login serve --role %i"]);
    Ok(())
}
