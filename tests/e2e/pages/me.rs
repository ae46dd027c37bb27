//! A person's own page in a browser, against the real service.

use anyhow::{Context as _, Result, ensure};
use stand_in::accounts::{ANNA, ILYA};

use super::client::{MiniApp, PageFixture, Screen, Shell};
use crate::erasure::wait_until_forgotten;
use crate::world::WorldOptions;

const HOME: &str = "document.body.dataset.phase === 'home'";

/// Presses the button under the answer to `/me`.
async fn open(fixture: &PageFixture, screen: Screen) -> Result<MiniApp> {
    fixture.world.person(ILYA).ask("/me").await?;
    let app = fixture.press_button(ILYA, screen).await?;
    app.page.wait_until(HOME).await?;
    Ok(app)
}

#[tokio::test]
async fn a_person_sees_what_is_theirs_disconnects_and_is_forgotten() -> Result<()> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ANNA];
    let options = WorldOptions { configure: Some(configure), ..WorldOptions::default() };
    let fixture = PageFixture::with(options).await?;
    fixture.world.log_in(ILYA).await?;
    fixture.world.person(ANNA).ask(&format!("/debug_status {ILYA}")).await?;
    fixture.world.events().await?;
    // 1. What is linked, and who looked.
    let app = open(&fixture, Screen::DEFAULT).await?;
    app.wait_for_text("Подключён").await?;
    app.wait_for_text("Premium, до ").await?;
    app.press("to-looks").await?;
    app.wait_for_text("Просмотрена ваша история").await?;
    app.press("show-all").await?;
    app.wait_for_text("Первое сообщение боту").await?;
    app.press("back").await?;
    // 2. The data.
    app.press("download").await?;
    app.page.wait_until("JSON.parse(document.getElementById('export').value).events.length > 5").await?;
    // 3. Disconnecting asks first; the person of this client says yes.
    app.press("disconnect").await?;
    app.wait_for_text("🔌 Аккаунт отключён").await?;
    ensure!(fixture.world.event_names().await?.contains(&"LoggedOut".to_owned()), "it is recorded");
    // 4. So does forgetting.
    app.press("forget").await?;
    app.wait_for_text("🗑 Мы вас забыли").await?;
    app.expect_no_errors()?;
    wait_until_forgotten(&fixture.world, ILYA).await?;
    let bodies = app.request_bodies();
    ensure!(bodies.iter().all(|body| !body.contains("hash")), "{bodies:?}");
    Ok(())
}

#[tokio::test]
async fn every_screen_shows_the_page_in_the_clients_colours() -> Result<()> {
    let fixture = PageFixture::start().await?;
    fixture.world.log_in(ILYA).await?;
    for shell in [Shell::Native, Shell::Web] {
        for screen in Screen::all(shell) {
            let app = open(&fixture, screen).await.with_context(|| format!("{screen:?}"))?;
            app.save_screenshot("me").await?;
            let background = app.page.evaluate("getComputedStyle(document.body).backgroundColor").await?;
            let expected = if screen.dark { "rgb(15, 15, 15)" } else { "rgb(241, 241, 244)" };
            ensure!(background == expected, "{screen:?}: the page is {background}");
            let width = app.page.evaluate("document.documentElement.scrollWidth").await?;
            ensure!(width.as_u64() <= Some(screen.width.into()), "{screen:?}: {width} px wide");
            app.expect_no_errors()?;
            app.close().await?;
        }
    }
    Ok(())
}
