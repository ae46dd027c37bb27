//! One holder at a time.

use std::future::pending;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;

use super::{Lease, Leases};
use crate::presence::Presence;
use eventlog::testing;

const LONG: Duration = Duration::from_secs(3600);
/// Over before the next statement.
const OVER: Duration = Duration::ZERO;

#[tokio::test]
async fn a_lease_is_held_by_one() {
    let database = testing::database().await;

    let answers = join_all((0..8).map(|holder| {
        let leases = Leases::new(&database.db, format!("holder {holder}"));
        async move { leases.acquire("poller", LONG).await.unwrap() }
    }))
    .await;

    assert_eq!(answers.iter().flatten().count(), 1);
}

#[tokio::test]
async fn leases_of_different_things_do_not_meet() {
    let database = testing::database().await;
    let leases = Leases::new(&database.db, "a".to_owned());

    assert!(leases.acquire("poller", LONG).await.unwrap().is_some());
    assert!(leases.acquire("leader", LONG).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lease_that_is_over_is_taken_by_the_next_with_a_higher_epoch() {
    let database = testing::database().await;
    let (a, b) = (Leases::new(&database.db, "a".to_owned()), Leases::new(&database.db, "b".to_owned()));
    let of_a = a.acquire("poller", OVER).await.unwrap().unwrap();

    let of_b = b.acquire("poller", LONG).await.unwrap().unwrap();

    assert!(of_b.epoch > of_a.epoch);
    assert!(!a.renew(&of_a).await.unwrap(), "lost");
    a.release(of_a).await.unwrap();
    assert!(b.renew(&of_b).await.unwrap(), "the old holder's release changes nothing");
}

#[tokio::test]
async fn a_lease_that_was_given_back_is_free() {
    let database = testing::database().await;
    let (a, b) = (Leases::new(&database.db, "a".to_owned()), Leases::new(&database.db, "b".to_owned()));
    let of_a = a.acquire("poller", LONG).await.unwrap().unwrap();
    assert!(b.acquire("poller", LONG).await.unwrap().is_none());

    a.release(of_a).await.unwrap();

    assert!(b.acquire("poller", LONG).await.unwrap().is_some());
}

#[tokio::test]
async fn the_lease_of_a_dead_process_is_free_at_once() {
    let database = testing::database().await;
    let process = Presence::announce(&database.db, "a").await.unwrap();
    let (a, b) = (Leases::new(&database.db, "a".to_owned()), Leases::new(&database.db, "b".to_owned()));
    a.acquire("poller", LONG).await.unwrap().unwrap();
    assert!(b.acquire("poller", LONG).await.unwrap().is_none(), "the process lives");

    drop(process);

    let taken = async {
        while b.acquire("poller", LONG).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("it is noticed");
}

#[tokio::test]
async fn work_is_dropped_when_its_lease_is_lost_and_begins_again_when_it_is_free() {
    let database = testing::database().await;
    let a = Leases::new(&database.db, "a".to_owned());
    let (started, mut starts) = mpsc::unbounded_channel::<(Lease, mpsc::Receiver<()>)>();
    let holding = tokio::spawn({
        let a = a.clone();
        async move {
            a.hold("poller", Duration::from_millis(200), |lease| {
                let (alive, dropped) = mpsc::channel::<()>(1);
                started.send((lease, dropped)).expect("the test listens");
                async move {
                    let _alive = alive;
                    pending::<()>().await;
                }
            })
            .await;
        }
    });
    let (first, mut dropped) = starts.recv().await.unwrap();

    sqlx::query(
        "update vault.leases set holder = 'b', epoch = nextval('vault.epoch'), expires_at = 'infinity'",
    )
    .execute(database.db.pool())
    .await
    .unwrap();

    assert!(dropped.recv().await.is_none(), "the work is gone");
    sqlx::query("update vault.leases set expires_at = '-infinity'")
        .execute(database.db.pool())
        .await
        .unwrap();
    let (second, _) = starts.recv().await.unwrap();
    assert!(second.epoch > first.epoch);
    holding.abort();
}

#[tokio::test]
async fn finished_work_gives_its_lease_back() {
    let database = testing::database().await;
    let (a, b) = (Leases::new(&database.db, "a".to_owned()), Leases::new(&database.db, "b".to_owned()));

    let answer = a.hold("poller", LONG, |_| async { 42 }).await;

    assert_eq!(answer, 42);
    let taken = async {
        while b.acquire("poller", LONG).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("it was given back");
}
