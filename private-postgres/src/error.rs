//! Why the private PostgreSQL cannot be run. Each message is one line with a way out.

use std::io;
use std::path::{Path, PathBuf};

/// Why the private PostgreSQL cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No PostgreSQL is installed.
    #[error(
        "DATABASE_URL is not set and no PostgreSQL 14 to 18 is installed for a private one: apt-get install postgresql"
    )]
    NotInstalled,
    /// The version that the existing cluster needs is not installed.
    #[error(
        "the private database was made by PostgreSQL {major}, which is not installed: apt-get install postgresql-{major}"
    )]
    OtherVersion {
        /// The version of the cluster.
        major: u32,
    },
    /// PostgreSQL refuses to run as root, and a user for it could not be made.
    #[error(
        "PostgreSQL does not run as root, and the user qr-login-postgres for it cannot be made ({0}): run useradd --system --user-group qr-login-postgres, run qr-login as another user, or set DATABASE_URL"
    )]
    NoUser(String),
    /// The cluster belongs to a user that other programs share.
    #[error(
        "the private PostgreSQL belongs to nobody, and cannot be given to qr-login-postgres: run chown -R qr-login-postgres: {}",
        .0.display()
    )]
    Untaken(PathBuf),
    /// A directory above is closed to the server's user.
    #[error("the user who runs the private PostgreSQL cannot enter {}: choose another DATA_DIR", .0.display())]
    Unreachable(PathBuf),
    /// Root would open files where another user may put a link in their place.
    #[error(
        "DATA_DIR: another user than root can write {path}, and lead root to any file: run qr-login as that user, or chown root {path} && chmod go-w {path}",
        path = .0.display()
    )]
    Exposed(PathBuf),
    /// A file of the cluster that its own user cannot read.
    #[error("the user who runs the private PostgreSQL cannot read {}", .0.display())]
    Unreadable(PathBuf),
    /// A file of the cluster that its own user cannot remove.
    #[error("the user who runs the private PostgreSQL cannot remove {}", .0.display())]
    Unremovable(PathBuf),
    /// Another user owns the directory of the socket.
    #[error("{} belongs to somebody else: remove it, or choose a shorter DATA_DIR", .0.display())]
    Occupied(PathBuf),
    /// A file or a process could not be used.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or the program.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("the private PostgreSQL could not be set up: {0}")]
    Setup(String),
    /// The server ended at once.
    #[error("the private PostgreSQL does not start: {0}")]
    Ended(String),
    /// The server runs and does not answer.
    #[error("the private PostgreSQL in {} does not answer", .0.display())]
    Silent(PathBuf),
    /// The server does not end.
    #[error("the private PostgreSQL in {} does not stop", .0.display())]
    Unstoppable(PathBuf),
    /// It refused, or is not there any more.
    #[error("PostgreSQL failed")]
    Sql(#[from] sqlx::Error),
}

impl ClusterError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
