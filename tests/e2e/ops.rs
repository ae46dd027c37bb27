//! The operator's listener: health, readiness and metrics, which the public listener does not serve.

use anyhow::Result;

use std::time::Duration;

use eventlog::clock::Clock;
use eventlog::testing;
use qr_login::config::Role;
use qr_login::{Config, Service};

use crate::port::Port;
use crate::wait::eventually;
use crate::world::{Scrape, World, WorldOptions};

/// Appends an event of this age that no view and no reaction uses.
async fn append_old(world: &World, age: &str) -> Result<()> {
    sqlx::query(
        "insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, recorded_at) \
         values ('test', gen_random_uuid()::text, 1, 'Nothing', '1', '{}', '{}', clock_timestamp() - $1::interval)",
    )
    .bind(age)
    .execute(world.db.pool())
    .await?;
    world.db.wake().notify(eventlog::Topic::Appended);
    Ok(())
}

/// In a busy log some events are always newer than the views.
#[tokio::test]
async fn a_view_that_is_behind_for_a_moment_is_ready_and_one_that_stays_behind_is_not() -> Result<()> {
    let world = World::start().await?;
    world.wait_for_readiness("ready\n").await?;
    // The leader has begun: it would not number what is appended below while it waited for the lock.
    append_old(&world, "0 s").await?;
    world.events().await?;
    // No view moves on while this transaction is open.
    let mut blocker = testing::connection(&world.db).await;
    sqlx::query("begin").execute(&mut blocker).await?;
    sqlx::query("lock checkpoints in exclusive mode").execute(&mut blocker).await?;
    append_old(&world, "0 s").await?;
    while !projections::lag::lag(&world.db).await?.consumers.iter().any(|view| view.behind > 0) {}
    // The event is of no kind that there is, so the reactor parks it: that is named, and stops nobody.
    let (status, text) = world.readiness().await?;
    assert!(status == 200 && text.starts_with("ready\n"), "{status} {text}");
    append_old(&world, "1 min").await?;
    let stays_behind = async {
        loop {
            let (status, text) = world.readiness().await?;
            if text.starts_with("the views are behind: an event has waited for ") {
                return anyhow::Ok(status);
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), stays_behind).await??, 503);
    sqlx::query("rollback").execute(&mut blocker).await?;
    eventually("the views have caught up", async || Ok(world.readiness().await?.0 == 200)).await
}

#[tokio::test]
async fn without_a_projector_the_service_is_not_ready() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.roles = [Role::Api, Role::Bot].into();
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world
        .wait_for_readiness("nobody leads the projections: no process with the role projector runs\n")
        .await?;
    assert_eq!(world.readiness().await?.0, 503);
    Ok(())
}

/// As with a standby, or a primary that is being demoted.
#[tokio::test]
async fn a_service_that_starts_while_its_database_is_read_only_waits_and_says_so() -> Result<()> {
    let mut world = World::start().await?;
    world.crash_service().await;
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(world.db.pool()).await?;
    let writes = async |allowed: &str| {
        let set = format!("alter database {name} set default_transaction_read_only = {allowed}");
        sqlx::query(&set).execute(world.db.pool()).await
    };
    writes("on").await?;
    let port = Port::reserve()?;
    let config = Config { ops_listen_addr: port.addr, ..world.config.clone() };
    let says_so = async || {
        let answer = world.http.get(format!("http://{}/readyz", port.addr)).send().await;
        match answer {
            Ok(answer) => answer.text().await.is_ok_and(|text| text == "the database is waited for\n"),
            Err(_) => false,
        }
    };
    let waits = async {
        while !says_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It has asked more than once by then: it asks each second.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(says_so().await);
        writes("off").await
    };
    let both =
        async { tokio::try_join!(Service::start(config, Clock::system()), async { Ok(waits.await?) }) };
    let (service, _) = tokio::time::timeout(Duration::from_secs(60), both).await??;
    service.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_refused_bot_token_is_named() -> Result<()> {
    let configure: fn(&mut _) =
        |config: &mut Config| config.bot_token = "1:nobodys-token-at-all".to_owned().into();
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.wait_for_readiness("Telegram refuses BOT_TOKEN: check it with @BotFather\n").await?;
    assert_eq!(world.metrics().await?.value("qrlogin_bot_token_refused"), Some(1.0));
    Ok(())
}

/// In the folder of the kernel nobody can make one. Sessions are kept in the vault, so nobody's login stops.
#[tokio::test]
async fn a_full_disk_is_named_and_takes_no_process_out_of_the_rotation() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.sessions_dir = "/proc/no-room".into();
    let world = World::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    world.wait_for_readiness("ready\nSESSIONS_DIR: nothing can be written in /proc/no-room\n").await?;
    assert_eq!(world.readiness().await?.0, 200);
    let metrics = world.metrics().await?;
    assert_eq!(metrics.value("qrlogin_disk_full{folder=\"sessions\"}"), Some(1.0));
    assert_eq!(metrics.value("qrlogin_disk_full{folder=\"data\"}"), Some(0.0));
    Ok(())
}

