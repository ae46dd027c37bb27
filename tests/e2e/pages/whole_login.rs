//! A whole login through bot, page and phone, on every kind of screen.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use futures::future::try_join_all;
use stand_in::accounts::ILYA;

use super::client::{MiniApp, PageFixture, Screen, Shell};

/// As many pages of a login may wait for news at a time.
const LONG_POLLS: usize = 4;

#[tokio::test]
async fn a_person_logs_in_by_scanning_the_picture_on_the_page() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    // 1. /login CODE in the chat, and the button under the answer.
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    app.wait_for_posted("web_app_ready").await?;
    app.wait_for_posted("web_app_expand").await?;
    // 2. The phone scans the QR code on the screen.
    let link = app.qr_link().await?;
    app.wait_for_text("⏳ Ожидание авторизации...").await?;
    fixture.world.phone(ILYA).scan(&link).await?;
    // 3. The page shows the success and closes itself. The chat shows it too.
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.wait_for_posted("web_app_close").await?;
    fixture
        .world
        .person(ILYA)
        .wait_for_message(|message| message.text.contains("✅ Авторизация успешна!"))
        .await?;
    app.expect_no_errors()?;
    // 4. The log recorded it.
    let names = fixture.world.wait_for_event("SubscriptionActivated").await?;
    ensure!(names.iter().any(|name| name == "AuthorizationConfirmed"), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn every_native_screen_shows_the_code_and_closes() -> Result<()> {
    every_screen(Shell::Native).await
}

#[tokio::test]
async fn every_screen_of_a_web_client_shows_the_code_and_closes() -> Result<()> {
    every_screen(Shell::Web).await
}

/// Light and dark, narrow and usual, with and without the SDK.
async fn every_screen(shell: Shell) -> Result<()> {
    for screens in Screen::all(shell).chunks(LONG_POLLS) {
        login_on(screens).await?;
    }
    Ok(())
}

/// One login on all of these screens at once.
async fn login_on(screens: &[Screen]) -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let apps = try_join_all(screens.iter().map(|screen| fixture.press_button(ILYA, *screen))).await?;
    let mut links = Vec::new();
    for (app, screen) in apps.iter().zip(screens) {
        links.push(app.qr_link().await?);
        app.wait_for_posted("web_app_ready").await?;
        app.wait_for_posted("web_app_expand").await?;
        app.save_screenshot("waiting").await?;
        expect_theme(app, *screen).await?;
    }
    ensure!(links.iter().all(|link| link.starts_with("tg://login?token=")), "{links:?}");
    let newest = links.pop().context("a screen")?;
    fixture.world.phone(ILYA).scan(&newest).await?;
    for app in &apps {
        app.wait_for_text("✅ Авторизация успешна!").await?;
        app.save_screenshot("authorized").await?;
        app.wait_for_posted("web_app_close").await?;
        app.expect_no_errors()?;
    }
    Ok(())
}

/// Expects the colours of the client, and no content that is wider than the screen.
async fn expect_theme(app: &MiniApp, screen: Screen) -> Result<()> {
    let background = app.page.evaluate("getComputedStyle(document.body).backgroundColor").await?;
    let expected = if screen.dark { "rgb(15, 15, 15)" } else { "rgb(241, 241, 244)" };
    ensure!(background == expected, "{screen:?}: the page is {background}");
    let width = app.page.evaluate("document.documentElement.scrollWidth").await?;
    ensure!(width.as_u64() <= Some(screen.width.into()), "{screen:?}: {width} px wide");
    Ok(())
}
