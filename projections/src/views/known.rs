//! What folds know beside the log's events, read before a batch is folded: facts that never change, or only by erasure.

use std::collections::HashMap;
use std::fmt;

use domain::{AccountEvent, AccountId, Event, InviteId};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::log::LogEvent;
use crate::vault::{Subject, Vault};

/// The keys of people who are not erased, and who made which invite.
#[derive(Default)]
pub(crate) struct Known {
    /// Nobody under this id: erased.
    pub subjects: HashMap<AccountId, Subject>,
    /// Only invites that a person made.
    pub inviters: HashMap<InviteId, AccountId>,
}

impl Known {
    /// What the folds of these events ask for.
    ///
    /// # Errors
    /// The database's.
    pub async fn for_events(db: &Database, events: &[LogEvent]) -> Result<Self, DatabaseError> {
        let mut people = Vec::new();
        let mut invites = Vec::new();
        for event in events {
            match &event.event {
                Ok(Event::Account(
                    AccountEvent::AccountRegistered { .. } | AccountEvent::ProfileChanged { .. },
                )) => people.extend(event.stream_id.parse::<AccountId>()),
                Ok(Event::Account(AccountEvent::SubscriptionActivated { invite_id, .. })) => {
                    invites.push(*invite_id);
                }
                _ => {}
            }
        }
        let mut known = Self::default();
        if !people.is_empty() {
            known.subjects = Vault::new(db).subjects(&people).await?;
        }
        if !invites.is_empty() {
            known.inviters = inviters(db, &invites).await?;
        }
        Ok(known)
    }
}

/// Straight from the log: the view `invites` may stand anywhere.
async fn inviters(
    db: &Database,
    invites: &[InviteId],
) -> Result<HashMap<InviteId, AccountId>, DatabaseError> {
    let ids: Vec<String> = invites.iter().map(InviteId::to_string).collect();
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select aggregate_id::uuid, (payload #>> '{InviteCreated,created_by}')::uuid \
           from events \
          where aggregate_type = 'invite' \
            and aggregate_id = any($1) \
            and sequence = 1 \
            and payload #>> '{InviteCreated,created_by}' is not null",
    )
    .bind(ids)
    .fetch_all(db.pool())
    .await?;
    Ok(rows.into_iter().map(|(invite, maker)| (InviteId(invite), AccountId(maker))).collect())
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("subjects", &self.subjects.len()).finish_non_exhaustive()
    }
}