/// Every connection stays open without an answer, as after a loss of power behind a virtual address.
#[tokio::test]
async fn while_the_database_does_not_answer_the_operator_is_answered() -> Result<()> {
    let world = World::with(WorldOptions { proxy: true, ..WorldOptions::default() }).await?;
    world.wait_for_readiness("ready\n").await?;
    let of_database = ["qrlogin_log_position", "qrlogin_lag_events", "qrlogin_parked", "qrlogin_logins_live"];
    // On a busy machine one answer may take too long.
    let has_all = |metrics: &Scrape| of_database.iter().all(|name| metrics.has(name));
    eventually("the database's metrics are told", async || Ok(has_all(&world.metrics().await?))).await?;
    let proxy = world.proxy.as_ref().expect("a proxy");
    proxy.goes_away();
    assert_eq!(world.readiness().await?, (503, "the database does not answer\n".to_owned()));
    let away = world.metrics().await?;
    assert_eq!((away.value("qrlogin_database_up"), away.value("qrlogin_ready")), (Some(0.0), Some(0.0)));
    // What was true before is not told any more; what the process knows by itself is.
    for name in of_database {
        assert!(!away.has(name), "{name}");
    }
    for name in
        ["qrlogin_database_pool_waiting", "qrlogin_projector_events_total", "qrlogin_process_open_fds"]
    {
        assert!(away.has(name), "{name}");
    }
    proxy.comes_back();
    world.wait_for_readiness("ready\n").await?;
    eventually("they are told again", async || {
        let back = world.metrics().await?;
        let up = [back.value("qrlogin_database_up"), back.value("qrlogin_ready")];
        Ok(up == [Some(1.0), Some(1.0)] && has_all(&back))
    })
    .await
}

#[tokio::test]
async fn the_operators_listener_serves_health_readiness_and_metrics() -> Result<()> {
    let world = World::start().await?;
    let ask = async |path: &str| world.http.get(format!("http://{}{path}", world.ops_addr())).send().await;
    assert_eq!(ask("/healthz").await?.text().await?, "ok\n");
    world.invite(domain::Tier::Premium).await?;
    projections::projector::wait_for(&world.db, 1).await?;
    assert_eq!(ask("/readyz").await?.text().await?, "ready\n");
    let metrics = ask("/metrics").await?;
    assert_eq!(metrics.status(), 200);
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for series in [
        "qrlogin_parked{view=\"users\"}",
        "qrlogin_lag_events{consumer=\"users\"}",
        "qrlogin_log_unplaced_events",
    ] {
        eventually(series, async || Ok(world.metrics().await?.value(series) == Some(0.0))).await?;
    }
    let parked_row = "insert into parked (view, key, position, error) values ('users', 'x', 1, 'bug')";
    sqlx::query(parked_row).execute(world.db.pool()).await?;
    let parked = "qrlogin_parked{view=\"users\"}";
    eventually("it is told", async || Ok(world.metrics().await?.value(parked) == Some(1.0))).await?;
    // It stops nobody's login: the process stays in the rotation, and says it.
    let ready = (200, "ready\nparked: 1 row; `replay lag` shows which\n".to_owned());
    assert_eq!(world.readiness().await?, ready);
    Ok(())
}

#[tokio::test]
async fn the_public_listener_serves_no_health_readiness_or_metrics() -> Result<()> {
    let world = World::start().await?;
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let answer = world.http.get(format!("{}{path}", world.base())).send().await?;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_forbids_storing_sniffing_framing_and_the_referrer() -> Result<()> {
    let world = World::start().await?;
    for path in
        ["/qr-auth?session_id=x", "/qr-auth-status?session_id=x", "/qr-auth/qr.svg?session_id=x", "/nothing"]
    {
        let answer = world.http.get(format!("{}{path}", world.base())).send().await?;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str()?;
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        let in_telegram = path.starts_with("/qr-auth?");
        assert_eq!(policy.contains("frame-ancestors 'none'"), !in_telegram, "{path}: {policy}");
    }
    let page = world.http.get(format!("{}/qr-auth?session_id=x", world.base())).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?.to_owned();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let other = world.http.get(format!("{}/qr-auth?session_id=x", world.base())).send().await?;
    assert_ne!(other.headers()["content-security-policy"], policy, "a nonce is used twice");
    Ok(())
}
