//! What only the database knows. It is right whichever process leads.

use std::error::Error;

use eventlog::Database;
use messages::backlog::Backlog as Messages;
use projections::totals::live_logins;
use transparency::StoredTree;
use webhooks::Backlog as Webhooks;

/// What the database knows at one moment, besides how far the log and the views are.
pub struct Stored {
    /// Logins that may still become authorized.
    pub live_logins: i64,
    /// What waits between Telegram's chats and the service.
    pub messages: Messages,
    /// What waits for other services.
    pub webhooks: Webhooks,
    /// The size of the tree that was signed last.
    pub signed_size: u64,
    /// No checkpoint is signed.
    pub has_fault: bool,
}

impl Stored {
    /// Asks for all of it, one statement after the other.
    ///
    /// # Errors
    /// The database's.
    pub async fn measure(db: &Database) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let tree = StoredTree::new(db).state().await?;
        Ok(Self {
            live_logins: live_logins(db).await?,
            messages: messages::backlog::measure(db).await?,
            webhooks: webhooks::backlog(db).await?,
            signed_size: tree.signed_size,
            has_fault: tree.fault.is_some() || tree.walk_fault.is_some(),
        })
    }
}
