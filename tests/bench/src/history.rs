//! What an auditor asks at ten million events: the first page of each filter, beside a page of the log in its order, which is
//! the least that can be read. A filter that reads the whole log ends the run.

use std::time::Instant;

use anyhow::{Result, ensure};
use domain::{AccountId, InviteId, LoginId};
use eventlog::{Database, Filter, Log, testing};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::Timestamp as Stored;
use uuid::Uuid;

use crate::figure::{Figure, Report};
use dataset::Dataset;

/// Five events each.
const LOGINS: u32 = 2_000_000;
const PAGE: i64 = 500;
const ROUNDS: usize = 21;

/// A page of each filter, and how it was found.
pub async fn measure(report: &mut Report) -> Result<()> {
    let db = testing::database().await.db;
    let dataset = Dataset::load(&db, LOGINS).await?;
    let (log, middle) = (Log::new(&db), i64::try_from(dataset.events / 2)?);
    let in_order = median_ms(async || Ok(log.read(middle, PAGE).await?.len())).await?;
    for (name, filter) in questions(&db, middle).await? {
        let plan = log.explain(&filter, 0, PAGE).await?;
        ensure!(!plan.iter().any(|line| line.contains("Seq Scan")), "{name}:\n{}", plan.join("\n"));
        for line in plan.iter().filter(|line| line.contains("Scan") || line.contains("Execution")) {
            eprintln!("    {}", line.trim());
        }
        let page = median_ms(async || Ok(log.history(&filter, 0, PAGE).await?.len())).await?;
        let name = format!("history by {name}, {} events", dataset.events);
        report.add(Figure::new(name, page, "ms", "500 events in their order", in_order));
    }
    db.close().await;
    Ok(())
}

/// Each filter alone, about somebody and something in the middle of the log.
async fn questions(db: &Database, middle: i64) -> Result<Vec<(&'static str, Filter)>> {
    let (account, login, at): (String, String, Stored) = sqlx::query_as(
        "select metadata ->> 'account_id', metadata ->> 'correlation_id', recorded_at from events \
          where event_no >= $1 and event_type = 'InviteRedeemed' order by event_no limit 1",
    )
    .bind(middle)
    .fetch_one(&db.pool().without_deadlines())
    .await?;
    let invite: String = sqlx::query_scalar(
        "select aggregate_id from events where event_no >= $1 and aggregate_type = 'invite' order by event_no limit 1",
    )
    .bind(middle)
    .fetch_one(&db.pool().without_deadlines())
    .await?;
    let (account, invite) = (AccountId(account.parse::<Uuid>()?), InviteId(invite.parse::<Uuid>()?));
    let (login, at): (LoginId, Timestamp) = (login.parse()?, at.to_jiff());
    let all = Filter::default();
    let named = |name: &str| Filter { name: Some(name.to_owned()), ..Filter::default() };
    Ok(vec![
        ("person", Filter { account: Some(account), ..all.clone() }),
        ("login", Filter { login: Some(login), ..all.clone() }),
        ("invite", Filter { invite: Some(invite), ..all.clone() }),
        ("a frequent event", named("QrIssued")),
        ("an event that never was", named("LoginFailed")),
        ("time", Filter { since: Some(at), until: Some(at + SignedDuration::from_mins(1)), ..all.clone() }),
        ("person and time", Filter { account: Some(account), since: Some(at), ..all }),
    ])
}

async fn median_ms(mut page: impl AsyncFnMut() -> Result<usize>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        page().await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
