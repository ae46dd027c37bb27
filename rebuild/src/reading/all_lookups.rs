//! Reads the [`Lookups`] of all people at once, at the same time as the first rows of the log.

use domain::AccountId;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::copy_out::CopyOut;
use eventlog::database::{Database, DatabaseError};
use projections::views::{Lookups, lookups};
use vault::PersonKey;

/// Two COPY streams that have begun.
pub(super) struct AllLookups {
    people: CopyOut,
    inviters: CopyOut,
}

impl AllLookups {
    /// # Errors
    /// As with [`CopyOut::begin`].
    pub async fn begin(db: &Database, tasks: &mut JoinSet<()>) -> Result<Self, DatabaseError> {
        Ok(Self {
            people: CopyOut::begin(db, vec![lookups::PEOPLE.to_owned()], tasks).await?,
            inviters: CopyOut::begin(db, vec![lookups::INVITERS.to_owned()], tasks).await?,
        })
    }

    /// Reads both to their ends, in a thread that may block.
    ///
    /// # Errors
    /// The database's.
    pub fn read(mut self) -> Result<Lookups, DatabaseError> {
        let mut lookups = Lookups::default();
        while let Some(row) = self.people.next()? {
            let account = AccountId(Uuid::from_bytes(row.bytes(0)?));
            lookups.people.insert(account, PersonKey::new(row.bytes(1)?));
        }
        while let Some(row) = self.inviters.next()? {
            let [invite, maker] = row.texts(0)?;
            lookups.inviters.extend(lookups::inviter(invite, maker));
        }
        Ok(lookups)
    }
}
