//! A hundred thousand subscriptions end in the same moment, three days from now: whether the reminders keep Telegram's pace,
//! and how long somebody who asks something meanwhile waits for the answer.
//!
//! Each of them is registered and granted a subscription by the product's own store. From then on it is the service: the
//! leader queues, the bot sends to the stand-in's Bot API. A minute of sending is measured; all of it would take more than an
//! hour.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::{AccountCommand, Tier, Tiers};
use eventlog::{Clock, Context as By, Store};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::SignedDuration;
use stand_in::accounts::Account;
use tokio::time::{sleep, timeout};
use vault::Vault;

use crate::environment::Environment;
use crate::figure::{Figure, Goal, Report};

const PEOPLE: i64 = 100_000;
/// The first of them, and of those who ask.
const FIRST: i64 = 700_000_000;
const FIRST_ASKING: i64 = 800_000_000;
/// As many connections as the pool has.
const AT_ONCE: usize = 16;
const QUESTIONS: i64 = 100;
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(60);
/// Telegram's limit for a bot.
const MESSAGES_A_SECOND: f64 = 30.0;

/// How long before the first reminder is due, for all people to be there.
const BEFORE: SignedDuration = SignedDuration::from_secs(600);
/// Of a reminder, and of a subscription.
const DAYS: i64 = 3;
const SUBSCRIPTION_DAYS: u32 = 30;

/// Everything in one run.
pub async fn measure(report: &mut Report) -> Result<()> {
    let environment = Environment::set_up("api,projector").await?;
    fill(&environment).await?;

    // The grants themselves are told, too.
    sqlx::query("delete from vault.outbox").execute(environment.db.pool()).await?;
    wait_for_queued(&environment).await?;
    let bot = environment.beside("bot").await?;
    let sent = || environment.telegram.bot_api.count_calls("sendMessage");
    let begun = Instant::now();
    while sent() < 50 {
        ensure!(begun.elapsed() < PATIENCE, "no reminder is sent");
        sleep(Duration::from_millis(100)).await;
    }
    let beside = ask(&environment, 0).await?;
    let calls = environment.telegram.bot_api.calls();
    let times: Vec<Instant> =
        calls.iter().filter(|call| call.method == "sendmessage").map(|call| call.at).collect();
    let most = times.iter().enumerate().map(|(first, from)| {
        times[first..].iter().take_while(|at| at.duration_since(*from) < Duration::from_secs(1)).count()
    });
    let most = most.max().unwrap_or_default() as f64;
    let refused = calls.iter().filter(|call| call.status.is_some_and(|status| status != 200)).count();
    ensure!(refused == 0, "the stand-in refused {refused} calls");

    sqlx::query("delete from vault.outbox where state = 'waiting'").execute(environment.db.pool()).await?;
    let alone = ask(&environment, QUESTIONS).await?;

    let most = Figure::new(
        "most messages within a second, 100,000 reminders due",
        most,
        "messages",
        "Telegram's limit",
        MESSAGES_A_SECOND,
    );
    report.add(most.with_goal(Goal::AtMost(1.0)));
    for (quantile, place) in [("p50", 0.5), ("p99", 0.99), ("slowest", 1.0)] {
        let of = |waits: &[f64]| waits[((waits.len() - 1) as f64 * place).round() as usize];
        let name = format!("/help beside 100,000 reminders, {quantile}");
        report.add(Figure::new(name, of(&beside), "ms", "without reminders", of(&alone)));
    }
    bot.stop().await;
    environment.clear().await;
    Ok(())
}

async fn wait_for_queued(environment: &Environment) -> Result<()> {
    let begun = Instant::now();
    loop {
        let queued: i64 =
            sqlx::query_scalar("select count(*) from vault.outbox").fetch_one(environment.db.pool()).await?;
        if queued == PEOPLE {
            return Ok(());
        }
        ensure!(begun.elapsed() < 10 * PATIENCE, "{queued} reminders are queued");
        sleep(Duration::from_millis(100)).await;
    }
}

/// People with a subscription that was granted at the same moment.
async fn fill(environment: &Environment) -> Result<()> {
    let (store, vault) = (Store::new(&environment.db), Vault::new(&environment.db));
    let ran = SignedDuration::from_hours(24 * (i64::from(SUBSCRIPTION_DAYS) - DAYS));
    let granted_at = Clock::system().now() + BEFORE - ran;
    let person = async |id: i64| -> Result<()> {
        environment.telegram.accounts.insert(Account::new(id, "Person", &format!("+7{id}"), 2));
        // Their chat is there, and they have written nothing now.
        environment.telegram.person(id).set_blocked(false);
        let subject = vault.subject_for(id).await?;
        let context = || By::tool("bench").with_account(subject.account_id);
        let register = AccountCommand::Register {
            account_id: subject.account_id,
            telegram_id: subject.seal(&id.to_string()),
            profile: subject.seal(r#"{"first_name":"Person"}"#),
            at: granted_at,
        };
        store.account(subject.account_id, register, context()).await?;
        let grant = AccountCommand::ChangeSubscription {
            tier: Tier::Premium,
            days: SUBSCRIPTION_DAYS,
            limits: Tiers::default().limits(Tier::Premium),
            change_id: None,
            at: granted_at,
        };
        store.account(subject.account_id, grant, context()).await?;
        Ok(())
    };
    stream::iter(FIRST..FIRST + PEOPLE).map(person).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    environment.settle().await
}

/// How long `/help` takes, in ms, from the shortest to the longest.
async fn ask(environment: &Environment, first: i64) -> Result<Vec<f64>> {
    let mut waits = Vec::new();
    for number in first..first + QUESTIONS {
        let id = FIRST_ASKING + number;
        environment.telegram.accounts.insert(Account::new(id, "Person", &format!("+7{id}"), 2));
        let asked = Instant::now();
        let person = environment.telegram.person(id);
        timeout(PATIENCE, person.ask("/help")).await.context("/help was not answered")??;
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        sleep(BETWEEN_QUESTIONS).await;
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}
