//! Leading: appended events become visible and are acted upon, also while two processes lead for a moment.

use std::time::Duration;

use domain::{LoginStatus, TierTerms};

use super::{Leader, Outage, lead, run};
use crate::testing::Story;
use eventlog::log::Log;
use eventlog::wake::Topic;
use projections::views::{login_status, users};
use rebuild::verify::verify;

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

fn leader(story: &Story, holder: &str) -> Leader {
    Leader {
        db: story.db.clone(),
        clock: story.clock.clone(),
        tiers: story.tiers.clone(),
        holder: holder.to_owned(),
    }
}

fn outage() -> Outage {
    Outage::new("it fails", "it works again")
}

/// Waits until the condition holds; fails after a minute.
async fn until<F: Future<Output = bool>>(story: &Story, holds: impl Fn() -> F) {
    let mut projected = story.db.wake().subscribe(Topic::Projected);
    let waiting = async {
        while !holds().await {
            projected.wait(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it holds within a minute");
}

#[tokio::test]
async fn a_led_service_completes_a_login_and_expires_the_next() {
    let story = Story::begin().await;
    let leading = tokio::spawn(run(leader(&story, "one")));
    let invite = story.invite(2, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    let status = async |login| login_status::by_id(&story.db, login).await.unwrap().map(|row| row.status);
    until(&story, || async { status(&login).await == Some(LoginStatus::Waiting) }).await;
    story.confirm(ilya, invite, &login).await;
    until(&story, || async {
        users::by_account(&story.db, ilya).await.unwrap().is_some_and(|user| user.max_channels == 50)
    })
    .await;

    let next = story.start(ilya).await;
    until(&story, || async { status(&next).await == Some(LoginStatus::Waiting) }).await;
    story.manual_clock.advance(Duration::from_secs(300));
    until(&story, || async { status(&next).await == Some(LoginStatus::Expired) }).await;
    leading.abort();
}

#[tokio::test]
async fn two_leaders_at_the_same_moment_neither_lose_nor_double_an_event() {
    // 1. The first leads. 2. The second leads as well, as if the lease had been lost unnoticed. 3. People log in
    // meanwhile. 4. The first one is fenced out.
    let story = Story::begin().await;
    let (first, second) = (leader(&story, "first"), leader(&story, "second"));
    let invite = story.invite(20, None).await;
    let old = tokio::spawn(async move {
        lead(&first, &mut outage()).await.map(|_| ()).map_err(|error| error.to_string())
    });
    let mut people = Vec::new();
    for number in 0..10 {
        let person = story.person(number, ILYA).await;
        people.push((person, story.redeem(person, invite).await));
    }
    let new = tokio::spawn(async move {
        lead(&second, &mut outage()).await.map(|_| ()).map_err(|error| error.to_string())
    });
    for number in 10..20 {
        let person = story.person(number, ILYA).await;
        people.push((person, story.redeem(person, invite).await));
    }
    until(&story, || async { login_status::live(&story.db).await.unwrap().len() == 20 }).await;
    let fenced = tokio::time::timeout(Duration::from_secs(20), old).await;
    let reason = fenced.expect("the old leader gives up").unwrap().expect_err("it was fenced");
    assert!(reason.contains("taken over"), "{reason}");
    for (person, login) in &people {
        story.confirm(*person, invite, login).await;
    }
    until(&story, || async {
        story.count("select count(*) from users where subscription_type = 'premium'").await == 20
    })
    .await;
    new.abort();
    let _ = new.await;
    story.settle().await;
    let events = story.count("select count(*) from events").await;
    assert_eq!(Log::new(&story.db).end().await.unwrap(), events);
    assert_eq!(story.count("select count(*) from events where event_type = 'LoginStarted'").await, 20);
    assert_eq!(
        story.count("select count(*) from events where event_type = 'SubscriptionActivated'").await,
        20
    );
    assert!(verify(&story.db, |_, _| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn the_free_limits_are_the_configured_ones() {
    let mut story = Story::begin().await;
    let ilya = story.person(1, ILYA).await;
    let free = TierTerms { channels: 7, ..*story.tiers.terms(domain::Tier::Free) };
    let overrides = [(domain::Tier::Free, free)].into_iter().collect();
    story.tiers = std::sync::Arc::new(domain::Tiers::default().with(overrides));
    let leading = tokio::spawn(run(leader(&story, "one")));
    until(&story, || async { users::by_account(&story.db, ilya).await.unwrap().is_some() }).await;
    leading.abort();
    assert_eq!(users::by_account(&story.db, ilya).await.unwrap().unwrap().max_channels, 7);
}
