//! Commands a second, with 1, 8 and 32 writers: the product with its leader beside it, against bare postgres-es, which has
//! nothing beside it and keeps no view, against the same with the views that these events change, and against pgbench, which
//! inserts the same rows without deciding anything.
//!
//! All run in one private cluster with fsync on, in turns, so that a change of the machine affects all of them. The figure is
//! the median of the ratios of all rounds. Between the turns everything is projected and reacted to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use domain::AccountId;
use eventlog::clock::Clock;
use eventlog::store::Store;
use eventlog::{Database, testing};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::figure::{Figure, Goal, Report};
use crate::logins::{BARE_TABLE, Bare, Leading, Orders, Ours, new_login, orders_of, people};

mod pgbench;
mod with_views;

use pgbench::Pgbench;

const WRITERS: [usize; 3] = [1, 8, 32];
const ROUNDS: usize = 5;
/// How many people the writers share.
pub const PEOPLE: usize = 640;
/// Connections, statements and caches are warm by then.
const WARM: Duration = Duration::from_millis(700);
const COUNTED: Duration = Duration::from_secs(3);

/// The result of one turn of each, in commands a second.
struct Round {
    ours: f64,
    /// How much of what was appended in the turn had been projected by its end.
    projected: f64,
    bare: f64,
    with_views: f64,
    pgbench: f64,
}

/// The figures.
pub async fn measure(report: &mut Report) -> Result<()> {
    let test = testing::database().await;
    let db = &test.db;
    let people = Arc::new(people(db, PEOPLE).await?);
    let (ours, leading) = (Ours(Store::new(db)), Leading::start(db));
    run_in(db, &ours, &people, &leading).await?;
    let bare_pool = bare(&db.pool().without_deadlines(), &test.url).await?;
    let bare = Bare::new(&bare_pool, Vec::new());
    let with_views = Bare::new(&bare_pool, with_views::made(&bare_pool).await?);
    let pgbench = Pgbench::prepare(&bare, &bare_pool, &test.url, people[0]).await?;

    for writers in WRITERS {
        let mut rounds = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let before = eventlog::Log::new(db).due().await?;
            let rate_ours = rate(&ours, &people, writers).await?;
            let (after, projected) =
                (eventlog::Log::new(db).due().await?, projections::projector::projected(db).await?);
            leading.settle().await?;
            rounds.push(Round {
                ours: rate_ours,
                projected: (projected - before) as f64 / (after - before) as f64,
                bare: rate(&bare, &people, writers).await?,
                with_views: rate(&with_views, &people, writers).await?,
                pgbench: pgbench.rate(writers, WARM, COUNTED).await?,
            });
        }
        tell(report, writers, &rounds);
    }
    leading.stop().await;
    bare_pool.close().await;
    db.close().await;
    Ok(())
}

fn tell(report: &mut Report, writers: usize, rounds: &[Round]) {
    let of = |value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let name = match writers {
        1 => "append, 1 writer".to_owned(),
        _ => format!("append, {writers} writers"),
    };
    let figure = |reference: &str, peer: fn(&Round) -> f64, ratio: fn(&Round) -> f64| Figure {
        ratio: of(ratio),
        ..Figure::new(&name, of(|round| round.ours), "commands/s", reference, of(peer))
    };
    report.add(
        figure("bare postgres-es", |round| round.bare, |round| round.ours / round.bare)
            .with_goal(Goal::AtLeast(1.0)),
    );
    report.add(
        figure(
            "postgres-es with the same views",
            |round| round.with_views,
            |round| round.ours / round.with_views,
        )
        .with_goal(Goal::AtLeast(3.0)),
    );
    report.add(figure(
        "pgbench inserting the same rows",
        |round| round.pgbench,
        |round| round.ours / round.pgbench,
    ));
    report.add(Figure::new(
        format!("{name}: projected by the end of the turn"),
        of(|round| round.projected) * 100.0,
        "%",
        "all that was appended",
        100.0,
    ));
}

/// As a service is that has run for a few minutes: PostgreSQL knows how much its tables hold. A plan that was made while they were empty
/// reads whole tables; PostgreSQL corrects that by itself, but only after a minute.
pub async fn run_in(
    db: &Database,
    ours: &Ours,
    people: &Arc<Vec<AccountId>>,
    leading: &Leading,
) -> Result<()> {
    leading.settle().await?;
    rate(ours, people, 8).await?;
    leading.settle().await?;
    sqlx::query("analyze").execute(&db.pool().without_deadlines()).await?;
    Ok(())
}

/// The pool as postgres-es makes it, and its table beside ours.
async fn bare(pool: &PgPool, url: &secrecy::SecretString) -> Result<PgPool> {
    use secrecy::ExposeSecret;
    for table in [BARE_TABLE, pgbench::TABLE] {
        let table = format!(
            "create table {table} (
                 aggregate_type text not null,
                 aggregate_id text not null,
                 sequence bigint check (sequence >= 0) not null,
                 event_type text not null,
                 event_version text not null,
                 payload json not null,
                 metadata json not null,
                 timestamp timestamp with time zone default (current_timestamp),
                 primary key (aggregate_type, aggregate_id, sequence)
             )"
        );
        sqlx::query(&table).execute(pool).await?;
    }
    Ok(postgres_es::default_postgress_pool(url.expose_secret()).await)
}

/// Commands a second of so many writers, each of whom plays one login after the other.
pub async fn rate(orders: &impl Orders, people: &Arc<Vec<AccountId>>, writers: usize) -> Result<f64> {
    let done = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let end = begun + WARM + COUNTED;
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (orders, people, done) = (orders.clone(), Arc::clone(people), Arc::clone(&done));
        tasks.spawn(async move {
            // No person has two logins at the same time.
            let own = people[writer * PEOPLE / writers..(writer + 1) * PEOPLE / writers].iter();
            for about in own.cycle() {
                let id = new_login();
                for order in orders_of(*about, Clock::system().now()) {
                    orders.give(&id, order, *about).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                    if Instant::now() >= end {
                        return anyhow::Ok(());
                    }
                }
            }
            Ok(())
        });
    }
    tokio::time::sleep_until(begun + WARM).await;
    let (first, from) = (done.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep_until(end).await;
    let (last, to) = (done.load(Ordering::Relaxed), Instant::now());
    while let Some(writer) = tasks.join_next().await {
        writer??;
    }
    Ok((last - first) as f64 / (to - from).as_secs_f64())
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
