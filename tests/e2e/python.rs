//! Python programs from PyPI: pinned, with hashes, each in an environment of its own that is made once.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};
use tokio::process::Command;
use tokio::sync::Mutex;

/// One environment is made at a time: several tests use the same one.
static MAKING: Mutex<()> = Mutex::const_new(());

/// The folder of the programs of an environment of this name, which has this module by these requirements. It is made anew where the
/// requirements are others than it was made by, or where it was not finished.
pub async fn environment(name: &str, module: &str, requirements: &str) -> Result<PathBuf> {
    let _making = MAKING.lock().await;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let programs = place.join("bin");
    let python = programs.join("python");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let wanted = std::fs::read_to_string(&file)?;
    // Written once everything is installed.
    let installed_by = place.join("installed-requirements.txt");
    let import = format!("import {module}");
    let has_it =
        async |python: &Path| Command::new(python).args(["-c", &import]).stderr(Stdio::null()).status().await;
    let is_whole = std::fs::read_to_string(&installed_by).is_ok_and(|it| it == wanted);
    if is_whole && python.exists() && has_it(&python).await?.success() {
        return Ok(programs);
    }
    if installed_by.exists() {
        std::fs::remove_file(&installed_by)?;
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status().await?;
    ensure!(made.success(), "python3 -m venv does not work: apt-get install python3-venv");
    let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement"];
    let installed = Command::new(&python).args(install).arg(file).status().await?;
    ensure!(installed.success(), "{module} cannot be installed from PyPI");
    std::fs::write(installed_by, wanted)?;
    Ok(programs)
}
