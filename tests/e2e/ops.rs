//! What the operator sees, and nobody else.

use anyhow::Result;

use std::time::Duration;

use eventlog::clock::Clock;
use eventlog::testing;
use qr_login::config::Role;
use qr_login::{Config, Service};

use crate::port::Port;
use crate::world::{Differing, World};

/// What `/readyz` says: its status, and the reason where there is one.
async fn readiness(world: &World) -> Result<(u16, String)> {
    let answer = world.http.get(format!("http://{}/readyz", world.ops_addr())).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// Once it says this.
async fn ready_once(world: &World, wanted: &str) -> Result<()> {
    let asked = async {
        while readiness(world).await?.1 != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await?
}

/// An event of this age, behind which nobody has anything to do.
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

/// A busy log always has something that is not in the views yet.
#[tokio::test]
async fn a_view_that_is_behind_for_a_moment_is_ready_and_one_that_stays_behind_is_not() -> Result<()> {
    let world = World::start().await?;
    ready_once(&world, "ready\n").await?;
    // Nobody moves a view while this transaction is open.
    let mut holds = testing::connection(&world.db).await;
    sqlx::query("begin").execute(&mut holds).await?;
    sqlx::query("select from checkpoints for update").execute(&mut holds).await?;
    append_old(&world, "0 s").await?;
    while !projections::lag::lag(&world.db).await?.consumers.iter().any(|view| view.behind > 0) {}
    assert_eq!(readiness(&world).await?, (200, "ready\n".to_owned()));
    append_old(&world, "1 min").await?;
    let stays_behind = async {
        loop {
            let (status, said) = readiness(&world).await?;
            if said.starts_with("the views are behind: an event has waited for ") {
                return anyhow::Ok(status);
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), stays_behind).await??, 503);
    sqlx::query("rollback").execute(&mut holds).await?;
    ready_once(&world, "ready\n").await
}

#[tokio::test]
async fn without_a_projector_nobody_is_told_that_it_is_ready() -> Result<()> {
    let configure: fn(&mut _) = |config: &mut Config| config.roles = [Role::Api, Role::Bot].into();
    let world = World::with(Differing { configure: Some(configure), ..Differing::default() }).await?;
    ready_once(&world, "nobody leads the projections: no process with the role projector runs\n").await?;
    assert_eq!(readiness(&world).await?.0, 503);
    Ok(())
}

/// A standby, or a primary that is being demoted.
#[tokio::test]
async fn a_service_that_starts_while_its_database_takes_no_writes_waits_and_says_so() -> Result<()> {
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
    let waits = async {
        loop {
            let asked = world.http.get(format!("http://{}/readyz", port.addr)).send().await;
            if let Ok(answer) = asked
                && answer.text().await.is_ok_and(|said| said == "the database is waited for\n")
            {
                return writes("off").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
    let world = World::with(Differing { configure: Some(configure), ..Differing::default() }).await?;
    ready_once(&world, "Telegram refuses BOT_TOKEN: check it with @BotFather\n").await
}

/// Every connection stays open, and nothing comes back on it: as after a loss of power behind a virtual address.
#[tokio::test]
async fn while_the_database_is_silent_the_operator_is_answered() -> Result<()> {
    let world = World::with(Differing { proxy: true, ..Differing::default() }).await?;
    ready_once(&world, "ready\n").await?;
    let proxy = world.proxy.as_ref().expect("it was asked for");
    proxy.goes_away();
    assert_eq!(readiness(&world).await?, (503, "the database does not answer\n".to_owned()));
    let metrics = world.http.get(format!("http://{}/metrics", world.ops_addr())).send().await?;
    assert_eq!(metrics.status(), 200);
    assert!(metrics.text().await?.lines().any(|line| line == "database_answers 0"));
    proxy.comes_back();
    ready_once(&world, "ready\n").await
}

#[tokio::test]
async fn the_operators_listener_tells_health_readiness_and_metrics() -> Result<()> {
    let world = World::start().await?;
    let ask = async |path: &str| world.http.get(format!("http://{}{path}", world.ops_addr())).send().await;
    assert_eq!(ask("/healthz").await?.text().await?, "ok\n");
    world.invite(domain::Tier::Premium).await?;
    projections::projector::wait_for(&world.db, 1).await?;
    assert_eq!(ask("/readyz").await?.text().await?, "ready\n");
    let metrics = ask("/metrics").await?;
    assert_eq!(metrics.status(), 200);
    let metrics = metrics.text().await?;
    for line in ["parked 0", "lag_events{consumer=\"users\"} 0", "sequencer_events_without_position 0"] {
        assert!(metrics.lines().any(|told| told == line), "{line} in {metrics}");
    }
    let standing = "insert into parked (view, key, position, error) values ('users', 'x', 1, 'bug')";
    sqlx::query(standing).execute(world.db.pool()).await?;
    let metrics = ask("/metrics").await?.text().await?;
    assert!(metrics.lines().any(|told| told == "parked 1"), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn the_public_listener_knows_nothing_of_it() -> Result<()> {
    let world = World::start().await?;
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let answer = world.http.get(format!("{}{path}", world.base())).send().await?;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    Ok(())
}

#[tokio::test]
async fn every_answer_forbids_storing_sniffing_and_telling_where_one_came_from() -> Result<()> {
    let world = World::start().await?;
    for path in
        ["/qr-auth?session_id=x", "/qr-auth-status?session_id=x", "/qr-auth/qr.svg?session_id=x", "/nothing"]
    {
        let answer = world.http.get(format!("{}{path}", world.base())).send().await?;
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers()["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    let page = world.http.get(format!("{}/qr-auth?session_id=x", world.base())).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?.to_owned();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let other = world.http.get(format!("{}/qr-auth?session_id=x", world.base())).send().await?;
    assert_ne!(other.headers()["content-security-policy"], policy, "a nonce is used twice");
    Ok(())
}
