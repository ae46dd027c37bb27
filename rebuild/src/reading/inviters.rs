//! Reads who made which invite, at the same time as the first rows of the log.

use std::collections::HashMap;

use domain::{AccountId, InviteId};
use tokio::task::JoinSet;

use super::copy_out::CopyOut;
use eventlog::database::{Database, DatabaseError};
use projections::views::lookups;

/// A COPY that has begun.
pub(super) struct Inviters(CopyOut);

impl Inviters {
    /// # Errors
    /// As with [`CopyOut::begin`].
    pub async fn begin(db: &Database, tasks: &mut JoinSet<()>) -> Result<Self, DatabaseError> {
        Ok(Self(CopyOut::begin(db, vec![lookups::INVITERS.to_owned()], tasks).await?))
    }

    /// Reads it to its end, in a thread that may block.
    ///
    /// # Errors
    /// The database's.
    pub fn read(mut self) -> Result<HashMap<InviteId, AccountId>, DatabaseError> {
        let mut inviters = HashMap::new();
        while let Some(row) = self.0.next()? {
            let [invite, maker] = row.values().texts(0)?;
            inviters.extend(lookups::inviter(invite, maker));
        }
        Ok(inviters)
    }
}
