//! Counts over time and totals, after histories that were drawn by chance: what the projector wrote batch by batch is what a rebuild
//! makes of the whole log, and what counting the events and the rows one by one gives.

use domain::login::{CancelReason, FailReason, Method};
use domain::{AccountCommand, AccountId, InviteId, LoginCommand, LoginId, Tier};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use ::rebuild::explain::{LiveRow, explain};
use ::rebuild::rebuild;
use ::rebuild::verify::{as_of, verify};
use app::testing::Story;
use eventlog::log::Log;
use projections::statistics::{self, Bucket, Range};
use projections::totals::{Totals, totals};
use projections::views::daily_counts;
use projections::views::hourly_counts::{Counts, between};
use serde_json::{Value, json};

const ILYA: &str = r#"{"first_name":"Ilya"}"#;

/// Numbers that look drawn by chance, and are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// People, invites and logins on their way.
#[derive(Default)]
struct World {
    people: Vec<AccountId>,
    erased: Vec<AccountId>,
    invites: Vec<InviteId>,
    logins: Vec<(LoginId, AccountId, Option<InviteId>, u32)>,
}

/// So many steps of a history; the views follow now and then.
async fn live_on(story: &Story, world: &mut World, chance: &mut Chance, steps: u64) {
    for _ in 0..steps {
        story.manual_clock.advance(Duration::from_secs(chance.below(1500)));
        step(story, world, chance).await;
        if chance.below(7) == 0 {
            story.settle().await;
        }
    }
    story.settle().await;
}

async fn step(story: &Story, world: &mut World, chance: &mut Chance) {
    let at = story.clock.now();
    let action = chance.below(12);
    let person = match world.people.len() as u64 {
        0 => None,
        people => Some(world.people[chance.below(people) as usize]),
    };
    let login = match world.logins.len() as u64 {
        0 => None,
        logins => Some(chance.below(logins) as usize),
    };
    match (action, person, login) {
        (0 | 1, ..) | (_, None, _) => {
            let number = (world.people.len() + world.erased.len()) as i64;
            world.people.push(story.person(1000 + number, ILYA).await);
        }
        (2, ..) => world.invites.push(story.invite(1 + chance.below(3) as u32, None).await),
        (3 | 4, Some(person), _) => {
            let login_id = story.start(person).await;
            world.logins.push((login_id, person, None, 1));
        }
        (5, Some(person), _) => {
            if let Some(invite) = world.invites.pop() {
                let login_id = story.redeem(person, invite).await;
                story.settle().await;
                world.logins.push((login_id, person, Some(invite), 1));
            }
        }
        (6..=8, _, Some(login)) => {
            let (login_id, person, invite, attempt) = world.logins.swap_remove(login);
            story.settle().await;
            end(story, world, chance, (login_id, person, invite, attempt)).await;
        }
        (9, Some(person), _) => {
            let tier = Tier::ALL[1 + chance.below(4) as usize];
            let days = Some(chance.below(20) as u32).filter(|days| *days > 0);
            let command = AccountCommand::ChangeSubscription {
                tier,
                days: days.unwrap_or(0),
                limits: story.tiers.limits(tier),
                change_id: None,
                at,
            };
            story.account(person, command).await;
        }
        (10, Some(person), _) => {
            let command = match chance.below(4) {
                0 => AccountCommand::RevokeSubscription { at },
                1 => AccountCommand::ExpireSubscription { at },
                2 => AccountCommand::Block { at },
                _ => AccountCommand::Unblock { at },
            };
            story.account(person, command).await;
        }
        (11, Some(person), _) if chance.below(3) == 0 => {
            story.settle().await;
            story.account(person, AccountCommand::Erase { at }).await;
            story.settle().await;
            story.vault.erase_subject(person).await.unwrap();
            world.people.retain(|other| *other != person);
            world.logins.retain(|(_, other, ..)| *other != person);
            world.erased.push(person);
        }
        _ => {}
    }
}

