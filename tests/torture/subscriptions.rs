//! The life of a subscription, whenever the leader dies: each ends once and not before its time, its person is told once, and so
//! they are before it ends.
//!
//! `SUBSCRIPTION_KILLS` sets the number of kills (8). `make torture` kills a thousand times.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::account::Subscription;
use domain::{AccountCommand, AccountEvent, AccountId, Event, StreamKind, Tier, Tiers};
use eventlog::Log;
use jiff::{SignedDuration, Timestamp};
use stand_in::service::Service;
use tokio::time::{Instant, sleep};

use crate::checks;
use crate::environment::Environment;
use crate::random::Random;

/// How many people have subscriptions, one after the other.
const PEOPLE: u64 = 30;
/// For how long a process runs before it is killed: from its first steps to some sweeps.
const RUNS_FOR: std::ops::Range<u64> = 0..1_200;
/// A subscription ends, or its reminder is due, so many milliseconds after it was given.
const DUE_AFTER: std::ops::Range<u64> = 0..2_500;
/// How long the last one may take, after the last kill.
const LAST_WITHIN: Duration = Duration::from_secs(60);

/// What is due soon in the life of a subscription.
#[derive(Clone, Copy, Debug)]
enum Due {
    End,
    /// So many days before the end.
    Reminder(i64),
}

struct Person {
    account: AccountId,
    /// What they wait for, and the end of their subscription.
    waits_for: Option<(Due, Timestamp)>,
    /// Reminders that came.
    reminded: usize,
    /// Reminders that were due before the subscription began: they may come.
    unsure: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_end_once_and_reminders_come_once_whenever_the_leader_dies() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let kills = crate::variable("SUBSCRIPTION_KILLS").unwrap_or(8);
    let mut random = Random::new(kills);
    let environment = Environment::set_up(Duration::from_secs(30)).await?;
    let service = Service::new(environment.settings());
    service.start()?;
    service.wait_until_running().await?;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let id = environment.person(number, false);
        environment.telegram.person(id).ask("/start").await?;
        let account = environment.account_of(id).await?;
        people.push(Person { account, waits_for: None, reminded: 0, unsure: 0 });
    }

    let mut given = 0;
    for _ in 0..kills {
        for person in &mut people {
            if person.waits_for.is_none() && random.percent(30) {
                given += 1;
                let due = match random.within(0..4) {
                    0 => Due::Reminder(3),
                    1 => Due::Reminder(1),
                    _ => Due::End,
                };
                give(&environment, person, given, due, &mut random).await?;
            }
        }
        sleep(random.millis(RUNS_FOR)).await;
        service.kill().await;
        service.start()?;
        for person in &mut people {
            settle(&environment, person).await?;
        }
    }
    // A leader looks for reminders when it begins, and then once a minute.
    sleep(Duration::from_millis(DUE_AFTER.end)).await;
    service.kill().await;
    service.start()?;
    wait_for_all(&environment, &mut people).await?;
    let peace_since = environment.now();
    for person in &mut people {
        given += 1;
        give(&environment, person, given, Due::End, &mut random).await?;
    }
    wait_for_all(&environment, &mut people).await?;
    checks::wait_until_idle(&environment).await?;

    let mut faults = checks::faults(&environment, &[]).await?;
    let mut late = Vec::new();
    for person in &people {
        faults.extend(faults_of(&environment, person.account, &mut late).await?);
        let queued = reminders(&environment, person.account).await?;
        if !(person.reminded..=person.reminded + person.unsure).contains(&queued) {
            faults.push(format!("{} was reminded {queued} times of {}", person.account, person.reminded));
        }
    }
    let reminded: usize = people.iter().map(|person| person.reminded).sum();
    let (in_peace, between_kills): (Vec<_>, Vec<_>) = late.iter().partition(|(end, _)| *end > peace_since);
    eprintln!("{kills} kills, {reminded} reminders");
    for (when, mut late) in [("between kills", between_kills), ("in peace", in_peace)] {
        late.sort_unstable_by_key(|(_, late)| *late);
        let millis = |at: usize| late.get(at).map_or(0, |(_, late)| late.as_millis());
        let (median, last) = (millis(late.len() / 2), millis(late.len().saturating_sub(1)));
        eprintln!(
            "{when} {} subscriptions ended: the median {median} ms after its time, the last {last} ms",
            late.len()
        );
    }
    assert!(!late.is_empty() && reminded > 0, "nothing was due");
    assert!(faults.is_empty(), "SUBSCRIPTION_KILLS={kills}:\n{}", faults.join("\n"));
    Ok(())
}

