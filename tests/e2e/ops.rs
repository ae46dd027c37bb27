//! What the operator sees, and nobody else.

use anyhow::Result;

use crate::world::World;

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
