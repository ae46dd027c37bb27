//! Records that somebody read the history of a person, a login or an invite that they named: `AuditRead`, by the database role that
//! is connected. Not recorded is what names nobody, and what a standby is asked: there nothing can be written.

use app::audit::note_read_by_replay;
use domain::AuditTarget;
use eventlog::Database;

/// Notes these reads. One that cannot be recorded is told on stderr, and the reading goes on.
pub async fn note(db: &Database, targets: impl IntoIterator<Item = AuditTarget>) {
    for target in targets {
        if let Err(error) = note_read_by_replay(db, &target).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "this read is not recorded in the log");
        }
    }
}
