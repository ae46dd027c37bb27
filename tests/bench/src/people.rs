//! What the admins' app asks at a million people: searches, filters, orders, pages, the dashboard and statistics, beside the least
//! that can be asked: one person by an index.
//!
//! The rows are written into the slots by SQL, with names as unevenly frequent as real ones: what is measured only reads them. Every
//! round asks for something else. Of two hundred rounds the middle one is compared with the middle one of that least, and the third
//! slowest with the goal.

use std::time::Instant;

use anyhow::{Result, ensure};
use domain::{AccountId, Role, Tier};
use eventlog::{Clock, Database, testing};
use jiff::SignedDuration;
use projections::lag::lag;
use projections::statistics::{self, Bucket, Range, buckets};
use projections::totals::totals;
use projections::views::users::filtered::{UserFilter, UserSort, filtered};
use projections::views::users::{SubscriptionStatus, by_telegram_id};
use sqlx::Executor;

use crate::figure::{Figure, Goal, Report};

const PEOPLE: i64 = 1_000_000;
/// The first of their Telegram ids.
const FIRST: i64 = 100_000_000;
const ROUNDS: usize = 200;
const PAGE: i64 = 51;
const GOAL_MS: f64 = 50.0;
const DASHBOARD_MS: f64 = 20.0;

/// A hundred names of which the first is a hundred times as frequent as the last, with twenty thousand last names; a third of the
/// people have a subscription, a third had one.
const USERS: &str = "
insert into slots.users_a (account_id, telegram_id, first_name, last_name, username, role, is_authenticated, is_blocked,
                           subscription_type, subscription_status, subscription_started_at, subscription_expires_at,
                           session_exported, created_at, updated_at, search)
select md5('person' || n)::uuid, 100000000 + n, first, last, 'user_' || n,
       case when n % 50000 = 0 then 'admin' else 'user' end, n % 3 = 0, n % 1000 = 0,
       case when n % 10 < 3 then (array['trial', 'basic', 'premium', 'enterprise'])[1 + (n / 10) % 4] else 'free' end,
       case when n % 10 < 3 then 'active' when n % 10 < 6 then 'expired' else 'none' end,
       case when n % 10 < 6 then at end,
       case when n % 10 < 3 then now() + (n * 7919 % 2592000) * interval '1 second' when n % 10 < 6 then at + interval '30 days' end,
       false, at, at, lower(' ' || first || ' ' || last || ' @user-' || n)
  from (select n,
               now() - (1000000 - n) * interval '30 seconds' as at,
               (array['Ivan', 'Anna', 'Olga', 'Petr', 'Ilya', 'Maria', 'Dmitry', 'Elena', 'Sergey', 'Natalia'])
                 [1 + floor(10 * power((n * 7919 % 1000) / 1000.0, 3))::int]
                 || case when n % 4 = 0 then substr(md5('first' || n % 90), 1, 5) else '' end as first,
               initcap(substr(md5('last' || n * 104729 % 20000), 1, 7)) || 'ov' as last
          from generate_series(1::bigint, 1000000) n) numbered";

const SUBSCRIPTIONS: &str = "
insert into slots.subscriptions_a (account_id, tier, status, limits, started_at, expires_at)
select account_id, subscription_type, subscription_status, '{}', subscription_started_at, subscription_expires_at
  from slots.users_a where subscription_status <> 'none'";