/// A login ends in one of all ways; one that did not succeed may be tried again.
async fn end(
    story: &Story,
    world: &mut World,
    chance: &mut Chance,
    (login_id, person, invite, attempt): (LoginId, AccountId, Option<InviteId>, u32),
) {
    let at = story.clock.now();
    let command = match chance.below(6) {
        0 => LoginCommand::Cancel { attempt, reason: CancelReason::Person, at },
        1 => LoginCommand::Fail { attempt, reason: FailReason::Internal, at },
        2 => LoginCommand::Reject { attempt, confirmed_by: None, at },
        3 => LoginCommand::Expire { attempt, at: at + SignedDuration::from_hours(1) },
        _ => match invite {
            // Its reservation may have been released: the person was erased, or began another login.
            Some(_) if attempt > 1 => return,
            Some(invite) => {
                if story.count("select count(*) from login_status where ended_at is null").await > 0 {
                    confirm_with_invite(story, person, invite, &login_id).await;
                }
                return;
            }
            None => {
                let method = if chance.below(2) == 0 { Method::Qr } else { Method::Code };
                LoginCommand::Confirm { attempt, method, at }
            }
        },
    };
    let context = eventlog::store::Context::by(person).with_login(&login_id);
    // A newer login of the same person has ended this one, where it is refused.
    let accepted = story.store.login(&login_id, command, context.clone()).await.is_ok();
    if accepted && chance.below(2) == 0 {
        let again = LoginCommand::Start { account_id: person, invite: None, attempt: attempt + 1, at };
        if story.store.login(&login_id, again, context).await.is_ok() {
            world.logins.push((login_id, person, None, attempt + 1));
        }
    }
}

async fn confirm_with_invite(story: &Story, person: AccountId, invite: InviteId, login_id: &LoginId) {
    use domain::InviteCommand;
    let at = story.clock.now();
    let context = eventlog::store::Context::by(person).with_login(login_id);
    let command = InviteCommand::Use { account_id: person, login_id: login_id.clone(), attempt: 1, at };
    if story.store.invite(invite, command, context.clone()).await.is_ok() {
        let command = LoginCommand::Confirm { attempt: 1, method: Method::Qr, at };
        // A newer login may have cancelled this one.
        let _ = story.store.login(login_id, command, context).await;
    }
}

