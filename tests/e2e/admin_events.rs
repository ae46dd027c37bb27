//! The history over the admin API: filters, one event with its connection, live; and every read of it is in the log.

use std::time::Duration;

use anyhow::{Context as _, Result};
use app::people::permissions::{PermissionOrder, Permissions};
use domain::{Role, Tier};
use eventlog::store::Context;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use vault::Vault;

use crate::world::{World, WorldOptions};

/// A world in which Anna is an admin.
async fn world() -> Result<World> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.person(ANNA).ask("/start").await?;
    Ok(world)
}

async fn token(world: &World, person: i64) -> Result<String> {
    let answer: Value = world.post_as(person, "/api/admin/session", &json!({})).send().await?.json().await?;
    Ok(answer["token"].as_str().with_context(|| answer.to_string())?.to_owned())
}

async fn ask(world: &World, token: &str, path: &str) -> Result<Response> {
    Ok(world.http.get(format!("{}{path}", world.base())).bearer_auth(token).send().await?)
}

async fn get(world: &World, token: &str, path: &str) -> Result<Value> {
    let answer = ask(world, token, path).await?;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    Ok(answer.json().await?)
}

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().expect("items").iter();
    items.map(|it| it["event"].as_str().expect("a name").to_owned()).collect()
}

async fn account_of(world: &World, person: i64) -> Result<String> {
    Ok(Vault::new(&world.db).subject_of(person).await?.context("known")?.account_id.to_string())
}

/// The reads in the log: by whom, of what.
async fn reads(world: &World) -> Result<Vec<(String, Value)>> {
    let events = world.events().await?.into_iter().filter(|event| event.name == "AuditRead");
    Ok(events.map(|it| (it.metadata.actor, it.payload["AuditRead"]["target"].clone())).collect())
}