/// Two years.
const HOURS: &str = "
insert into slots.hourly_counts_a
select to_char((now() - n * interval '1 hour') at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24'),
       57, 70, 50, 10, 5, 1, 4, 40, 10, 30, '{\"basic\": 20, \"premium\": 10}', '{\"basic\": 15}',
       array(select (n + bucket) % 9 from generate_series(1, 28) bucket)
  from generate_series(0, 24 * 730) n";

/// The same days.
const DAYS: &str = "
insert into slots.daily_counts_a
select to_char((now() - n * interval '1 day') at time zone 'UTC', 'YYYY-MM-DD'),
       57, 70, 50, 10, 5, 1, 4, 40, 10, 30, '{\"basic\": 20, \"premium\": 10}', '{\"basic\": 15}',
       array(select (n + bucket) % 9 from generate_series(1, 28) bucket)
  from generate_series(0, 730) n";

/// Everything in one run.
pub async fn measure(report: &mut Report) -> Result<()> {
    let db = testing::database().await.db;
    fill(&db).await?;
    let bare = rounds(async |round| {
        let user = by_telegram_id(&db, FIRST + 1 + spread(round)).await?;
        ensure!(user.is_some(), "everybody is there");
        Ok(())
    })
    .await?;
    for (name, filters) in questions() {
        let page = rounds(async |round| {
            filtered(&db, &filters(round), None, PAGE).await?;
            Ok(())
        })
        .await?;
        told(report, format!("people: {name}"), page, bare, GOAL_MS);
    }
    for (name, sort) in UserSort::ALL {
        let page = rounds(async |round| {
            let filter = UserFilter { sort: Some(sort), ..UserFilter::default() };
            filtered(&db, &filter, Some(account(&db, spread(round)).await?), PAGE).await?;
            Ok(())
        })
        .await?;
        told(report, format!("people: a page in the middle, by {name}"), page, bare, GOAL_MS);
    }
    let now = Clock::system().now();
    let dashboard = rounds(async |_| {
        tokio::try_join!(totals(&db, now), statistics::since(&db, Bucket::Day.beginning(now)), lag(&db))?;
        Ok(())
    })
    .await?;
    told(report, "people: the dashboard".to_owned(), dashboard, bare, DASHBOARD_MS);
    for (name, days, bucket) in [("30 days", 30, Bucket::Day), ("two years by weeks", 730, Bucket::Week)] {
        let range = Range::new(now - SignedDuration::from_hours(24 * days), now, bucket)?;
        let statistics = rounds(async |_| {
            buckets(&db, range).await?;
            Ok(())
        })
        .await?;
        told(report, format!("people: statistics of {name}"), statistics, bare, DASHBOARD_MS);
    }
    db.close().await;
    Ok(())
}

/// Milliseconds.
#[derive(Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

fn told(report: &mut Report, name: String, took: Times, bare: Times, goal_ms: f64) {
    report.add(Figure::new(&name, took.p50, "ms, p50", "one person by an index", bare.p50));
    report.add(Figure::new(&name, took.p99, "ms, p99", "one person by an index", bare.p99));
    report.add(Figure::new(name, took.p99, "ms, p99", "the goal", goal_ms).with_goal(Goal::AtMost(1.0)));
}

type Filters = fn(usize) -> UserFilter;

/// What is asked, each round something else of its kind.
fn questions() -> Vec<(&'static str, Filters)> {
    fn query(text: String) -> UserFilter {
        UserFilter { query: Some(text), ..UserFilter::default() }
    }
    const FIRST_NAMES: [&str; 6] = ["ivan", "ANNA", "ilya", "mari", "atal", "dmitry"];
    const TIERS: [Tier; 5] = Tier::ALL;
    vec![
        ("a name that many have", |round| query(FIRST_NAMES[round % FIRST_NAMES.len()].to_owned())),
        ("two letters", |round| query(["iv", "an", "ol", "se"][round % 4].to_owned())),
        ("a name that few have", |round| query(format!("{:05x}", 0x1a2b3 + 7919 * round))),
        ("two words", |round| {
            query(format!("{} {:03x}", FIRST_NAMES[round % FIRST_NAMES.len()], 16 * round + 7))
        }),
        ("a name that nobody has", |round| query(format!("xyzzy{round}"))),
        ("@username", |round| query(format!("@user_{}", 1 + spread(round)))),
        ("@username, the latest to register first", |round| UserFilter {
            sort: Some(UserSort::Newest),
            ..query(format!("@user_{}", 1 + spread(round)))
        }),
        ("a Telegram id", |round| query((FIRST + 1 + spread(round)).to_string())),
        ("a tier, oldest first", |round| UserFilter {
            tier: Some(TIERS[round % 5]),
            sort: Some(UserSort::Oldest),
            ..UserFilter::default()
        }),
        ("active ones, the first to end first", |_| UserFilter {
            status: Some(SubscriptionStatus::Active),
            sort: Some(UserSort::EndsFirst),
            ..UserFilter::default()
        }),
        ("admins, by name", |_| UserFilter {
            role: Some(Role::Admin),
            sort: Some(UserSort::Name),
            ..UserFilter::default()
        }),
        ("blocked ones with a tier and a name", |round| UserFilter {
            blocked: Some(true),
            tier: Some(TIERS[round % 5]),
            ..query("anna".to_owned())
        }),
    ]
}

/// Another person each round, far from the one before.
fn spread(round: usize) -> i64 {
    (round as i64 * 7_654_321) % PEOPLE
}

async fn account(db: &Database, number: i64) -> Result<AccountId> {
    let user = by_telegram_id(db, FIRST + 1 + number).await?;
    user.map(|user| user.account_id).ok_or_else(|| anyhow::anyhow!("everybody is there"))
}

async fn fill(db: &Database) -> Result<()> {
    let mut connection = db.direct().await?;
    for statement in [
        "select begin_load('users', 'a')",
        USERS,
        "select end_load('users', 'a')",
        SUBSCRIPTIONS,
        HOURS,
        DAYS,
        "vacuum (analyze) slots.users_a",
        "vacuum (analyze) slots.subscriptions_a",
        "vacuum (analyze) slots.hourly_counts_a",
        "vacuum (analyze) slots.daily_counts_a",
        "vacuum (analyze) slots.tallies",
        "checkpoint",
    ] {
        connection.execute(statement).await?;
    }
    connection.close().await;
    Ok(())
}

/// Milliseconds: of the middle round, and of the third slowest.
async fn rounds(mut ask: impl AsyncFnMut(usize) -> Result<()>) -> Result<Times> {
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let began = Instant::now();
        ask(round).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(Times { p50: times[ROUNDS / 2], p99: times[ROUNDS * 99 / 100 - 1] })
}
