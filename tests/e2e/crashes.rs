//! The service dies in the middle of a login: the code on the screen stays one that works.

use anyhow::{Context as _, Result};
use domain::Tier;
use stand_in::accounts::ILYA;
use stand_in::mini_app::MiniApp;
use stand_in::service::{Service, Settings};
use stand_in::{Options, Telegram};

use crate::world::World;

pub async fn is_linked_once(world: &World, session: &str) -> Result<()> {
    world.status_when(ILYA, session, |status| status["status"] == "authorized").await?;
    world.person(ILYA).wait_for_message(|message| message.text.starts_with("✅ Авторизация")).await?;
    let mtproto = &world.telegram.mtproto;
    assert_eq!(mtproto.sessions_of(ILYA).len(), 1);
    assert_eq!(mtproto.hanging_acceptances(), 0);
    assert!(mtproto.keys_in_two_places().is_empty(), "two used one key");
    assert_eq!(world.story_of("invite").await?, ["InviteCreated", "InviteRedeemed", "InviteUsed"]);
    let account = world.story_of("account").await?;
    assert_eq!(account, ["AccountRegistered", "SubscriptionActivated"]);
    assert_eq!(world.session_files()?, ["user_139883458.session"]);
    assert_eq!(
        world.rows("vault.retired_keys").await?,
        0,
        "the key that was made first is the one that is linked"
    );
    Ok(())
}

#[tokio::test]
async fn a_code_that_was_shown_before_a_crash_works_after_it() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    world.crash_service().await;
    world.start_service().await?;
    // A token belongs to the key that asked for it: another key's worker would never hear of this.
    world.phone(ILYA).scan(&link).await?;
    is_linked_once(&world, &session).await
}

#[tokio::test]
async fn a_scan_while_the_service_is_down_counts_when_it_is_up_again() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    world.crash_service().await;
    world.phone(ILYA).scan(&link).await?;
    assert_eq!(world.telegram.mtproto.hanging_acceptances(), 1);
    world.start_service().await?;
    is_linked_once(&world, &session).await
}

#[tokio::test]
async fn a_service_that_crashes_again_and_again_goes_on_with_the_same_key() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let first = world.link(ILYA, &session).await?;
    let version = async |world: &World| {
        let status = world.status_when(ILYA, &session, |status| status["token"].is_string()).await?;
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
    is_linked_once(&world, &session).await
}

#[tokio::test]
async fn a_login_that_is_cancelled_while_its_key_is_nobodys_leaves_nothing() -> Result<()> {
    let mut world = World::start().await?;
    let code = world.invite(Tier::Premium).await?;
    let session = world.begin(ILYA, &code).await?;
    let link = world.link(ILYA, &session).await?;
    world.crash_service().await;
    // Scanned and cancelled while nobody was there: what was said last in the chat counts.
    world.phone(ILYA).scan(&link).await?;
    world.telegram.mtproto.faults().airplane(true);
    world.person(ILYA).send("/cancel");
    world.start_service().await?;
    world.status_when(ILYA, &session, |status| status["status"] == "cancelled").await?;
    world.telegram.mtproto.faults().airplane(false);
    world.names_once("InviteReleased").await?;
    world.nothing_is_left(&[ILYA]).await?;
    world.retired_keys_go().await
}

/// The real binary, its own PostgreSQL with it, by SIGKILL.
#[tokio::test]
async fn a_killed_process_is_followed_by_one_that_finishes_its_login() -> Result<()> {
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
