//! The feed of events: nothing is missed, nothing is seen twice, also over a takeover that lost the end of the log; and a consumer that waits
//! asks the database nothing.

use anyhow::{Context as _, Result, ensure};
use app::people::permissions::{PermissionOrder, Permissions};
use app::services::keys::{ApiKeys, NewKey};
use domain::Scope;
use eventlog::store::Context;
use eventlog::{Clock, Log};
use futures::future::join_all;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use tokio::task::JoinHandle;
use vault::DerivedKeys;

use crate::admin_acts::world;
use crate::admin_client::account_of;
use crate::erasure::{confirm_reset, wait_until_forgotten};
use crate::service_client::{ServiceClient, Told};
use crate::wait::eventually;
use crate::world::{World, WorldOptions};

/// A consumer that keeps its position.
struct Consumer {
    service: ServiceClient,
    after: i64,
    log: Option<String>,
    seen: Vec<Value>,
}

impl Consumer {
    fn of(service: &ServiceClient) -> Self {
        Self { service: service.clone(), after: 0, log: None, seen: Vec::new() }
    }

    async fn ask(&self, more: &str) -> Result<Told> {
        let log = self.log.as_ref().map(|log| format!("&log={log}")).unwrap_or_default();
        self.service.get(&format!("events?after={}{log}{more}", self.after)).await
    }

    /// Takes one answer.
    async fn take(&mut self, more: &str) -> Result<usize> {
        let told = self.ask(more).await?;
        ensure!(told.status == 200, "{told:?}");
        self.seen.extend(told.items().to_vec());
        self.after = told.body["next"].as_i64().context("a place")?;
        self.log = Some(told.body["log"].as_str().context("a log")?.to_owned());
        Ok(told.items().len())
    }

    fn positions(&self) -> Vec<i64> {
        self.seen.iter().filter_map(|event| event["position"].as_i64()).collect()
    }
}

/// Something happens that no view shows: a key is made.
async fn something_happens(world: &World) -> Result<()> {
    let keys = ApiKeys::new(&world.db, Clock::system());
    let new = NewKey { name: "another".to_owned(), scopes: vec![Scope::UsersRead], expires_in_days: None };
    keys.create(&DerivedKeys::random(), new, Context::tool("test")).await?;
    Ok(())
}

#[tokio::test]
async fn a_consumer_that_keeps_its_position_sees_every_event_once() -> Result<()> {
    let world = world().await?;
    world.log_in(ILYA).await?;
    let service = ServiceClient::with(&world, &[Scope::EventsRead]).await?;
    let events = world.events().await?;

    // What was before the feed began comes from the database, page by page.
    let mut consumer = Consumer::of(&service);
    while consumer.take("&limit=3").await? > 0 {}
    let all: Vec<i64> = (1..=events.len() as i64).collect();
    assert_eq!(consumer.positions(), all);
    let names: Vec<_> =
        consumer.seen.iter().map(|event| event["event"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>());
    let fields: Vec<_> = consumer.seen[0].as_object().context("an event")?.keys().cloned().collect();
    let mut expected = [
        "position",
        "at",
        "stream",
        "stream_id",
        "version",
        "event",
        "actor",
        "account_id",
        "login_id",
        "causation_id",
        "payload",
    ];
    expected.sort_unstable();
    assert_eq!(fields.iter().map(String::as_str).collect::<Vec<_>>(), expected);

    // What comes next wakes a request that waits for it; of other types it moves on.
    let (waiting, happening) = tokio::join!(consumer.ask("&wait=25"), something_happens(&world));
    happening?;
    let told = waiting?;
    assert_eq!((told.items()[0]["event"].as_str(), told.items().len()), (Some("ApiKeyCreated"), 1));
    let other = consumer.ask("&type=LoginStarted&type=QrIssued&wait=0").await?;
    assert_eq!((other.items().len(), other.body["next"].as_i64()), (0, Some(events.len() as i64 + 1)));
    let of_types = service.get("events?type=LoginStarted&type=ApiKeyCreated").await?;
    let names: Vec<_> = of_types.items().iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["LoginStarted", "ApiKeyCreated", "ApiKeyCreated"]);
    assert_eq!(of_types.body["next"].as_i64(), Some(events.len() as i64 + 1));

    // A position that was never given.
    let beyond = service.get(&format!("events?after={}&wait=25", events.len() + 100)).await?;
    assert_eq!((beyond.status, beyond.kind()), (409, "urn:qr-login:history-changed"));
    assert_eq!(beyond.body["go_on_from"].as_i64(), Some(events.len() as i64 + 1));
    for bad in ["after=-1", "limit=1001", "wait=26", "type=%00", "log=x", "since=1", "after=1&after=2"] {
        assert_eq!(service.get(&format!("events?{bad}")).await?.status, 400, "{bad}");
    }
    Ok(())
}

