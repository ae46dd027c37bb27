//! A backlog of 100,000 messages for one webhook, drained on loopback: from the log into the queue, and from there to a receiver that
//! answers at once. Each is beside what it cannot be faster than: the same receiver asked by a bare client with as many requests at a time,
//! and the queue emptied by a bare statement that takes as many rows at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::webhooks::address::Policy;
use ::webhooks::{Ids, NewWebhook, Webhooks};
use anyhow::{Result, ensure};
use app::leader::{self, Leader};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use domain::Tiers;
use eventlog::testing;
use eventlog::{Clock, Context, Database};
use futures::{StreamExt, TryStreamExt, stream};
use vault::DerivedKeys;

use crate::figure::{Figure, Goal, Report};
use dataset::Dataset;

/// Ten logins of the dataset are fourteen messages.
const LOGINS: u32 = 71_430;
const MESSAGES: usize = 100_002;
/// As many as the product has under way for one webhook.
const AT_ONCE: usize = 64;
const BARE_REQUESTS: usize = 20_000;
const GOAL: f64 = 1_000.0;
const LOOK_EVERY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(600);

/// The figures.
pub async fn measure(report: &mut Report) -> Result<()> {
    let test = testing::database().await;
    let db = &test.db;
    let dataset = Dataset::load(db, LOGINS).await?;
    let clock = Clock::system();
    let (tiers, holder) = (Arc::<Tiers>::default(), "bench".to_owned());
    let leader = Leader { db: db.clone(), clock: clock.clone(), tiers, holder };
    let (addr, received) = receiver().await?;
    let webhooks =
        Webhooks::with_policy(db, Arc::new(DerivedKeys::random()), clock, Policy::PublicAndLoopback);
    ensure!(leader::settle(&leader, PATIENCE).await?, "the views catch up");
    ::webhooks::catch_up(db, "bench".to_owned()).await?;
    // Made after everything has happened, and then told of it all.
    let new = NewWebhook { url: format!("http://{addr}/"), types: Vec::new() };
    let (made, ()) = tokio::join!(webhooks.create(new, Ids::random(), Context::tool("bench")), async {
        // It takes effect with its event.
        while leader::settle(&leader, PATIENCE).await.is_ok()
            && ::webhooks::catch_up(db, "bench".to_owned()).await.is_ok()
            && count(db, "select count(*) from vault.webhooks where state = 'on'")
                .await
                .is_ok_and(|on| on == 0)
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    made?;
    sqlx::query("update vault.webhook_fan_out set position = 0").execute(db.pool()).await?;

    let began = Instant::now();
    ::webhooks::catch_up(db, "bench".to_owned()).await?;
    let fanned_out = dataset.events as f64 / began.elapsed().as_secs_f64();
    let waiting = count(db, "select count(*) from vault.webhook_deliveries where state = 'waiting'").await?;
    ensure!(waiting == MESSAGES as i64, "{waiting} messages wait");
    sqlx::query("analyze vault.webhook_deliveries").execute(db.pool()).await?;

    let began = Instant::now();
    let running = tokio::spawn(::webhooks::run(webhooks, "bench".to_owned()));
    while count(db, "select count(*) from vault.webhook_deliveries where state = 'waiting'").await? > 0 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        ensure!(began.elapsed() < PATIENCE, "{} were received", received.load(Ordering::Relaxed));
    }
    let drained = MESSAGES as f64 / began.elapsed().as_secs_f64();
    running.abort();
    ensure!(received.load(Ordering::Relaxed) >= MESSAGES);

    let asked = bare_client(addr).await?;
    let claimed = bare_claims(db).await?;
    let name = format!("webhooks, a backlog of {MESSAGES} drained");
    report.add(Figure::new(&name, drained, "messages/s", "a bare client in a loop", asked));
    report.add(Figure::new(&name, drained, "messages/s", "a bare claim in a loop", claimed));
    report.add(Figure::new(name, drained, "messages/s", "the goal", GOAL).with_goal(Goal::AtLeast(1.0)));
    let name = format!("webhooks, the log turned into {MESSAGES} messages");
    report.add(Figure::new(name, fanned_out, "events/s", "a bare claim in a loop", claimed));
    db.close().await;
    Ok(())
}

/// It answers 204, and counts.
async fn receiver() -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let received = Arc::<AtomicUsize>::default();
    let counter = received.clone();
    let take = move |_body: String| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::ready(StatusCode::NO_CONTENT)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    Ok((addr, received))
}

/// Requests a second of the same client, which does nothing else.
async fn bare_client(addr: SocketAddr) -> Result<f64> {
    let (client, body) = (reqwest::Client::new(), "x".repeat(400));
    let began = Instant::now();
    stream::iter(0..BARE_REQUESTS)
        .map(|_| async { client.post(format!("http://{addr}/")).body(body.clone()).send().await })
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    Ok(BARE_REQUESTS as f64 / began.elapsed().as_secs_f64())
}

/// Rows a second that one statement after the other takes out of the same queue.
async fn bare_claims(db: &Database) -> Result<f64> {
    sqlx::query(
        "update vault.webhook_deliveries set state = 'waiting', due_at = clock_timestamp(), settled_at = null",
    )
    .execute(&mut db.direct().await?)
    .await?;
    let began = Instant::now();
    let mut taken = 0;
    loop {
        let claimed = sqlx::query(
            "with due as (select delivery_no from vault.webhook_deliveries
                           where webhook_id = (select webhook_id from vault.webhooks)
                             and state = 'waiting' and due_at <= statement_timestamp()
                           order by due_at, delivery_no limit $1)
             update vault.webhook_deliveries d
                set state = 'delivered', due_at = null, settled_at = clock_timestamp()
               from due where d.delivery_no = due.delivery_no",
        )
        .bind(AT_ONCE as i64)
        .execute(db.pool())
        .await?
        .rows_affected();
        if claimed == 0 {
            return Ok(taken as f64 / began.elapsed().as_secs_f64());
        }
        taken += claimed;
    }
}

async fn count(db: &Database, sql: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(db.pool()).await?)
}
