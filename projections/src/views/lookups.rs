//! What a fold needs beside the event, read before a batch is folded. These facts change only by erasure, or never.
//!
//! A rebuild sees the start of an attempt before its end, so it looks nothing up: it keeps the starts of live attempts ([`Starts`]).

use std::collections::HashMap;
use std::fmt;

use domain::{AccountEvent, AccountId, Event, InviteId, LoginEvent, LoginStatus, StreamKind};
use jiff::Timestamp;

use eventlog::database::{Database, DatabaseError};
use eventlog::log::{Fact, Log, LogEvent};
use vault::{PersonKey, Vault};

/// The keys of people who are not erased, who made which invite, and when attempts began.
#[derive(Default)]
pub struct Lookups {
    /// A person who is missing here was erased.
    pub people: HashMap<AccountId, PersonKey>,
    /// Only invites that a person made.
    pub inviters: HashMap<InviteId, AccountId>,
    /// Only attempts that end in these events.
    pub starts: Starts,
}

impl Lookups {
    /// What the folds of these events need.
    ///
    /// # Errors
    /// The database's.
    pub async fn for_events(db: &Database, events: &[LogEvent]) -> Result<Self, DatabaseError> {
        let mut people = Vec::new();
        let mut invites = Vec::new();
        let mut lookups = Self::default();
        let mut started_before = Vec::new();
        for event in events {
            lookups.starts.note_start(&event.fact());
            match &event.event {
                Ok(Event::Account(
                    AccountEvent::AccountRegistered { .. } | AccountEvent::ProfileChanged { .. },
                )) => people.extend(event.stream_id.parse::<AccountId>()),
                Ok(Event::Account(AccountEvent::SubscriptionActivated { invite_id, .. })) => {
                    invites.push(*invite_id);
                }
                Ok(Event::Login(LoginEvent::AuthorizationConfirmed { attempt, .. }))
                    if lookups.starts.of(&event.stream_id, *attempt).is_none() =>
                {
                    started_before.push(event.stream_id.clone());
                }
                _ => {}
            }
        }
        if !people.is_empty() {
            let subjects = Vault::new(db).subjects(&people).await?;
            lookups.people = subjects.into_iter().map(|(account, subject)| (account, subject.key)).collect();
        }
        if !invites.is_empty() {
            lookups.inviters = inviters(db, &invites).await?;
        }
        if !started_before.is_empty() {
            let name = "LoginStarted";
            for event in Log::new(db).of_streams(StreamKind::Login, &started_before, name).await? {
                lookups.starts.note_start(&event.fact());
            }
        }
        Ok(lookups)
    }
}

/// When the latest attempt of each login began. No attempt follows one that was confirmed.
#[derive(Default)]
pub struct Starts(HashMap<Box<str>, (u32, Timestamp)>);

impl Starts {
    /// When this attempt of the login began.
    pub fn of(&self, login: &str, attempt: u32) -> Option<Timestamp> {
        self.0.get(login).filter(|(number, _)| *number == attempt).map(|(_, at)| *at)
    }

    /// Before the event is folded.
    pub fn note_start(&mut self, fact: &Fact<'_>) {
        if let Ok(Event::Login(LoginEvent::LoginStarted { attempt, at, .. })) = fact.event
            && self.0.get(fact.stream_id).is_none_or(|(number, _)| number < attempt)
        {
            self.0.insert(fact.stream_id.into(), (*attempt, *at));
        }
    }

    /// After the event was folded: only live attempts are kept.
    pub fn forget_ended(&mut self, fact: &Fact<'_>) {
        if let Ok(Event::Login(login_event)) = fact.event
            && !login_event.status_after(LoginStatus::Waiting).is_live()
        {
            self.0.remove(fact.stream_id);
        }
    }
}

/// Events of a person in which something is sealed, as stored.
pub const SEALED: [&str; 2] = ["AccountRegistered", "ProfileChanged"];
/// Who made which invite. It comes from the log, because the view `invites` may be at any position.
pub const INVITERS: &str = "select aggregate_id, payload #>> '{InviteCreated,created_by}' \
       from events \
      where aggregate_type = 'invite' \
        and event_type = 'InviteCreated' \
        and sequence = 1 \
        and payload #>> '{InviteCreated,created_by}' is not null";

/// [`INVITERS`], only of these invites ($1, text[]).
pub fn inviters_among() -> String {
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
pub fn inviter(invite: &str, maker: &str) -> Option<(InviteId, AccountId)> {
    Some((invite.parse().ok()?, maker.parse().ok()?))
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("people", &self.people.len()).finish_non_exhaustive()
    }
}