/// Every hour there ever was, added up.
async fn everything(story: &Story) -> Counts {
    let mut sum = Counts::default();
    for hour in between(&story.db, Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap() {
        sum.add(&hour);
    }
    let mut days = Counts::default();
    for day in daily_counts::between(&story.db, Timestamp::UNIX_EPOCH, Timestamp::MAX).await.unwrap() {
        days.add(&day.0);
    }
    assert_eq!(days, sum, "days are sums of hours");
    sum
}

async fn events(story: &Story, name: &str) -> i64 {
    story.count(&format!("select count(*) from events where event_type = '{name}'")).await
}

/// Totals by counting rows.
async fn counted(story: &Story) -> Totals {
    let now = story.clock.now();
    let ending = async |hours: i64| {
        let end = now + SignedDuration::from_hours(hours);
        let sql = format!(
            "select count(*) from users where subscription_status = 'active' and subscription_expires_at < '{end}'"
        );
        story.count(&sql).await
    };
    let mut subscriptions = Vec::new();
    for tier in Tier::ALL {
        let sql = format!(
            "select count(*) from users where subscription_status = 'active' and subscription_type = '{}'",
            tier.name()
        );
        subscriptions.push((tier, story.count(&sql).await));
    }
    subscriptions.retain(|(_, count)| *count > 0);
    let open = format!(
        "select count(*) from invites where not revoked and reserved + used < max_uses and valid_until > '{now}'"
    );
    Totals {
        people: story.count("select count(*) from users").await,
        authenticated: story.count("select count(*) from users where is_authenticated").await,
        blocked: story.count("select count(*) from users where is_blocked").await,
        subscriptions,
        ending_in_1_day: ending(24).await,
        ending_in_7_days: ending(7 * 24).await,
        live_logins: story.count("select count(*) from login_status where ended_at is null").await,
        open_invites: story.count(&open).await,
    }
}

#[tokio::test]
async fn statistics_are_what_a_rebuild_makes_of_any_history() {
    for seed in 1..=3 {
        let story = Story::begin().await;
        let (mut world, mut chance) = (World::default(), Chance(seed));
        live_on(&story, &mut world, &mut chance, 60).await;
        let middle = Log::new(&story.db).end().await.unwrap();
        let (at_middle, sum_at_middle) = (rows(&story).await, everything(&story).await);
        live_on(&story, &mut world, &mut chance, 60).await;

        let sum = everything(&story).await;
        assert_eq!(sum.registered, events(&story, "AccountRegistered").await, "seed {seed}");
        assert_eq!(sum.logins_started, events(&story, "LoginStarted").await);
        assert_eq!(sum.logins_authorized, events(&story, "AuthorizationConfirmed").await);
        assert_eq!(sum.logins_expired, events(&story, "LoginExpired").await);
        assert_eq!(sum.logins_cancelled, events(&story, "LoginCancelled").await);
        assert_eq!(sum.logins_rejected, events(&story, "AuthorizationRejected").await);
        assert_eq!(sum.logins_failed, events(&story, "LoginFailed").await);
        assert_eq!(sum.invites_used, events(&story, "InviteUsed").await);
        assert_eq!(sum.by_qr + sum.by_phone, sum.logins_authorized);
        assert_eq!(sum.seconds_to_log_in.total(), sum.logins_authorized, "each has a start");
        let started =
            events(&story, "SubscriptionActivated").await + events(&story, "SubscriptionChanged").await;
        assert_eq!(sum.subscriptions_started.total(), started);
        let ended = events(&story, "SubscriptionExpired").await + events(&story, "SubscriptionRevoked").await;
        assert_eq!(sum.subscriptions_ended.total(), ended);
        assert!(
            sum.logins_authorized > 0 && sum.subscriptions_started.total() > 0 && sum.registered > 5,
            "{sum:?}"
        );
        assert_eq!(totals(&story.db, story.clock.now()).await.unwrap(), counted(&story).await, "seed {seed}");

        // As of the middle, it is as it was then.
        assert_eq!(as_of(&story.db, middle, "hourly_counts", None).await.unwrap().unwrap(), at_middle);
        assert_ne!(sum, sum_at_middle);

        let report = verify(&story.db, |_, _| {}).await.unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        for view in rebuild(&story.db, &[], |_| {}).await.unwrap() {
            assert_eq!(view.differ, 0, "seed {seed}: {view:?}");
        }
        assert_eq!(everything(&story).await, sum);
        assert_eq!(totals(&story.db, story.clock.now()).await.unwrap(), counted(&story).await, "seed {seed}");

        // Life goes on in the slot that was rebuilt.
        live_on(&story, &mut world, &mut chance, 20).await;
        let report = verify(&story.db, |_, _| {}).await.unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        assert_eq!(totals(&story.db, story.clock.now()).await.unwrap(), counted(&story).await, "seed {seed}");
    }
}

async fn rows(story: &Story) -> Vec<Value> {
    let rows: Vec<sqlx::types::Json<Value>> =
        sqlx::query_scalar("select to_jsonb(r) from hourly_counts r order by hour")
            .fetch_all(story.db.pool())
            .await
            .unwrap();
    rows.into_iter().map(|row| row.0).collect()
}

#[tokio::test]
async fn an_hour_tells_outcomes_ways_tiers_and_how_long_it_took() {
    let story = Story::begin().await;
    let invite = story.invite(2, None).await;
    let ilya = story.person(1, ILYA).await;
    let login = story.redeem(ilya, invite).await;
    story.settle().await;
    story.manual_clock.advance(Duration::from_secs(30));
    story.confirm(ilya, invite, &login).await;
    // The confirmation is folded in another batch than the start, by another projector.
    story.settle().await;

    let [(start, day)] = &statistics::buckets(
        &story.db,
        Range::new(story.clock.now(), story.clock.now() + SignedDuration::from_secs(1), Bucket::Day).unwrap(),
    )
    .await
    .unwrap()[..] else {
        panic!("one day")
    };
    assert_eq!(start.to_string(), "2026-11-22T00:00:00Z");
    assert_eq!((day.registered, day.logins_started, day.logins_authorized, day.by_qr), (1, 1, 1, 1));
    assert_eq!((day.invites_used, day.subscriptions_started.total()), (1, 1));
    let median = day.seconds_to_log_in.percentile(0.5).unwrap();
    assert!((24.0..=37.5).contains(&median), "{median}");
    assert_eq!(rows(&story).await[0]["subscriptions_started"], json!({"premium": 1}));

    let explained = explain(&story.db, "hourly_counts", "2026-11-22T10").await.unwrap().unwrap();
    let names: Vec<&str> = explained.steps.iter().map(|step| step.event.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "AccountRegistered",
            "LoginStarted",
            "InviteUsed",
            "AuthorizationConfirmed",
            "SubscriptionActivated"
        ]
    );
    assert_eq!(explained.live, LiveRow::Same);
    let day = explain(&story.db, "daily_counts", "2026-11-22").await.unwrap().unwrap();
    assert_eq!((day.steps.len(), day.live), (names.len(), LiveRow::Same));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_parks_no_hour() {
    let story = Story::begin().await;
    story.person(1, ILYA).await;
    story
        .run(
            r#"insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
               values ('login', 'unreadable-unreadable-unreadable', 1, 'LoginStarted', '1', '{"LoginStarted": {}}', '{}')"#,
        )
        .await;
    story.person(2, ILYA).await;
    story.settle().await;

    assert_eq!(everything(&story).await.registered, 2);
    let parked = "select count(*) from parked where view = 'hourly_counts'";
    assert_eq!(story.count(parked).await, 0);
}

#[tokio::test]
async fn tallies_that_somebody_changed_by_hand_are_found_and_mended_by_a_rebuild() {
    let story = Story::begin().await;
    story.person(1, ILYA).await;
    story.settle().await;
    story.run("update slots.tallies set count = 7 where tally = 'people'").await;

    let report = verify(&story.db, |_, _| {}).await.unwrap();
    let faults: Vec<String> = report.view_faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("users: 1 of its tallies"), "{faults:?}");

    rebuild(&story.db, &["users".to_owned()], |_| {}).await.unwrap();
    assert_eq!(totals(&story.db, story.clock.now()).await.unwrap().people, 1);
    assert!(verify(&story.db, |_, _| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn beside_a_leader_of_the_version_before_the_new_view_does_not_seem_behind() {
    let story = Story::begin().await;
    story.person(1, ILYA).await;
    story.settle().await;
    // The version before moves the checkpoints of the views that it knows.
    story
        .run("update checkpoints set position = position + 1 where consumer in ('users', 'login_status')")
        .await;
    let carried = "select count(*) from checkpoints h, checkpoints u where h.consumer in ('hourly_counts', 'daily_counts') \
                    and u.consumer = 'users' and h.position = u.position and h.version = 0";
    assert_eq!(story.count(carried).await, 2);
    // A swap moves no position.
    story.run("update checkpoints set version = 1 where consumer in ('hourly_counts', 'daily_counts')").await;
    story.run("update checkpoints set version = version where consumer = 'users'").await;
    assert_eq!(story.count("select count(*) from checkpoints where version = 0").await, 0);
}
