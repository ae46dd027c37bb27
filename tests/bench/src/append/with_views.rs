//! The views that the events of logins change, as cqrs-es keeps them: by each command, after its events, in the tables of
//! postgres-es. So this peer does the work for which the product has a leader.
//!
//! cqrs-es's `GenericQuery` has one row for each stream. People, hours and days have events of many streams, so the query is
//! written here, over the same repository. Of two commands that change the same row at the same time, one begins again.

use anyhow::Result;
use async_trait::async_trait;
use cqrs_es::persist::{PersistenceError, ViewContext, ViewRepository};
use cqrs_es::{EventEnvelope, Query, View};
use domain::{AccountId, Login, LoginEvent, LoginId, LoginState};
use jiff::Timestamp;
use postgres_es::PostgresViewRepository;
use projections::views::daily_counts::day_of;
use projections::views::hourly_counts::hour_of;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// The queries of `login_status`, `users`, `hourly_counts` and `daily_counts`.
pub async fn made(pool: &PgPool) -> Result<Vec<Box<dyn Query<Login>>>> {
    Ok(vec![
        kept::<LoginStatus>(pool, "bare_login_status", |login_id, _| Some(login_id.to_owned())).await?,
        kept::<User>(pool, "bare_users", |_, event| confirmed(event).map(|account| account.to_string()))
            .await?,
        kept::<Counts>(pool, "bare_hourly_counts", |_, event| counted(event).map(hour_of)).await?,
        kept::<Counts>(pool, "bare_daily_counts", |_, event| counted(event).map(day_of)).await?,
    ])
}

async fn kept<V: View<Login> + 'static>(
    pool: &PgPool,
    table: &str,
    key: fn(&str, &LoginEvent) -> Option<String>,
) -> Result<Box<dyn Query<Login>>> {
    let columns = "view_id text primary key, version bigint not null, payload json not null";
    sqlx::query(&format!("create table {table} ({columns})")).execute(pool).await?;
    let rows = PostgresViewRepository::<V, Login>::new(table, pool.clone());
    Ok(Box::new(Kept { rows, key }))
}

fn confirmed(event: &LoginEvent) -> Option<AccountId> {
    match event {
        LoginEvent::AuthorizationConfirmed { account_id, .. } => Some(*account_id),
        _ => None,
    }
}

/// The time of an event that hours and days count.
fn counted(event: &LoginEvent) -> Option<Timestamp> {
    match event {
        LoginEvent::LoginStarted { at, .. } | LoginEvent::AuthorizationConfirmed { at, .. } => Some(*at),
        _ => None,
    }
}

/// Keeps the rows of a view.
struct Kept<V: View<Login>> {
    rows: PostgresViewRepository<V, Login>,
    /// The row that an event changes; None: it changes none.
    key: fn(&str, &LoginEvent) -> Option<String>,
}

#[async_trait]
impl<V: View<Login> + 'static> Query<Login> for Kept<V> {
    async fn dispatch(&self, login_id: &str, events: &[EventEnvelope<Login>]) {
        for event in events {
            let Some(key) = (self.key)(login_id, &event.payload) else { continue };
            loop {
                let row = self.rows.load_with_context(&key).await.expect("the row is read");
                let (mut row, context) =
                    row.unwrap_or_else(|| (V::default(), ViewContext::new(key.clone(), 0)));
                row.update(event);
                match self.rows.update_view(row, context).await {
                    Err(PersistenceError::OptimisticLockError) => {}
                    written => break written.expect("the row is written"),
                }
            }
        }
    }
}

/// The state of a login.
#[derive(Debug, Default, Serialize, Deserialize)]
struct LoginStatus(Option<LoginState>);

impl View<Login> for LoginStatus {
    fn update(&mut self, event: &EventEnvelope<Login>) {
        self.0 = LoginState::after(self.0.take(), &event.payload);
    }
}

/// What logins change of a person.
#[derive(Debug, Default, Serialize, Deserialize)]
struct User {
    is_authenticated: bool,
    linked_login_id: Option<LoginId>,
    updated_at: Option<Timestamp>,
}

impl View<Login> for User {
    fn update(&mut self, event: &EventEnvelope<Login>) {
        self.is_authenticated = true;
        self.linked_login_id = event.aggregate_id.parse().ok();
        self.updated_at = Some(event.payload.at());
    }
}

/// What logins change of an hour or a day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Counts {
    logins_started: i64,
    logins_authorized: i64,
}

impl View<Login> for Counts {
    fn update(&mut self, event: &EventEnvelope<Login>) {
        match event.payload {
            LoginEvent::LoginStarted { .. } => self.logins_started += 1,
            _ => self.logins_authorized += 1,
        }
    }
}
