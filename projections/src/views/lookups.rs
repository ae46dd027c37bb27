//! What a fold needs beside the event, read before a batch is folded. These facts change only by erasure, or never.

use std::collections::HashMap;
use std::fmt;

use domain::{AccountEvent, AccountId, Event, InviteId};

use eventlog::database::{Database, DatabaseError};
use eventlog::log::LogEvent;
use vault::{PersonKey, Vault};

/// The keys of people who are not erased, and who made which invite.
#[derive(Default)]
pub(crate) struct Lookups {
    /// A person who is missing here was erased.
    pub people: HashMap<AccountId, PersonKey>,
    /// Only invites that a person made.
    pub inviters: HashMap<InviteId, AccountId>,
}

impl Lookups {
    /// What the folds of these events need.
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
        let mut lookups = Self::default();
        if !people.is_empty() {
            let subjects = Vault::new(db).subjects(&people).await?;
            lookups.people = subjects.into_iter().map(|(account, subject)| (account, subject.key)).collect();
        }
        if !invites.is_empty() {
            lookups.inviters = inviters(db, &invites).await?;
        }
        Ok(lookups)
    }
}

/// The keys of all people who are not erased.
pub(crate) const PEOPLE: &str = "select account_id, person_key from vault.subjects";
/// Who made which invite. It comes from the log, because the view `invites` may be at any position.
pub(crate) const INVITERS: &str = "select aggregate_id, payload #>> '{InviteCreated,created_by}' \
       from events \
      where aggregate_type = 'invite' \
        and event_type = 'InviteCreated' \
        and sequence = 1 \
        and payload #>> '{InviteCreated,created_by}' is not null";

/// [`INVITERS`], only of these invites ($1, text[]).
pub(crate) fn inviters_among() -> String {
    format!("{INVITERS} and aggregate_id = any($1)")
}

async fn inviters(
    db: &Database,
    invites: &[InviteId],
) -> Result<HashMap<InviteId, AccountId>, DatabaseError> {
    let ids: Vec<String> = invites.iter().map(InviteId::to_string).collect();
    let sql = inviters_among();
    let rows: Vec<(String, String)> = sqlx::query_as(&sql).bind(ids).fetch_all(db.pool()).await?;
    Ok(rows.iter().filter_map(|(invite, maker)| inviter(invite, maker)).collect())
}

/// None where the texts are no ids.
pub(crate) fn inviter(invite: &str, maker: &str) -> Option<(InviteId, AccountId)> {
    Some((invite.parse().ok()?, maker.parse().ok()?))
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("people", &self.people.len()).finish_non_exhaustive()
    }
}
