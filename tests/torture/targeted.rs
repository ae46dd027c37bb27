//! Two cases that random disturbances rarely hit: a scan while no process runs, and a worker that wakes up too late.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use stand_in::mini_app::MiniApp;
use stand_in::service::Service;

use crate::checks;
use crate::environment::Environment;

/// The lifetime of a code at Telegram: it is valid through a restart.
const USUAL: Duration = Duration::from_secs(30);
/// The call that ends a key exchange, as the stand-in counts it.
pub const KEY_EXCHANGE: &str = "set_client_DH_params";

#[tokio::test(flavor = "multi_thread")]
async fn a_code_scanned_while_no_process_runs_logs_in_with_the_same_key() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let environment = Environment::set_up(USUAL).await?;
    let service = Service::new(environment.settings());
    for number in 0..3 {
        // 1. A person waits for the scan; one of them lives in another data centre. 2. The process dies.
        start(&service).await?;
        let person = environment.person(number, false);
        let page = begin(&environment, person).await?;
        let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
        let link = status["deep_link"].as_str().context("a link")?.to_owned();
        environment.telegram.phone(person).log_in().await?;
        service.kill().await;
        let keys = environment.telegram.mtproto.calls(KEY_EXCHANGE);

        // 3. They scan the code on the screen. 4. A new process finds that out, with the key of the code.
        environment.telegram.phone(person).scan(&link).await?;
        start(&service).await?;
        page.wait_for_status("authorized").await?;
        let made = environment.telegram.mtproto.calls(KEY_EXCHANGE) - keys;
        let abroad = u64::from(environment.telegram.accounts.get(person).context("an account")?.dc != 2);
        assert_eq!(made, abroad, "no key but the one for another data centre");
        service.kill().await;
    }
    start(&service).await?;
    checks::wait_until_idle(&environment).await?;
    let faults = checks::faults(&environment, &[]).await?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_wakes_up_writes_nothing_and_uses_no_key() -> Result<()> {
    let _turn = crate::TURN.lock().await;
    let environment = Arc::new(Environment::set_up(USUAL).await?);
    let whole = environment.settings();
    let front = Service::new(whole.clone().with("ROLE", "api,projector"));
    let first = Service::new(whole.beside()?.with("ROLE", "bot"));
    let second = Service::new(whole.beside()?.with("ROLE", "bot"));
    // 1. The first bot has all logins; then the second one starts.
    start(&front).await?;
    start(&first).await?;
    let mut waiting = Vec::new();
    for number in 0..4 {
        let person = environment.person(number, false);
        let page = begin(&environment, person).await?;
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

    // 4. The first wakes up, and people scan the codes of the second, before the first knows that it has lost its leases.
    first.thaw();
    for (person, page, link) in &waiting {
        environment.telegram.phone(*person).scan(link).await?;
        page.wait_for_status("authorized").await?;
    }
    // 5. Nothing that the first one writes or sends counts.
    checks::wait_until_idle(&environment).await?;
    let faults = checks::faults(&environment, &[]).await?;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let issuers: Vec<(String, i64)> = sqlx::query_as(
        "select aggregate_id, count(distinct metadata ->> 'epoch') from events \
          where aggregate_type = 'login' and metadata ->> 'epoch' is not null group by 1",
    )
    .fetch_all(environment.db.pool())
    .await?;
    assert!(issuers.iter().all(|(_, epochs)| *epochs == 2), "two workers each: {issuers:?}");
    Ok(())
}

async fn start(service: &Service) -> Result<()> {
    service.start()?;
    service.wait_until_running().await
}

async fn begin(environment: &Environment, person: i64) -> Result<MiniApp> {
    let code = environment.invite(1).await?;
    let chat = environment.telegram.person(person);
    let card = chat.ask_for_card(&format!("/login {code}")).await?;
    MiniApp::open(card.web_app_url().context("a card")?, Some(chat.init_data(None)))
}
