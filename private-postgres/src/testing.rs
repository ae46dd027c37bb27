//! What tests do with a cluster: a copy of it, as a backup or as a standby.

use std::path::Path;
use std::process::Command;

use crate::PrivateCluster;
use crate::binaries::Binaries;
use crate::cluster_dir::ClusterDir;
use crate::error::ClusterError;

impl PrivateCluster {
    /// A copy of the files of this server under another `data_dir`, as `pg_basebackup` makes it. It is not started.
    ///
    /// # Errors
    /// The copy cannot be made.
    pub async fn back_up(&self, data_dir: &Path, options: &[&str]) -> Result<(), ClusterError> {
        let copy = ClusterDir::at(data_dir)?;
        let program =
            Binaries::find(self.dir.cluster_version().await?)?.postgres().with_file_name("pg_basebackup");
        let mut command = Command::new(&program);
        command
            .args(["--checkpoint=fast", "--username", crate::DATABASE, "--host"])
            .arg(self.dir.socket_dir());
        command.arg("--pgdata").arg(copy.data()).args(options).current_dir("/");
        copy.run_as_server(&mut command);
        let made = tokio::process::Command::from(command).kill_on_drop(true).output().await;
        let made = made.map_err(ClusterError::io("running", &program))?;
        match made.status.success() {
            true => Ok(()),
            false => Err(ClusterError::Setup(String::from_utf8_lossy(&made.stderr).into_owned())),
        }
    }

    /// A server under another `data_dir` that follows this one.
    ///
    /// # Errors
    /// It cannot be made, or does not start.
    pub async fn standby(&self, data_dir: &Path) -> Result<Self, ClusterError> {
        self.back_up(data_dir, &["--wal-method=stream", "--write-recovery-conf"]).await?;
        Self::start(data_dir).await
    }
}
