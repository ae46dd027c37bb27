//! From an order to its row in the view, as a reader sees it: while nothing else happens, and at 1,000 orders a second.
//!
//! The time begins when the order was due, not when it was given, so a stall counts for all orders that it delays. It ends when
//! a reader that polls every millisecond has seen the view's checkpoint pass the event. Rows and
//! checkpoint commit together.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use domain::{AccountId, LoginId};
use eventlog::clock::Clock;
use eventlog::store::Store;
use eventlog::{Database, testing};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::append;
use crate::figure::{Figure, Goal, Report};
use crate::logins::{Leading, Orders, Ours, new_login, orders_of, people};

const GOAL_MS: f64 = 25.0;
const LOOK_EVERY: Duration = Duration::from_millis(1);
const PEOPLE: usize = 2_000;
/// Commands in a row, far enough apart for everything to have come to rest.
const IDLE: (usize, Duration) = (400, Duration::from_millis(83));
/// Commands at 1,000 a second.
const BUSY: (usize, Duration) = (20_000, Duration::from_millis(1));
/// How many of them only warm things up.
const WARM: f64 = 0.1;

/// An order that was given: when it was due, and its event.
pub struct Given {
    due: Instant,
    login: LoginId,
    sequence: i64,
}

/// Up to which position a reader sees the view.
const VIEW: &str = "select position from checkpoints where consumer = 'login_status'";

/// The wait at this quantile of waits in their order.
pub fn at(waits: &[f64], quantile: f64) -> f64 {
    waits[((waits.len() - 1) as f64 * quantile).round() as usize]
}

/// The figures.
pub async fn measure(report: &mut Report) -> Result<()> {
    let db = testing::database().await.db;
    let people = Arc::new(people(&db, PEOPLE).await?);
    let (ours, leading) = (Ours(Store::new(&db)), Leading::start(&db));
    append::run_in(&db, &ours, &people, &leading).await?;
    for (name, load, goal) in [("idle", IDLE, Some(Goal::AtMost(1.0))), ("at 1,000 commands/s", BUSY, None)] {
        let waits = waits(&db, &ours, &people, load, VIEW).await?;
        leading.settle().await?;
        for (quantile, goal) in [(0.5, None), (0.99, goal)] {
            let name = format!("append to visible, {name}, p{:.0}", quantile * 100.0);
            let wait = at(&waits, quantile);
            let figure = Figure::new(name, wait, "ms", "the goal for idle p99", GOAL_MS);
            report.add(goal.map_or(figure.clone(), |goal| figure.with_goal(goal)));
        }
    }
    leading.stop().await;
    db.close().await;
    Ok(())
}

/// How long each order took until a reader saw it, in ms, from the shortest to the longest. `reached` asks for the position up to which
/// a reader sees.
pub async fn waits(
    db: &Database,
    ours: &Ours,
    people: &[AccountId],
    (count, apart): (usize, Duration),
    reached: &'static str,
) -> Result<Vec<f64>> {
    let (stop, stopped) = watch::channel(());
    let reader = tokio::spawn(look(db.clone(), reached, stopped));
    let given = give(ours, people, count, apart).await?;
    let due = eventlog::Log::new(db).due().await?;
    let pool = db.pool().without_deadlines();
    while sqlx::query_scalar::<_, i64>(reached).fetch_one(&pool).await? < due {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(LOOK_EVERY * 20).await;
    drop(stop);
    waits_of(db, &given, &reader.await??).await
}

/// How long each order took until its position was reached, in ms, from the shortest to the longest, without those that warm things up.
/// `seen` tells when a reader first saw which position.
pub async fn waits_of(db: &Database, given: &[Given], seen: &[(i64, Instant)]) -> Result<Vec<f64>> {
    let mut waits = Vec::with_capacity(given.len());
    for order in given.iter().skip((given.len() as f64 * WARM) as usize) {
        let position: i64 = sqlx::query_scalar(
            "select i.position from log_index i join events e using (event_no)
              where e.aggregate_type = 'login' and e.aggregate_id = $1 and e.sequence = $2",
        )
        .bind(order.login.as_str())
        .bind(order.sequence)
        .fetch_one(&db.pool().without_deadlines())
        .await?;
        let at = seen.partition_point(|(checkpoint, _)| *checkpoint < position);
        let (_, at) = seen.get(at).context("an event that was never seen")?;
        waits.push((*at - order.due).as_secs_f64() * 1000.0);
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

/// Orders at a fixed rate, whether or not those before are done. The orders of one login are `people.len()` apart, which at
/// 1,000 a second is two seconds: the same login is never given two at once.
pub async fn give(ours: &Ours, people: &[AccountId], count: usize, apart: Duration) -> Result<Vec<Given>> {
    let crowd = people.len().min(count / 4);
    let mut logins: Vec<_> = Vec::with_capacity(crowd);
    let mut tasks: JoinSet<Result<Given>> = JoinSet::new();
    let mut given = Vec::with_capacity(count);
    let begun = Instant::now();
    for number in 0..count {
        let (round, person) = (number / crowd, number % crowd);
        let sequence = round % 4;
        if sequence == 0 {
            logins.truncate(if person == 0 { 0 } else { logins.len() });
            logins.push(new_login());
        }
        let (login, about, ours) = (logins[person].clone(), people[person], ours.clone());
        let due = begun + apart * u32::try_from(number)?;
        tokio::time::sleep_until(due).await;
        tasks.spawn(async move {
            let order =
                orders_of(about, Clock::system().now()).into_iter().nth(sequence).context("four orders")?;
            ours.give(&login, order, about).await?;
            Ok(Given { due, login, sequence: sequence as i64 + 1 })
        });
        while let Some(done) = tasks.try_join_next() {
            given.push(done??);
        }
    }
    while let Some(done) = tasks.join_next().await {
        given.push(done??);
    }
    given.sort_by_key(|order| order.due);
    Ok(given)
}

/// When a reader first saw which position, until told to stop.
async fn look(
    db: Database,
    reached: &'static str,
    mut stopped: watch::Receiver<()>,
) -> Result<Vec<(i64, Instant)>> {
    let mut connection = db.direct().await?;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Vec<(i64, Instant)> = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.changed() => return Ok(seen),
        }
        let position: i64 = sqlx::query_scalar(reached).fetch_one(&mut connection).await?;
        if seen.last().is_none_or(|(last, _)| *last < position) {
            seen.push((position, Instant::now()));
        }
    }
}
