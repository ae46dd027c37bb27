//! The page while a login waits: a new QR code, wrong clocks, a restart of the service, and the other language.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use stand_in::accounts::{ANNA, ILYA};

use super::client::{PageFixture, Screen, Shell};
use crate::world::WorldOptions;

/// Checks the picture in every frame that the browser paints.
const WATCH: &str = "(() => {
    const qr = document.getElementById('qr');
    window.watched = { frames: 0, gaps: 0, pictures: new Set() };
    const check = () => {
        watched.frames += 1;
        const covered = document.getElementById('picture').dataset.state !== 'shown';
        if (qr.hidden || !qr.complete || qr.naturalWidth === 0 || covered) watched.gaps += 1;
        watched.pictures.add(qr.src);
        requestAnimationFrame(check);
    };
    check();
})()";

#[tokio::test]
async fn a_new_token_swaps_the_picture_without_a_gap() -> Result<()> {
    let fixture = PageFixture::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    let first = app.qr_link().await?;
    app.page.evaluate(WATCH).await?;
    // Telegram's token lives for 30 s. The next one is requested 2 s before that.
    fixture.world.advance(Duration::from_secs(28));
    app.page.wait_until("watched.pictures.size === 2").await?;
    app.page.evaluate("watched.seen = watched.frames").await?;
    app.page.wait_until("watched.frames > watched.seen + 5").await?;
    ensure!(app.page.evaluate("watched.gaps").await? == 0, "the picture was gone for a moment");
    let second = app.qr_link().await?;
    ensure!(first != second, "the new token shows the old code");
    fixture.world.phone(ILYA).scan(&second).await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.expect_no_errors()
}

#[tokio::test]
async fn wrong_clocks_at_telegram_and_on_the_phone_change_nothing() -> Result<()> {
    for ahead_seconds in [120, -120] {
        let telegram_ahead = SignedDuration::from_secs(ahead_seconds);
        let fixture = PageFixture::with(WorldOptions { telegram_ahead, ..WorldOptions::default() }).await?;
        let code = fixture.world.invite(Tier::Premium).await?;
        let session = fixture.world.begin_login(ILYA, &code).await?;
        let screen = Screen { ahead_seconds: -i32::try_from(ahead_seconds)?, ..Screen::DEFAULT };
        let app = fixture.press_button(ILYA, screen).await?;
        let link = app.qr_link().await?;
        let status =
            fixture.world.wait_for_status(ILYA, &session, |status| status["token"].is_string()).await?;
        // The countdown changes once a second, and more slowly on a busy machine. It must be right at least once.
        let right = format!("(Date.parse({}) - rightNow()) / 1000", status["expires"]);
        let shown =
            "countdown.textContent.split(':').reduce((minutes, seconds) => minutes * 60 + +seconds, 0)";
        app.page.wait_until(&format!("Math.abs({shown} - {right}) <= 2")).await?;
        let wrong = app.page.evaluate("Math.round((Date.now() - rightNow()) / 1000)").await?;
        ensure!(wrong == screen.ahead_seconds, "the phone's clock is right");
        // The service does not take the token for an expired or a long-lived one either.
        let events = fixture.world.events().await?;
        let issued = events.iter().find(|event| event.name == "QrIssued").context("issued")?;
        let time = |name: &str| -> Result<Timestamp> {
            Ok(issued.payload["QrIssued"][name].as_str().context("a moment")?.parse()?)
        };
        let lifetime = time("expires_at")?.duration_since(time("at")?);
        ensure!((20..=40).contains(&lifetime.as_secs()), "{lifetime}");
        fixture.world.phone(ILYA).scan(&link).await?;
        app.wait_for_text("✅ Авторизация успешна!").await?;
        app.wait_for_posted("web_app_close").await?;
        app.expect_no_errors()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_is_closed_and_opened_again_goes_on_with_the_same_login() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    let session = fixture.world.begin_login(ILYA, &code).await?;
    let first = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    first.qr_link().await?;
    first.close().await?;
    // On the same phone, and on a second device.
    let (again, second_device) = (
        fixture.press_button(ILYA, Screen::DEFAULT).await?,
        fixture.press_button(ILYA, Screen::DEFAULT).await?,
    );
    let link = again.qr_link().await?;
    second_device.qr_link().await?;
    fixture.world.phone(ILYA).scan(&link).await?;
    for app in [&again, &second_device] {
        app.wait_for_text("✅ Авторизация успешна!").await?;
        app.expect_no_errors()?;
    }
    // The card has no button any more; the page may be open on another device, or in the history.
    let page = format!("{}/qr-auth?session_id={session}", fixture.world.base());
    let late = fixture.open(&page, &fixture.world.person(ILYA).init_data(None), Screen::DEFAULT).await?;
    late.wait_for_text("✅ Авторизация успешна!").await?;
    let names = fixture.world.wait_for_event("SubscriptionActivated").await?;
    let started = names.iter().filter(|name| *name == "LoginStarted").count();
    ensure!(started == 1, "opening the page starts no login: {names:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_goes_on_when_the_service_comes_back() -> Result<()> {
    let mut fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    app.qr_link().await?;
    fixture.world.crash_service().await;
    app.wait_for_text("Нет связи с сервером").await?;
    app.save_screenshot("offline").await?;
    fixture.world.start_service().await?;
    app.page.wait_until("!document.body.innerText.includes('Нет связи с сервером')").await?;
    fixture.world.phone(ILYA).scan(&app.qr_link().await?).await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.expect_only_errors(&["net::ERR_"])
}

#[tokio::test]
async fn a_person_of_another_language_reads_english() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Basic).await?;
    fixture.world.begin_login(ANNA, &code).await?;
    let app = fixture.press_button(ANNA, Screen { shell: Shell::Web, ..Screen::DEFAULT }).await?;
    let link = app.qr_link().await?;
    for text in ["⏳ Waiting for authorization...", "📱 Open in Telegram", "📋 Copy token"] {
        app.wait_for_text(text).await?;
    }
    let cyrillic = app.page.evaluate("/[а-яё]/i.test(document.body.innerText)").await?;
    ensure!(cyrillic == false, "{}", app.page.text().await?);
    app.save_screenshot("english").await?;
    fixture.world.phone(ANNA).scan(&link).await?;
    app.wait_for_text("✅ Authorization successful!").await?;
    app.wait_for_posted("web_app_close").await?;
    app.expect_no_errors()
}
