//! Two moments that chance would rarely find: a scan while nobody runs, and a worker that wakes up too late.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use stand_in::mini_app::MiniApp;
use stand_in::service::Service;

use crate::checks;
use crate::ground::Ground;

/// Telegram's own: a code outlives a restart.
const USUAL: Duration = Duration::from_secs(30);
/// What ends the making of a key, as the stand-in counts it.
pub const KEY_EXCHANGE: &str = "set_client_DH_params";

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_scanned_while_nobody_runs_lets_in_with_the_same_key() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let ground = Ground::set_up(USUAL).await?;
    let service = Service::new(ground.settings());
    for number in 0..3 {
        // 1. A person waits for the scan; one of them lives in another data centre. 2. The process dies.
        start(&service).await?;
        let person = ground.person(number, false);
        let page = begin(&ground, person).await?;
        let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
        let link = status["deep_link"].as_str().context("a link")?.to_owned();
        ground.telegram.phone(person).log_in().await?;
        service.kill().await;
        let keys = ground.telegram.mtproto.calls(KEY_EXCHANGE);

        // 3. They scan what is on the screen. 4. A new process finds out, with the key that it was made for.
        ground.telegram.phone(person).scan(&link).await?;
        start(&service).await?;
        page.wait_for_status("authorized").await?;
        let made = ground.telegram.mtproto.calls(KEY_EXCHANGE) - keys;
        let abroad = u64::from(ground.telegram.accounts.get(person).context("an account")?.dc != 2);
        assert_eq!(made, abroad, "no key but the one for another data centre");
        service.kill().await;
    }
    start(&service).await?;
    checks::come_to_rest(&ground).await?;
    let faults = checks::faults(&ground, &[]).await?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_writes_nothing_and_uses_no_key() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let ground = Arc::new(Ground::set_up(USUAL).await?);
    let whole = ground.settings();
    let front = Service::new(whole.clone().with("ROLE", "api,projector"));
    let first = Service::new(whole.beside()?.with("ROLE", "bot"));
    let second = Service::new(whole.beside()?.with("ROLE", "bot"));
    // 1. The first bot has people's logins, alone; then the second one is there, too.
    start(&front).await?;
    start(&first).await?;
    let mut waiting = Vec::new();
    for number in 0..4 {
        let person = ground.person(number, false);
        let page = begin(&ground, person).await?;
        let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
        waiting.push((person, page, status["deep_link"].as_str().context("a link")?.to_owned()));
    }
    start(&second).await?;

    // 2. The first freezes for longer than its leases. 3. The second takes over: with keys and codes of its own, since the
    // first may wake up at any moment.
    first.freeze();
    for (_, page, before) in &mut waiting {
        let is_new = |status: &serde_json::Value| {
            status["deep_link"].as_str().is_some_and(|link| link != before.as_str())
        };
        *before = page.wait_until(is_new).await?["deep_link"].as_str().context("a link")?.to_owned();
    }

    // 4. The first wakes up, and people scan: two of them what the second shows, before it knows of its bad luck.
    first.thaw();
    for (person, page, link) in &waiting {
        ground.telegram.phone(*person).scan(link).await?;
        page.wait_for_status("authorized").await?;
    }
    // 5. Nothing that it wrote or said counts.
    checks::come_to_rest(&ground).await?;
    let faults = checks::faults(&ground, &[]).await?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let issuers: Vec<(String, i64)> = sqlx::query_as(
        "select aggregate_id, count(distinct metadata ->> 'epoch') from events \
          where aggregate_type = 'login' and metadata ->> 'epoch' is not null group by 1",
    )
    .fetch_all(ground.db.pool())
    .await?;
    assert!(issuers.iter().all(|(_, epochs)| *epochs == 2), "two workers each: {issuers:?}");
    Ok(())
}

async fn start(service: &Service) -> Result<()> {
    service.start()?;
    service.wait_until_running().await
}

async fn begin(ground: &Ground, person: i64) -> Result<MiniApp> {
    let code = ground.invite(1).await?;
    let chat = ground.telegram.person(person);
    let card = chat.ask_for_card(&format!("/login {code}")).await?;
    MiniApp::open(card.web_app_url().context("a card")?, Some(chat.init_data(None)))
}
