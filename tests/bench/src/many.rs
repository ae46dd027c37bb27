//! Ten thousand people log in by one process, in one run: `/login` in the chat, the page, the scan, the subscription and its message.
//! And for as long as is asked for, a few every second: the memory of the process stays flat.
//!
//! A bot may send thirty messages a second, and a login is told in three. So ten thousand take a quarter of an hour at least, and
//! neither is a part of a run of all sections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use app::invites::Invites;
use futures::{StreamExt, stream};
use rebuild::verify::verify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::confirmation::{Taken, begin, invites};
use crate::environment::Environment;
use crate::figure::{Figure, Goal, Report};
use crate::process::{peak_bytes, raise_open_files, resident_bytes};

/// So many are on their way at the same time.
const AT_ONCE: usize = 300;
/// Between two people of a steady load.
const EVERY: Duration = Duration::from_millis(250);
/// By then the process has given back what it does not need (`src/memory.rs`, once a minute).
const REST: Duration = Duration::from_secs(65);
const A_MINUTE: Duration = Duration::from_secs(60);
/// From this minute on memory has to be flat: a login stays in memory for ten minutes after its end (`web/src/live_logins.rs`).
const WARM_AFTER: usize = 11;
/// Longer than the bot's backlog.
const PATIENCE: Duration = Duration::from_secs(240);
const MIB: f64 = 1024.0 * 1024.0;

/// So many logins.
pub async fn measure(report: &mut Report, logins: usize) -> Result<()> {
    raise_open_files()?;
    let environment = Environment::set_up("api,bot,projector").await?;
    let (pid, invites) = (environment.pid()?, invites(&environment));
    let before = resident_bytes(pid)?;
    let began = Instant::now();
    let mut everybody = stream::iter(0..logins)
        .map(|number| log_in(&environment, &invites, number))
        .buffer_unordered(AT_ONCE);
    let mut finished = 0_usize;
    while let Some(outcome) = everybody.next().await {
        outcome.with_context(|| format!("after {finished} logins"))?;
        finished += 1;
        if finished.is_multiple_of(1_000) {
            let (seconds, mib) = (began.elapsed().as_secs(), resident_bytes(pid)? / MIB);
            eprintln!("{finished} logins after {seconds} s, {mib:.0} MiB");
        }
    }
    drop(everybody);
    let taken = began.elapsed().as_secs_f64();
    sleep(REST).await;
    let (after, peak) = (resident_bytes(pid)? / MIB, peak_bytes(pid)? / MIB);
    expect_no_fault(&environment, logins, pid).await?;
    environment.clear().await;
    let name = |what: &str| format!("{logins} logins by one process, {what}");
    let rate = finished as f64 / taken;
    report.add(Figure::new(
        name("each with three messages"),
        rate,
        "logins/s",
        "what Telegram lets a bot tell",
        10.0,
    ));
    report.add(Figure::new(name("memory afterwards"), after, "MiB", "before the first", before / MIB));
    report.add(Figure::new(name("memory at most"), peak, "MiB", "before the first", before / MIB));
    Ok(())
}

/// Four people a second, for so many minutes.
pub async fn steady(report: &mut Report, minutes: usize) -> Result<()> {
    raise_open_files()?;
    let environment = Arc::new(Environment::set_up("api,bot,projector").await?);
    let (pid, invites) = (environment.pid()?, Arc::new(invites(&environment)));
    let mut memory = Vec::new();
    let mut people = JoinSet::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut number, began) = (0, Instant::now());
    while memory.len() < minutes {
        ticks.tick().await;
        if people.len() < AT_ONCE {
            let (environment, invites) = (environment.clone(), invites.clone());
            people.spawn(async move { log_in(&environment, &invites, number).await });
            number += 1;
        }
        while let Some(finished) = people.try_join_next() {
            finished??;
        }
        if began.elapsed() >= A_MINUTE * u32::try_from(memory.len() + 1)? {
            memory.push(resident_bytes(pid)? / MIB);
            eprintln!("minute {}: {number} logins, {:.1} MiB", memory.len(), memory[memory.len() - 1]);
        }
    }
    while let Some(finished) = people.join_next().await {
        finished??;
    }
    expect_no_fault(&environment, number, pid).await?;
    let warm = memory.get(WARM_AFTER.min(memory.len() - 1)).copied().context("no minute was measured")?;
    let highest = memory.iter().skip(WARM_AFTER).copied().fold(warm, f64::max);
    report.add(
        Figure::new(
            format!("memory at most, {minutes} minutes of steady load, {number} logins"),
            highest,
            "MiB",
            format!("after minute {}", WARM_AFTER + 1),
            warm,
        )
        .with_goal(Goal::AtMost(1.1)),
    );
    environment.service.stop().await;
    Ok(())
}

/// From `/login` to the message that the subscription has begun.
async fn log_in(environment: &Environment, invites: &Invites, number: usize) -> Result<()> {
    let waiting = begin(environment, invites, number).await?;
    let chat = environment.telegram.person(waiting.person());
    waiting.confirm(&mut Taken::default()).await?;
    let told = async {
        // One wait ends after a while; the bot's backlog may be longer.
        while chat.wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await.is_err()
        {
        }
    };
    timeout(PATIENCE, told).await.context("nobody tells that the subscription has begun")
}

/// One process did all of it, each login is in the log once with its subscription, and the views are what the log says.
async fn expect_no_fault(environment: &Environment, logins: usize, pid: u32) -> Result<()> {
    ensure!(environment.pid()? == pid, "it is another process by now");
    environment.settle().await?;
    let of = |event: &'static str| {
        let count =
            sqlx::query_scalar::<_, i64>("select count(*) from events where event_type = $1").bind(event);
        count.fetch_one(environment.db.pool())
    };
    for event in ["LoginStarted", "AuthorizationConfirmed", "SubscriptionActivated"] {
        let count = of(event).await?;
        ensure!(count == i64::try_from(logins)?, "{count} times {event}, not {logins}");
    }
    let failed: i64 = of("LoginFailed").await?;
    ensure!(failed == 0, "{failed} logins failed");
    let report = verify(&environment.db, |_, _| ()).await?;
    ensure!(report.is_clean(), "the views are not what the log says: {report:?}");
    Ok(())
}
