//! People who have the link of a login, and nothing else.

use std::time::Duration;

use anyhow::Result;
use domain::Tier;
use serde_json::Value;
use stand_in::accounts::ILYA;

use crate::world::World;

/// 1. Somebody who has the link waits for news as often as a login allows, and once more: that one is refused.
/// 2. The page falls back to short polls, which are answered.
/// 3. The login's person waits for news all the same, and gets it.
#[tokio::test]
async fn long_polls_of_strangers_are_limited_and_take_none_of_the_owners() -> Result<()> {
    let world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let status = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
    let path = format!("/qr-auth-status?session_id={session}&since={}&wait=25", status["version"]);
    let url = format!("{}{path}", world.base());
    let mut polls = tokio::task::JoinSet::new();
    for _ in 0..5 {
        polls.spawn(world.http.get(&url).send());
    }
    let refused = polls.join_next().await.expect("five")??;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"2".parse()?));
    assert_eq!(polls.len(), 4);

    let short = world.http.get(format!("{}/qr-auth-status?session_id={session}", world.base()));
    assert_eq!(short.send().await?.json::<Value>().await?["status"], "waiting");

    let own = tokio::spawn(world.get_as(ILYA, &path).send());
    let cancel = world.post_as(ILYA, "/qr-auth/cancel", &serde_json::json!({ "session_id": session }));
    assert!(cancel.send().await?.status().is_success());
    let news = tokio::time::timeout(Duration::from_secs(30), own).await???;
    assert_eq!(news.json::<Value>().await?["status"], "cancelled");
    while let Some(poll) = polls.join_next().await {
        assert_eq!(poll??.json::<Value>().await?["status"], "cancelled");
    }
    Ok(())
}