/// 1. A consumer knows the whole log and waits. 2. A standby takes over that lacks the last event. 3. Others happen there.
#[tokio::test]
async fn a_consumer_of_a_log_that_lost_its_end_is_told_where_to_go_on() -> Result<()> {
    let mut world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::EventsRead]).await?;
    something_happens(&world).await?;
    world.events().await?;
    let mut consumer = Consumer::of(&service);
    while consumer.take("").await? > 0 {}
    let (end, lost) = (consumer.after, consumer.seen.last().context("an event")?["stream_id"].clone()); // 1
    world.crash_service().await;
    let lose = format!(
        "begin;
         alter table events disable trigger events_append_only;
         alter table log_index disable trigger log_index_append_only;
         delete from events where event_no = (select event_no from log_index where position = {end});
         delete from log_index where position = {end};
         alter table log_index enable trigger log_index_append_only;
         alter table events enable trigger events_append_only;
         update sequencer set next_position = {end}, cluster = 'elsewhere/00000001';
         update checkpoints set position = least(position, {end} - 1);
         commit"
    );
    sqlx::raw_sql(&lose).execute(world.db.pool()).await?; // 2
    world.start_service().await?;
    something_happens(&world).await?; // 3
    something_happens(&world).await?;
    world.events().await?;

    let refused = consumer.ask("&wait=25").await?;
    assert_eq!((refused.status, refused.kind()), (409, "urn:qr-login:history-changed"), "{refused:?}");
    assert_eq!(refused.body["go_on_from"], json!(end - 1));
    // It does as it is told.
    consumer.after = refused.body["go_on_from"].as_i64().context("a place")?;
    consumer.log = Some(refused.body["log"].as_str().context("a log")?.to_owned());
    consumer.seen.retain(|event| event["position"].as_i64() < Some(end));
    while consumer.take("").await? > 0 {}
    assert_eq!(consumer.positions(), (1..=end + 1).collect::<Vec<_>>());
    assert!(consumer.seen.iter().all(|event| event["stream_id"] != lost));
    let log = Log::new(&world.db).read(0, 1000).await?;
    let ids = |events: &mut dyn Iterator<Item = String>| events.collect::<Vec<_>>();
    assert_eq!(
        ids(&mut consumer
            .seen
            .iter()
            .map(|event| event["stream_id"].as_str().unwrap_or_default().to_owned())),
        ids(&mut log.iter().map(|event| event.stream_id.clone()))
    );
    // One that was not beyond that place goes on without noticing; one of a history that nobody knows begins anew.
    let mut before = Consumer { after: end - 1, ..Consumer::of(&service) };
    before.log = consumer.log.clone();
    assert_eq!(before.take("").await?, 2);
    before.log = Some("00000000-0000-4000-8000-000000000001".to_owned());
    assert_eq!(before.ask("").await?.body["go_on_from"], json!(0));
    Ok(())
}

