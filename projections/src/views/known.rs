//! What folds know beside the log's events, read before a batch is folded: facts that never change, or only by erasure.

use std::collections::HashMap;
use std::fmt;

use domain::{AccountEvent, AccountId, Event, InviteId};
use futures::TryStreamExt;
use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::log::LogEvent;
use crate::vault::{PersonKey, Vault};

/// The keys of people who are not erased, and who made which invite.
#[derive(Default)]
pub(crate) struct Known {
    /// Nobody under this id: erased.
    pub people: HashMap<AccountId, PersonKey>,
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
            let subjects = Vault::new(db).subjects(&people).await?;
            known.people = subjects.into_iter().map(|(account, subject)| (account, subject.key)).collect();
        }
        if !invites.is_empty() {
            known.inviters = inviters(db, &invites).await?;
        }
        Ok(known)
    }

    /// What any fold may ask for, in one sweep.
    ///
    /// # Errors
    /// The database's.
    pub async fn of_everybody(db: &Database) -> Result<Self, DatabaseError> {
        let mut known = Self::default();
        // A process that is stopped in the middle of a long answer is idle to nobody.
        let begin = "begin read only; set local statement_timeout = '60s'";
        let mut transaction = db.pool().begin_with(begin).await?;
        {
            let people = "select account_id, person_key from vault.subjects";
            let mut people = sqlx::query_as::<_, (Uuid, [u8; 32])>(people).fetch(&mut *transaction);
            while let Some((account, key)) = people.try_next().await? {
                known.people.insert(AccountId(account), PersonKey::new(key));
            }
        }
        {
            let mut inviters = sqlx::query_as(INVITERS).fetch(&mut *transaction);
            while let Some(row) = inviters.try_next().await? {
                known.inviters.extend(inviter(&row));
            }
        }
        transaction.rollback().await?;
        Ok(known)
    }
}

/// Who made which invite, straight from the log: the view `invites` may stand anywhere.
const INVITERS: &str = "select aggregate_id, payload #>> '{InviteCreated,created_by}' \
       from events \
      where aggregate_type = 'invite' \
        and event_type = 'InviteCreated' \
        and sequence = 1 \
        and payload #>> '{InviteCreated,created_by}' is not null";

async fn inviters(
    db: &Database,
    invites: &[InviteId],
) -> Result<HashMap<InviteId, AccountId>, DatabaseError> {
    let ids: Vec<String> = invites.iter().map(InviteId::to_string).collect();
    let sql = format!("{INVITERS} and aggregate_id = any($1)");
    let rows: Vec<(String, String)> = sqlx::query_as(&sql).bind(ids).fetch_all(db.pool()).await?;
    Ok(rows.iter().filter_map(inviter).collect())
}

/// None: no ids.
fn inviter((invite, maker): &(String, String)) -> Option<(InviteId, AccountId)> {
    Some((invite.parse().ok()?, maker.parse().ok()?))
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("people", &self.people.len()).finish_non_exhaustive()
    }
}
