//! Python programs from PyPI: pinned, with hashes, each in an environment of its own that is made once.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, ensure};
use tokio::process::Command;
use tokio::sync::Mutex;

/// One environment is made at a time: several tests use the same one.
static MAKING: Mutex<()> = Mutex::const_new(());

/// The folder of the programs of an environment of this name, which has this module by these requirements.
pub async fn environment(name: &str, module: &str, requirements: &str) -> Result<PathBuf> {
    let _making = MAKING.lock().await;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let programs = place.join("bin");
    let python = programs.join("python");
    let import = format!("import {module}");
    let has_it =
        async |python: &Path| Command::new(python).args(["-c", &import]).stderr(Stdio::null()).status().await;
    if python.exists() && has_it(&python).await?.success() {
        return Ok(programs);
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place).status().await?;
    ensure!(made.success(), "python3 -m venv does not work: apt-get install python3-venv");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement"];
    let installed = Command::new(&python).args(install).arg(file).status().await?;
    ensure!(installed.success(), "{module} cannot be installed from PyPI");
    Ok(programs)
}