#[tokio::test]
async fn the_history_is_filtered_and_read_page_by_page_in_either_order() -> Result<()> {
    let world = world().await?;
    let login = world.log_in(ILYA).await?;
    let token = token(&world, ANNA).await?;
    let ilya = account_of(&world, ILYA).await?;
    let wanted: Vec<_> = world
        .events()
        .await?
        .into_iter()
        .filter(|event| event.metadata.account_id.is_some_and(|it| it.to_string() == ilya))
        .map(|event| event.name)
        .collect();
    assert!(wanted.len() > 5, "{wanted:?}");

    let newest_first = get(&world, &token, &format!("/api/admin/users/{ilya}/events")).await?;
    let mut found = names(&newest_first);
    found.reverse();
    assert_eq!(found, wanted);
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path =
            format!("/api/admin/events?account={ilya}&order=asc&limit=2&not=1{after}").replace("&not=1", "");
        let page = get(&world, &token, &path).await?;
        all.extend(names(&page).into_iter().filter(|name| name != "AuditRead"));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(all, wanted);
    let of_login =
        get(&world, &token, &format!("/api/admin/events?login={login}&event=LoginStarted")).await?;
    assert_eq!(names(&of_login), ["LoginStarted"]);
    let tool = get(&world, &token, "/api/admin/events?actor=tool:test").await?;
    assert_eq!(names(&tool), ["InviteCreated"]);
    let invite = tool["items"][0]["stream_id"].as_str().context("an id")?;
    let of_invite =
        names(&get(&world, &token, &format!("/api/admin/events?invite={invite}&limit=200")).await?);
    assert!(of_invite.contains(&"AuthorizationConfirmed".to_owned()), "{of_invite:?}");
    for (filter, is_empty) in [("since=2999-01-01T00:00:00Z", true), ("until=2999-01-01T00:00:00Z", false)] {
        let page = get(&world, &token, &format!("/api/admin/events?{filter}")).await?;
        assert_eq!(names(&page).is_empty(), is_empty, "{filter}");
    }
    // What is sealed stays sealed, and a code is in no event.
    let whole = get(&world, &token, "/api/admin/events?limit=200").await?.to_string();
    assert!(!whole.contains("Ilya") && !whole.contains(&ILYA.to_string()), "{whole}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() -> Result<()> {
    let world = world().await?;
    let token = token(&world, ANNA).await?;
    for query in [
        "limit=0",
        "limit=201",
        "order=up",
        "after=x",
        "account=7",
        "login=short",
        "since=yesterday",
        "event=%00",
        "actor=%00",
        "unknown=1",
    ] {
        let answer = ask(&world, &token, &format!("/api/admin/events?{query}")).await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    // The ends of time are no end of the service.
    for query in
        ["since=-009999-01-02T01:59:59Z", "until=9999-12-30T22:00:00.999999999Z", "after=9223372036854775807"]
    {
        let answer = ask(&world, &token, &format!("/api/admin/events?{query}")).await?;
        assert!(answer.status() == StatusCode::OK, "{query}: {}", answer.text().await?);
    }
    for path in ["events/0", "events/999999", "events/x", "users/00000000-0000-0000-0000-000000000007/events"]
    {
        let answer = ask(&world, &token, &format!("/api/admin/{path}")).await?;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn from_any_event_one_step_leads_to_its_cause_and_its_consequences() -> Result<()> {
    let world = world().await?;
    world.log_in(ILYA).await?;
    let token = token(&world, ANNA).await?;
    let events = world.events().await?;
    let activated = events.iter().find(|it| it.name == "SubscriptionActivated").context("activated")?;
    let confirmed = events.iter().find(|it| it.name == "AuthorizationConfirmed").context("confirmed")?;
    let detail = get(&world, &token, &format!("/api/admin/events/{}", activated.position)).await?;
    assert_eq!(detail["event"]["event"], "SubscriptionActivated");
    assert_eq!(detail["caused_by"]["position"], confirmed.position);
    assert_eq!(detail["led_to"], json!([]));
    assert_eq!(detail["name"], "Ilya");
    let cause = get(&world, &token, &format!("/api/admin/events/{}", confirmed.position)).await?;
    let led_to: Vec<_> =
        cause["led_to"].as_array().context("a list")?.iter().map(|it| &it["position"]).collect();
    assert_eq!(led_to, [&json!(activated.position)]);
    let created = events.iter().find(|it| it.name == "InviteCreated").context("created")?;
    let detail = get(&world, &token, &format!("/api/admin/events/{}", created.position)).await?;
    assert_eq!((&detail["name"], &detail["caused_by"]), (&Value::Null, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn each_read_is_in_the_log_once_a_minute_and_ones_own_is_none() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let options = WorldOptions { configure: Some(configure), manual_clock: true, ..WorldOptions::default() };
    let world = World::with(options).await?;
    world.person(ANNA).ask("/start").await?;
    world.person(ILYA).ask("/start").await?;
    let token = token(&world, ANNA).await?;
    let (anna, ilya) = (account_of(&world, ANNA).await?, account_of(&world, ILYA).await?);
    let registered =
        world.events().await?.into_iter().find(|it| it.name == "AccountRegistered" && it.stream_id == ilya);
    let registered = registered.context("registered")?.position;
    for _ in 0..2 {
        for path in [
            format!("/api/admin/users/{ilya}/events"),
            format!("/api/admin/events?account={ilya}"),
            format!("/api/admin/events/{registered}"),
            format!("/api/admin/users/{anna}/events"),
            "/api/admin/events".to_owned(),
        ] {
            get(&world, &token, &path).await?;
        }
    }
    let read = |target: Value| (anna.clone(), target);
    assert_eq!(reads(&world).await?, [read(json!({"account": ilya})), read(json!("log"))]);
    world.advance(Duration::from_secs(60));
    get(&world, &token, &format!("/api/admin/users/{ilya}/events")).await?;
    assert_eq!(reads(&world).await?.len(), 3);
    Ok(())
}

/// What the stream has sent, as text, until `wanted` is true of it.
async fn read_until(stream: &mut Response, text: &mut String, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let read = async {
        while !wanted(text) {
            let piece = stream.chunk().await?.with_context(|| format!("the stream has ended: {text}"))?;
            text.push_str(std::str::from_utf8(&piece)?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.with_context(|| format!("never: {text}"))?
}

async fn listen(world: &World, token: &str, last: Option<&str>) -> Result<Response> {
    let request = world.http.get(format!("{}/api/admin/events/live", world.base())).bearer_auth(token);
    let request = match last {
        Some(last) => request.header("Last-Event-ID", last),
        None => request,
    };
    let stream = request.send().await?;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    Ok(stream)
}

/// The ids of all events that were sent.
fn ids(text: &str) -> Vec<i64> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test]
async fn what_happens_is_told_live_and_a_listener_goes_on_where_it_was() -> Result<()> {
    let world = world().await?;
    let token = token(&world, ANNA).await?;
    let mut streams = [listen(&world, &token, None).await?, listen(&world, &token, None).await?];
    world.person(ILYA).ask("/start").await?;
    let mut last = String::new();
    for stream in &mut streams {
        let mut text = String::new();
        read_until(stream, &mut text, |text| {
            text.contains("\"AccountRegistered\"") && text.ends_with("\n\n")
        })
        .await?;
        assert!(text.contains("event: log\n") && !text.contains("Ilya"), "{text}");
        last = ids(&text).last().context("an id")?.to_string();
    }
    drop(streams);
    world.invite(Tier::Premium).await?;
    let mut again = listen(&world, &token, Some(&last)).await?;
    let mut text = String::new();
    read_until(&mut again, &mut text, |text| text.contains("\"InviteCreated\"") && text.ends_with("\n\n"))
        .await?;
    let ids = ids(&text);
    let first: i64 = last.parse()?;
    assert_eq!(
        ids,
        (first + 1..=first + i64::try_from(ids.len())?).collect::<Vec<_>>(),
        "none is missing, none comes twice"
    );
    Ok(())
}

#[tokio::test]
async fn a_listener_that_missed_too_much_is_told_of_a_gap() -> Result<()> {
    let world = world().await?;
    let filling = "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
        select 'audit', gen_random_uuid()::text, 1, 'AuditRead', '1',
               json_build_object('AuditRead', json_build_object('target', 'log', 'at', '2026-11-22T10:00:00Z')), '{}'
          from generate_series(1, 2000)";
    sqlx::query(filling).execute(world.db.pool()).await?;
    world.events().await?;
    let token = token(&world, ANNA).await?;
    let mut stream = listen(&world, &token, Some("1")).await?;
    let mut text = String::new();
    read_until(&mut stream, &mut text, |text| text.contains("event: gap\n") && text.ends_with("\n\n"))
        .await?;
    assert!(ids(&text)[0] > 2_000, "{text}");
    world.person(ILYA).ask("/start").await?;
    read_until(&mut stream, &mut text, |text| text.contains("\"AccountRegistered\"")).await?;
    let mut beyond = listen(&world, &token, Some("999999")).await?;
    read_until(&mut beyond, &mut String::new(), |text| text.contains("event: gap\n")).await?;
    Ok(())
}

#[tokio::test]
async fn who_is_an_admin_no_more_is_told_nothing_more() -> Result<()> {
    let world = world().await?;
    world.person(ILYA).ask("/start").await?;
    let permissions = Permissions::new(&world.db);
    let ilya = Vault::new(&world.db).subject_of(ILYA).await?.context("known")?.account_id;
    let order = async |role| {
        permissions.order(ilya, PermissionOrder::Role(role), &[], world.now(), Context::tool("test")).await
    };
    order(Role::Auditor).await?;
    let token = token(&world, ILYA).await?;
    let mut stream = listen(&world, &token, None).await?;
    order(Role::User).await?;
    world.person(ANNA).ask("/help").await?;
    world.invite(Tier::Premium).await?;
    let rest = tokio::time::timeout(Duration::from_secs(60), async {
        let mut text = String::new();
        while let Some(piece) = stream.chunk().await? {
            text.push_str(std::str::from_utf8(&piece)?);
        }
        anyhow::Ok(text)
    });
    let rest = rest.await.context("the stream goes on")??;
    assert!(!rest.contains("RoleChanged") && !rest.contains("InviteCreated"), "{rest}");
    let refused = ask(&world, &token, "/api/admin/events").await?;
    assert!([StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&refused.status()));
    Ok(())
}
