//! The service crashes in the middle of a login. The code on the screen still works after it.

use anyhow::{Context as _, Result};
use domain::Tier;
use stand_in::accounts::ILYA;
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use crate::world::World;

/// Waits for the end of a successful login, and expects one session, one key and one subscription.
pub async fn expect_one_linked_session(world: &World, session: &str) -> Result<()> {
    world.wait_for_status(ILYA, session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    let mtproto = &world.telegram.mtproto;
    assert_eq!(mtproto.sessions_of(ILYA).len(), 1);
    assert_eq!(mtproto.hanging_acceptances(), 0);
    assert!(mtproto.keys_in_two_places().is_empty(), "two connections used one key");
    assert_eq!(world.event_names_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteUsed"]);
    let account = world.event_names_of("account").await?;
    assert_eq!(account, ["AccountRegistered", "SubscriptionActivated"]);
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    assert_eq!(world.count_rows("vault.retired_keys").await?, 0, "the first key is the linked one");
    Ok(())
}

#[tokio::test]
async fn a_code_that_was_shown_before_a_crash_works_after_it() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.crash_service().await;
    world.start_service().await?;
    // A token belongs to the key that requested it. A worker with another key would get no update about this scan.
    world.phone(ILYA).scan(&link).await?;
    expect_one_linked_session(&world, &session).await
}

#[tokio::test]
async fn a_scan_while_the_service_is_down_counts_when_it_is_up_again() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.crash_service().await;
    world.phone(ILYA).scan(&link).await?;
    assert_eq!(world.telegram.mtproto.hanging_acceptances(), 1);
    world.start_service().await?;
    expect_one_linked_session(&world, &session).await
}

#[tokio::test]
async fn a_service_that_crashes_again_and_again_goes_on_with_the_same_key() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let first = world.qr_link(ILYA, &session).await?;
    let version = async |world: &World| {
        let status = world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
        status["version"].as_i64().context("a version")
    };
    let mut seen = version(&world).await?;
    for _ in 0..3 {
        world.crash_service().await;
        world.start_service().await?;
        let now = version(&world).await?;
        assert!(now >= seen, "the version only grows: {now} after {seen}");
        seen = now;
    }
    world.phone(ILYA).scan(&first).await?;
    expect_one_linked_session(&world, &session).await
}

#[tokio::test]
async fn a_login_cancelled_while_no_process_holds_its_key_leaves_nothing() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin_login(ILYA, &code).await?;
    let link = world.qr_link(ILYA, &session).await?;
    world.crash_service().await;
    // The person scans, then cancels, while the service is down. The cancellation counts, because it is newer.
    world.phone(ILYA).scan(&link).await?;
    world.telegram.mtproto.faults().airplane(true);
    world.person(ILYA).send("/cancel");
    world.start_service().await?;
    world.wait_for_status(ILYA, &session, |status| status["status"] == "cancelled").await?;
    world.telegram.mtproto.faults().airplane(false);
    world.wait_for_event("InviteReleased").await?;
    world.expect_no_leftovers(&[ILYA]).await?;
    world.log_out_retired_keys().await
}

/// SIGKILL ends the real binary and its private PostgreSQL.
#[tokio::test]
async fn the_process_after_a_killed_one_finishes_its_login() -> Result<()> {
    let telegram = Telegram::start(Options::default()).await?;
    let folder = tempfile::tempdir()?;
    let mut settings = Settings::new(&telegram, folder.path(), None)?;
    settings.binary = env!("CARGO_BIN_EXE_qr-login").into();
    let service = Service::new(settings);
    service.start()?;
    service.wait_until_running().await?;
    let made = service.tool(&["invite", "create", "--tier", "premium", "--code", "3HBP4Z3ECICZ"]).await?;
    assert!(made.contains("3HBP4Z3ECICZ"), "{made}");
    let card = telegram.person(ILYA).ask("/login 3HBP4Z3ECICZ").await?;
    let url = card.web_app_url().context("a button")?.to_owned();
    let page = MiniApp::open(&url, Some(telegram.person(ILYA).init_data(None)))?;
    let status = page.wait_until(|status| status["deep_link"].is_string()).await?;
    let link = status["deep_link"].as_str().context("a link")?.to_owned();

    service.kill().await;
    telegram.phone(ILYA).scan(&link).await?;
    service.start()?;
    service.wait_until_running().await?;
    page.wait_for_status("authorized").await?;
    telegram.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    assert_eq!(telegram.mtproto.sessions_of(ILYA).len(), 1);
    assert!(telegram.mtproto.keys_in_two_places().is_empty());
    service.stop().await;
    Ok(())
}
