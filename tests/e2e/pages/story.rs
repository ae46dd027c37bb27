//! The whole story through bot, page and phone, on every kind of screen.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use futures::future::try_join_all;
use stand_in::accounts::ILYA;

use super::client::{Look, MiniApp, Shell, Stage};

#[tokio::test]
async fn a_person_logs_in_by_scanning_the_picture_on_the_page() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    // 1. /login CODE in the chat, and the button under the answer.
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    app.posts("web_app_ready").await?;
    app.posts("web_app_expand").await?;
    // 2. The phone scans what is on the screen.
    let link = app.qr_link().await?;
    app.says("⏳ Ожидание авторизации...").await?;
    stage.world.phone(ILYA).scan(&link).await?;
    // 3. The page says so and closes itself; the chat says so too.
    app.says("✅ Авторизация успешна!").await?;
    app.posts("web_app_close").await?;
    stage
        .world
        .person(ILYA)
        .wait_for_message(|message| message.text.contains("✅ Авторизация успешна!"))
        .await?;
    app.is_quiet()?;
    // 4. The log recorded it.
    let names = stage.world.names_once("SubscriptionActivated").await?;
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

/// One login on all screens at once: light and dark, narrow and usual, with the SDK and where telegram.org is blocked.
async fn every_screen(shell: Shell) -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let looks = Look::all(shell);
    let apps = try_join_all(looks.iter().map(|look| stage.press_button(ILYA, *look))).await?;
    let mut links = Vec::new();
    for (app, look) in apps.iter().zip(&looks) {
        links.push(app.qr_link().await?);
        app.posts("web_app_ready").await?;
        app.posts("web_app_expand").await?;
        app.keep_picture("waiting").await?;
        wears_the_theme(app, *look).await?;
    }
    ensure!(links.iter().all(|link| link.starts_with("tg://login?token=")), "{links:?}");
    let newest = links.pop().context("a screen")?;
    stage.world.phone(ILYA).scan(&newest).await?;
    for app in &apps {
        app.says("✅ Авторизация успешна!").await?;
        app.keep_picture("authorized").await?;
        app.posts("web_app_close").await?;
        app.is_quiet()?;
    }
    Ok(())
}

/// Colours are the client's, and nothing is wider than the screen.
async fn wears_the_theme(app: &MiniApp, look: Look) -> Result<()> {
    let worn = app.page.eval("getComputedStyle(document.body).backgroundColor").await?;
    let expected = if look.dark { "rgb(15, 15, 15)" } else { "rgb(241, 241, 244)" };
    ensure!(worn == expected, "{look:?}: the page is {worn}");
    let wide = app.page.eval("document.documentElement.scrollWidth").await?;
    ensure!(wide.as_u64() <= Some(look.width.into()), "{look:?}: {wide} px wide");
    Ok(())
}
