//! Other services that stand on this one: a reader of the event feed and a receiver of webhooks, killed (`kill -9`) and started again
//! while people log in, log out and are erased, and admins act. At the end both have what `users` has. They are the programs of
//! `examples/`.
//!
//! `CONSUMER_KILLS` sets how often each is killed (4). `make torture` kills each a hundred times.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use domain::account::Subscription;
use domain::{AccountCommand, Tier, Tiers};
use jiff::SignedDuration;
use serde_json::Value;
use stand_in::service::Service;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

mod programs;

use programs::{Consumers, Known, People, Which};

use crate::environment::Environment;
use crate::fleet::Lines;
use crate::people::Crowd;
use crate::python::environment;
use crate::random::Random;

/// How many people log in at the same time, and to how many others admins do something.
const CROWD: usize = 4;
const OTHERS: usize = 3;
/// After so many acts another person comes.
const ACTS_EACH: u64 = 8;
/// Their numbers begin here.
const FIRST_OTHER: u64 = 100_000;
/// How much longer a consumer runs before it is killed.
const RUNS_FOR: Range<u64> = 0..700;
/// Between two acts of admins.
const ACTS_EVERY: Range<u64> = 5..60;
/// How long the last logins, and then the last messages, may take.
const LAST_WITHIN: Duration = Duration::from_secs(240);
/// What webhooks tell of.
const TOLD: [&str; 14] = [
    "AuthorizationConfirmed",
    "LoginExpired",
    "LoginCancelled",
    "LoginFailed",
    "AuthorizationRejected",
    "SubscriptionActivated",
    "SubscriptionChanged",
    "SubscriptionExpired",
    "SubscriptionRevoked",
    "AuthorizationRevoked",
    "LoggedOut",
    "SessionExported",
    "AccountBlocked",
    "AccountUnblocked",
];

/// What the reader of the feed asks for.
const FOLLOWED: [&str; 15] = [
    "AccountRegistered",
    "AuthorizationConfirmed",
    "SubscriptionActivated",
    "SubscriptionChanged",
    "SubscriptionExpired",
    "SubscriptionRevoked",
    "SubscriptionImported",
    "AccountBlocked",
    "AccountUnblocked",
    "SessionImported",
    "LoggedOut",
    "AuthorizationRevoked",
    "SessionRejected",
    "SessionReturned",
    "AccountErased",
];

#[tokio::test(flavor = "multi_thread")]
async fn consumers_end_with_what_users_has_however_often_they_die() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let kills = crate::variable("CONSUMER_KILLS").unwrap_or(4);
    let seed = crate::variable("TORTURE_SEED").unwrap_or(kills);
    let programs = environment("examples", "fastapi", "examples/requirements.txt").await?;
    let environment = Arc::new(Environment::set_up(Duration::from_secs(4)).await?);
    let service = Service::new(environment.settings());
    service.start()?;
    service.wait_until_running().await?;
    let consumers = Arc::new(Consumers::subscribe(&environment, programs).await?);

    // 1. People log in, admins act, and both consumers die again and again.
    let crowd = Arc::new(Crowd::new(environment.clone(), seed, Lines::default()));
    let people: Vec<_> = (0..CROWD).map(|_| tokio::spawn(crowd.clone().run_people())).collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let acting = tokio::spawn(act(environment.clone(), Random::new(seed), is_over.clone()));
    let killing = |which, seed| tokio::spawn(kill_often(consumers.clone(), which, kills, Random::new(seed)));
    let (follower, receiver) = (killing(Which::Follower, seed + 1), killing(Which::Receiver, seed + 2));
    let (_follower, _receiver) = (follower.await??, receiver.await??);
    is_over.store(true, Ordering::Relaxed);
    crowd.stop_disturbing();
    let acts = acting.await??;
    for person in people {
        timeout(LAST_WITHIN, person).await.context("a person never finishes")???;
    }

    // 2. An operator switches the webhook off and on: what waits for its next try is sent now.
    consumers.wait_for_the_last_event(&environment).await?;
    consumers.switch_off_and_on(&environment).await?;
    let messages = consumers.wait_until_all_is_told(&environment).await?;

    // 3. Both have what `users` has.
    let users = users(&environment).await?;
    let followed = consumers.followed().await?;
    let received = consumers.received().await?;
    let mut faults = differences("the feed", &users, &followed);
    faults.extend(wrong_counts(&changes(&environment).await?, &consumers.counted().await?));
    let told = told(&environment).await?;
    let expected = users
        .iter()
        .filter(|(account, _)| told.contains(*account))
        .map(|(account, user)| (account.clone(), user.clone()));
    faults.extend(differences("webhooks", &expected.collect(), &received));
    let events: i64 =
        sqlx::query_scalar("select count(*) from log_index").fetch_one(&environment.checked).await?;
    eprintln!(
        "{kills} kills of each; {events} events, {messages} messages, {acts} acts, {} people, {} erased; {} rows by the feed, {} by webhooks",
        users.len(),
        crowd.erased.lock().unwrap().len(),
        followed.len(),
        received.len(),
    );
    ensure!(acts > 0 && received.len() > 1, "nothing happened");
    ensure!(faults.is_empty(), "CONSUMER_KILLS={kills} TORTURE_SEED={seed}:\n{}", faults.join("\n"));
    Ok(())
}

