//! What reactions to `LoginStarted` need, read for a whole batch at once: the logins and accounts, folded from their streams,
//! and the other live logins of these people.
//!
//! This data may be older than the reaction by the duration of a batch. That does no harm: later events are further on in
//! the log, and the reactions to them correct what this one did too much. It may open the attempt of a login that has ended
//! meanwhile: the vault opens none of a login that was confirmed, and a worker reads the events before it gives anything up.

use std::collections::{HashMap, HashSet};

use cqrs_es::Aggregate;
use domain::{Account, AccountId, Event, Login, LoginEvent, LoginId, StreamKind};

use eventlog::database::{Database, DatabaseError};
use eventlog::log::LogEvent;
use projections::views::login_status::{self, LoginRow};

/// An id that is missing here was not prefetched, or its stream cannot be read.
#[derive(Debug, Default)]
pub(super) struct Prefetched {
    pub logins: HashMap<LoginId, Login>,
    pub accounts: HashMap<AccountId, Account>,
    pub live: HashMap<AccountId, Vec<LoginRow>>,
}

impl Prefetched {
    /// Reads what the reactions to these events need.
    ///
    /// # Errors
    /// The database's.
    pub async fn for_events(db: &Database, events: &[LogEvent]) -> Result<Self, DatabaseError> {
        let mut prefetched = Self::default();
        for event in events {
            if let Ok(Event::Login(LoginEvent::LoginStarted { account_id, .. })) = &event.event
                && let Ok(login_id) = event.stream_id.parse()
            {
                prefetched.logins.insert(login_id, Login::default());
                prefetched.accounts.insert(*account_id, Account::default());
            }
        }
        if !prefetched.logins.is_empty() {
            prefetched.read_streams(db).await?;
            let people: Vec<AccountId> = prefetched.accounts.keys().copied().collect();
            prefetched.live = people.iter().map(|account| (*account, Vec::new())).collect();
            for row in login_status::live_of_any(db, &people).await? {
                prefetched.live.entry(row.account_id).or_default().push(row);
            }
        }
        Ok(prefetched)
    }

    async fn read_streams(&mut self, db: &Database) -> Result<(), DatabaseError> {
        let logins = self.logins.keys().map(|id| (StreamKind::Login.name(), id.to_string()));
        let accounts = self.accounts.keys().map(|id| (StreamKind::Account.name(), id.to_string()));
        let (kinds, ids): (Vec<_>, Vec<_>) = logins.chain(accounts).unzip();
        let rows = sqlx::query!(
            "select e.aggregate_type, e.aggregate_id, e.event_type, e.event_version, e.payload \
               from unnest($1::text[], $2::text[]) as asked (kind, id) \
               join events e on e.aggregate_type = asked.kind and e.aggregate_id = asked.id \
              order by e.aggregate_type, e.aggregate_id, e.sequence",
            &kinds as _,
            &ids,
        )
        .fetch_all(db.pool())
        .await?;
        let mut unreadable = HashSet::new();
        for row in rows {
            let id = row.aggregate_id;
            match Event::decode(&row.aggregate_type, &row.event_type, &row.event_version, row.payload) {
                Ok(Event::Login(event)) => {
                    if let Some(login) = id.parse::<LoginId>().ok().and_then(|id| self.logins.get_mut(&id)) {
                        login.apply(event);
                    }
                }
                Ok(Event::Account(event)) => {
                    if let Some(account) =
                        id.parse::<AccountId>().ok().and_then(|id| self.accounts.get_mut(&id))
                    {
                        account.apply(event);
                    }
                }
                Ok(Event::Invite(_) | Event::Audit(_) | Event::Service(_) | Event::History(_)) | Err(_) => {
                    unreadable.insert(id);
                }
            }
        }
        self.logins.retain(|id, _| !unreadable.contains(id.as_str()));
        self.accounts.retain(|id, _| !unreadable.contains(&id.to_string()));
        Ok(())
    }
}
