//! The ready-made alternative: cqrs-es's `GenericQuery` over the views of postgres-es, given the events one by one, as its
//! own replay does. (`QueryReplay::replay_all` itself cannot be used: postgres-es 0.5 binds two values to a statement that
//! takes one.)
//!
//! The view is made easy for it: only the events of accounts, whose aggregate it is bound to, and what is sealed stays so.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use cqrs_es::persist::GenericQuery;
use cqrs_es::{EventEnvelope, Query, View};
use domain::{Account, AccountEvent, AccountId, Event, Limits, Sealed, Tier};
use eventlog::{Log, testing};
use jiff::Timestamp;
use postgres_es::PostgresViewRepository;
use serde::{Deserialize, Serialize};

use dataset::Dataset;

/// A person, as far as account events tell.
#[derive(Debug, Default, Serialize, Deserialize)]
struct User {
    account_id: Option<AccountId>,
    telegram_id: Option<Sealed>,
    profile: Option<Sealed>,
    is_blocked: bool,
    subscription_type: Option<Tier>,
    subscription_started_at: Option<Timestamp>,
    subscription_expires_at: Option<Timestamp>,
    limits: Option<Limits>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

impl View<Account> for User {
    fn update(&mut self, event: &EventEnvelope<Account>) {
        self.updated_at = Some(event.payload.at());
        match &event.payload {
            AccountEvent::AccountRegistered { account_id, telegram_id, profile, at, .. } => {
                self.account_id = Some(*account_id);
                self.telegram_id = Some(telegram_id.clone());
                self.profile = Some(profile.clone());
                self.created_at = Some(*at);
            }
            AccountEvent::ProfileChanged { profile, .. } => self.profile = Some(profile.clone()),
            AccountEvent::SubscriptionActivated { tier, limits, started_at, expires_at, .. }
            | AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, .. } => {
                self.subscription_type = Some(*tier);
                self.limits = Some(*limits);
                self.subscription_started_at = Some(*started_at);
                self.subscription_expires_at = *expires_at;
            }
            AccountEvent::AccountBlocked { .. } => self.is_blocked = true,
            AccountEvent::AccountUnblocked { .. } => self.is_blocked = false,
            _ => {}
        }
    }
}

/// Events of the whole log a second, those that the view need not look at included.
pub async fn events_a_second(logins: u32) -> Result<f64> {
    let db = testing::database().await.db;
    let dataset = Dataset::load(&db, logins).await?;
    sqlx::raw_sql(
        "create table generic_users (view_id text primary key, version bigint not null, payload json not null)",
    )
    .execute(&db.pool().without_deadlines())
    .await?;
    let views = PostgresViewRepository::<User, Account>::new("generic_users", db.pool().without_deadlines());
    let query = GenericQuery::new(Arc::new(views));
    let (log, mut after) = (Log::new(&db), 0);
    let began = Instant::now();
    loop {
        let events = log.read(after, 1_000).await?;
        let Some(last) = events.last() else { break };
        after = last.position;
        for event in events {
            let Ok(Event::Account(payload)) = event.event else { continue };
            let (aggregate_id, sequence) = (event.stream_id, usize::try_from(event.sequence)?);
            let metadata = std::collections::HashMap::new();
            let envelope = EventEnvelope { aggregate_id, sequence, payload, metadata };
            query.dispatch(&envelope.aggregate_id.clone(), &[envelope]).await;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let rows: i64 = sqlx::query_scalar("select count(*) from generic_users")
        .fetch_one(&db.pool().without_deadlines())
        .await?;
    ensure!(rows == i64::try_from(dataset.logins)?, "GenericQuery has made {rows} rows");
    db.close().await;
    Ok(dataset.events as f64 / seconds)
}