/// Starts a consumer and kills it, so many times; and then starts it once more. Mostly it is killed while it works, and each fourth time
/// at any moment from its first step on.
async fn kill_often(
    consumers: Arc<Consumers>,
    which: Which,
    kills: u64,
    mut random: Random,
) -> Result<Child> {
    for number in 0..kills {
        let mut child = consumers.command(which).spawn()?;
        if number % 4 != 3 {
            consumers.wait_until_it_works(which).await?;
        }
        sleep(random.millis(RUNS_FOR)).await;
        if let Some(status) = child.try_wait()? {
            bail!("{which:?} ended by itself: {status}");
        }
        child.kill().await?;
    }
    Ok(consumers.command(which).spawn()?)
}

/// What admins do to people who do not log in, to a few at a time: how much they did. A message that was lost, though its consumer had
/// taken it, is found at those who are left alone afterwards.
async fn act(environment: Arc<Environment>, mut random: Random, is_over: Arc<AtomicBool>) -> Result<u64> {
    let mut accounts = VecDeque::new();
    let mut acts = 0;
    while !is_over.load(Ordering::Relaxed) {
        if acts % ACTS_EACH == 0 {
            let id = environment.person(FIRST_OTHER + acts, false);
            environment.telegram.person(id).ask("/start").await?;
            accounts.push_back(environment.account_of(id).await?);
            while accounts.len() > OTHERS {
                accounts.pop_front();
            }
        }
        let account = accounts[usize::try_from(random.within(0..u64::try_from(accounts.len())?))?];
        environment.order(account, order(&environment, acts, &mut random)).await?;
        acts += 1;
        sleep(random.millis(ACTS_EVERY)).await;
    }
    Ok(acts)
}

fn order(environment: &Environment, number: u64, random: &mut Random) -> AccountCommand {
    let at = environment.now();
    let change_id = format!("drill/{number}");
    let limits = |tier| Tiers::default().limits(tier);
    match random.within(0..6) {
        0 => AccountCommand::Block { at },
        1 => AccountCommand::Unblock { at },
        2 => AccountCommand::RevokeSubscription { at },
        3 => AccountCommand::ChangeSubscription {
            tier: Tier::Basic,
            days: 30,
            limits: limits(Tier::Basic),
            change_id: Some(change_id),
            at,
        },
        4 => AccountCommand::ChangeSubscription {
            tier: Tier::Premium,
            days: 0,
            limits: limits(Tier::Premium),
            change_id: Some(change_id),
            at,
        },
        // It ends soon, by its time.
        _ => AccountCommand::RestoreSubscription {
            subscription: Subscription {
                tier: Tier::Trial,
                started_at: at - SignedDuration::from_hours(24),
                expires_at: Some(at + SignedDuration::from_millis(300)),
                limits: limits(Tier::Trial),
            },
            change_id,
            at,
        },
    }
}

async fn users(environment: &Environment) -> Result<People> {
    let rows: Vec<String> =
        sqlx::query_scalar("select to_jsonb(u)::text from users u").fetch_all(&environment.checked).await?;
    let user = |row: &String| {
        let row: Value = serde_json::from_str(row)?;
        let text = |field: &str| row[field].as_str().map(str::to_owned);
        let known = Known {
            tier: text("subscription_type").context("a tier")?,
            status: text("subscription_status").context("a status")?,
            expires_at: text("subscription_expires_at").map(|it| it.parse()).transpose()?,
            is_blocked: row["is_blocked"] == true,
            is_linked: row["is_authenticated"].as_bool(),
        };
        Ok((text("account_id").context("an account")?, known))
    };
    rows.iter().map(user).collect()
}

/// How many events have changed each person's row.
async fn changes(environment: &Environment) -> Result<BTreeMap<String, i64>> {
    let query = "select u.account_id::text, count(*)
                   from users u
                   join events e on case e.aggregate_type when 'account' then e.aggregate_id else e.metadata ->> 'account_id' end = u.account_id::text
                  where e.event_type = any($1)
                  group by 1";
    let rows: Vec<(String, i64)> =
        sqlx::query_as(query).bind(FOLLOWED.as_slice()).fetch_all(&environment.checked).await?;
    Ok(rows.into_iter().collect())
}

fn wrong_counts(events: &BTreeMap<String, i64>, counted: &BTreeMap<String, i64>) -> Vec<String> {
    let wrong = events.iter().filter(|(account, count)| counted.get(*account) != Some(count));
    wrong
        .map(|(account, count)| {
            format!("{account} has {count} events, by the feed {:?}", counted.get(account))
        })
        .collect()
}

/// The accounts of which webhooks told.
async fn told(environment: &Environment) -> Result<BTreeSet<String>> {
    let query = "select distinct metadata ->> 'account_id' from events where event_type = any($1) and metadata ->> 'account_id' is not null";
    let told: Vec<String> =
        sqlx::query_scalar(query).bind(TOLD.as_slice()).fetch_all(&environment.checked).await?;
    Ok(told.into_iter().collect())
}

fn differences(who: &str, users: &People, consumer: &People) -> Vec<String> {
    let accounts: BTreeSet<_> = users.keys().chain(consumer.keys()).collect();
    let same = |user: &Known, known: &Known| {
        let linked = known.is_linked.is_none() || known.is_linked == user.is_linked;
        linked && Known { is_linked: None, ..known.clone() } == Known { is_linked: None, ..user.clone() }
    };
    let differ = accounts.into_iter().filter(|account| match (users.get(*account), consumer.get(*account)) {
        (Some(user), Some(known)) => !same(user, known),
        _ => true,
    });
    differ
        .map(|account| {
            format!("by {who} {account} is {:?}, in users {:?}", consumer.get(account), users.get(account))
        })
        .collect()
}