#[tokio::test]
async fn names_are_opened_for_who_may_see_them_until_the_person_is_erased() -> Result<()> {
    let world = world().await?;
    let sealed = ServiceClient::with(&world, &[Scope::EventsRead]).await?;
    let opened = ServiceClient::with(&world, &[Scope::EventsRead, Scope::EventsNames]).await?;
    world.log_in(ILYA).await?;
    let registered = async |service: &ServiceClient| -> Result<Vec<Value>> {
        let told = service.get("events?type=AccountRegistered").await?;
        Ok(told.items().iter().map(|event| event["payload"]["profile"].clone()).collect())
    };
    let names = |profiles: Vec<Value>| -> Vec<String> {
        profiles.iter().map(|it| it["first_name"].as_str().unwrap_or("sealed").to_owned()).collect()
    };
    assert_eq!(names(registered(&opened).await?), ["Anna", "Ilya"]);
    assert_eq!(names(registered(&sealed).await?), ["sealed", "sealed"]);

    // Whatever it asks for, a key with `events:read` alone sees no name and no Telegram id.
    let mut all = String::new();
    for path in ["events?limit=1000", "users", "users/139883458", "users/139883458/subscription", "invites"] {
        all += &sealed.get(path).await?.text;
    }
    for secret in ["Ilya", "Anna", &ILYA.to_string(), &ANNA.to_string()] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }

    confirm_reset(&world, ILYA, "/debug_reset").await?;
    wait_until_forgotten(&world, ILYA).await?;
    assert_eq!(names(registered(&opened).await?), ["Anna", "sealed"]);
    Ok(())
}

#[tokio::test]
async fn whoever_waits_with_a_key_that_is_revoked_is_told_nothing_more() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::EventsRead]).await?;
    let end = world.events().await?.len();
    let path = format!("events?after={end}&wait=25");
    // It waits: the log has said nothing yet.
    service.get(&format!("events?after={end}")).await?;
    let revoke = async {
        let keys = ApiKeys::new(&world.db, Clock::system());
        keys.revoke(&service.key_id().parse()?, Context::tool("test")).await?;
        something_happens(&world).await
    };
    let (waiting, revoked) = tokio::join!(service.get(&path), revoke);
    revoked?;
    let told = waiting?;
    assert_eq!((told.status, told.kind()), (401, "urn:qr-login:key-revoked"), "{told:?}");
    Ok(())
}

/// The database answers nothing while a thousand consumers wait, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_wait_ask_the_database_nothing() -> Result<()> {
    let world = World::with(WorldOptions { proxy: true, ..WorldOptions::default() }).await?;
    world.person(ILYA).ask("/start").await?;
    let mut services = Vec::new();
    for _ in 0..4 {
        services.push(ServiceClient::with(&world, &[Scope::EventsRead]).await?);
    }
    let end = world.events().await?.len();
    // The feed knows the log from here on.
    services[0].get(&format!("events?after={end}")).await?;
    let path = format!("events?after={end}&wait=25");
    let waiting: Vec<_> = (0..1000)
        .map(|number| {
            let (service, path) = (services[number % 4].clone(), path.clone());
            tokio::spawn(async move { service.get(&path).await })
        })
        .collect();
    // All of them have been let in: the keys were looked up so many times.
    let looked_up = "select coalesce(sum(coalesce(idx_scan, 0) + coalesce(seq_scan, 0)), 0)::bigint
                       from pg_stat_user_tables where relname = 'api_keys'";
    eventually("a thousand keys were looked up", async || {
        let number: i64 = sqlx::query_scalar(looked_up).fetch_one(world.db.pool()).await?;
        Ok(number >= 1001)
    })
    .await?;
    assert!(!waiting.iter().any(JoinHandle::is_finished), "all of them wait");
    world.proxy.as_ref().context("the proxy")?.goes_away();
    for answer in join_all(waiting).await {
        let told = answer??;
        assert_eq!(
            (told.status, told.items().len(), told.body["next"].as_u64()),
            (200, 0, Some(end as u64)),
            "{told:?}"
        );
    }
    world.proxy.as_ref().context("the proxy")?.comes_back();
    Ok(())
}

#[tokio::test]
async fn what_is_done_to_a_person_reaches_the_feed_with_its_actor() -> Result<()> {
    let world = world().await?;
    let service = ServiceClient::with(&world, &[Scope::EventsRead]).await?;
    let end = world.events().await?.len();
    let account = account_of(&world, ILYA).await?;
    Permissions::new(&world.db)
        .order(account, PermissionOrder::Block, &[], world.now(), Context::tool("test"))
        .await?;
    let told = service.get(&format!("events?after={end}&wait=25")).await?;
    let event = &told.items()[0];
    assert_eq!((&event["event"], &event["actor"]), (&json!("AccountBlocked"), &json!("tool:test")));
    assert_eq!(event["account_id"], json!(account));
    Ok(())
}