/// Gives a person a subscription of which something is due soon.
async fn give(
    environment: &Environment,
    person: &mut Person,
    number: u64,
    due: Due,
    random: &mut Random,
) -> Result<()> {
    let now = environment.now();
    let left = match due {
        Due::End => SignedDuration::ZERO,
        Due::Reminder(days) => SignedDuration::from_hours(days * 24),
    };
    let end = now + left + SignedDuration::try_from(random.millis(DUE_AFTER))?;
    let subscription = Subscription {
        tier: Tier::Premium,
        started_at: end - SignedDuration::from_hours(30 * 24),
        expires_at: Some(end),
        limits: Tiers::default().limits(Tier::Premium),
    };
    let order =
        AccountCommand::RestoreSubscription { subscription, change_id: format!("given/{number}"), at: now };
    environment.order(person.account, order).await?;
    match due {
        Due::Reminder(_) if environment.now() >= end - left => person.unsure += 1,
        Due::Reminder(_) | Due::End => person.waits_for = Some((due, end)),
    }
    Ok(())
}

/// Waits until what is due has come to everybody.
async fn wait_for_all(environment: &Environment, people: &mut [Person]) -> Result<()> {
    let began = Instant::now();
    while people.iter().any(|person| person.waits_for.is_some()) {
        let waiting = people.iter().filter_map(|person| Some((person.account, person.waits_for?)));
        ensure!(began.elapsed() < LAST_WITHIN, "nothing happens: {:?}", waiting.collect::<Vec<_>>());
        sleep(Duration::from_millis(200)).await;
        for person in &mut *people {
            settle(environment, person).await?;
        }
    }
    Ok(())
}

/// Notes what has become of what a person waits for.
async fn settle(environment: &Environment, person: &mut Person) -> Result<()> {
    let Some((due, end)) = person.waits_for else { return Ok(()) };
    let is_over = match due {
        Due::End => environment.is_expired(person.account, end).await?,
        Due::Reminder(days) => {
            let key = format!("subscription_ends/{}/{}/{days}", person.account, end.as_microsecond());
            let is_queued = environment.is_queued(&key).await?;
            person.reminded += usize::from(is_queued);
            is_queued
        }
    };
    if is_over {
        person.waits_for = None;
    }
    Ok(())
}

/// The reminders to a person, each of its own key.
async fn reminders(environment: &Environment, account: AccountId) -> Result<usize> {
    let count: i64 = sqlx::query_scalar("select count(*) from vault.outbox where strpos(dedup_key, $1) = 1")
        .bind(format!("subscription_ends/{account}/"))
        .fetch_one(&environment.checked)
        .await?;
    Ok(usize::try_from(count)?)
}

/// A subscription that ended before its time, or twice, or not at all. Adds when each had to end, and how much later it did.
async fn faults_of(
    environment: &Environment,
    account: AccountId,
    late: &mut Vec<(Timestamp, Duration)>,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut running: Option<Timestamp> = None;
    for event in Log::new(&environment.db).stream(StreamKind::Account, &account.to_string()).await? {
        match event.event.context("an event of an account")? {
            Event::Account(AccountEvent::SubscriptionChanged { expires_at, .. }) => running = expires_at,
            Event::Account(AccountEvent::SubscriptionExpired { at, .. }) => match running.take() {
                Some(end) if end <= at => {
                    late.push((end, Duration::try_from(event.recorded_at.duration_since(end))?));
                }
                other => faults.push(format!("{account}: ended at {at}, though it ran until {other:?}")),
            },
            _ => {}
        }
    }
    if running.is_some_and(|end| end < environment.now()) {
        faults.push(format!("{account}: {running:?} did not end"));
    }
    let told: i64 = sqlx::query_scalar(
        "select count(*) from vault.outbox where account_id = $1 and dedup_key like '%/subscription_expired'",
    )
    .bind(account.0)
    .fetch_one(&environment.checked)
    .await?;
    let ended: i64 = sqlx::query_scalar(
        "select count(*) from events where aggregate_id = $1 and event_type = 'SubscriptionExpired'",
    )
    .bind(account.to_string())
    .fetch_one(&environment.checked)
    .await?;
    if told != ended {
        faults.push(format!("{account}: {ended} subscriptions ended, of which {told} messages tell"));
    }
    Ok(faults)
}
