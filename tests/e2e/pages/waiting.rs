//! While a login waits: the picture that changes, the server that goes away and comes back, the other language.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use jiff::{SignedDuration, Timestamp};
use stand_in::accounts::{ANNA, ILYA};

use super::client::{Look, Stage};
use crate::world::Differing;

/// Looks at the picture in every frame that the browser paints.
const WATCH: &str = "(() => {
    const qr = document.getElementById('qr');
    window.watched = { frames: 0, gaps: 0, pictures: new Set() };
    const look = () => {
        watched.frames += 1;
        const covered = document.getElementById('picture').dataset.state !== 'shown';
        if (qr.hidden || !qr.complete || qr.naturalWidth === 0 || covered) watched.gaps += 1;
        watched.pictures.add(qr.src);
        requestAnimationFrame(look);
    };
    look();
})()";

#[tokio::test]
async fn a_new_token_swaps_the_picture_without_a_gap() -> Result<()> {
    let stage = Stage::with(Differing { manual_clock: true, ..Differing::default() }).await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    let first = app.qr_link().await?;
    app.page.eval(WATCH).await?;
    // Telegram's token lives for 30 s; the next one is asked for 2 s before.
    stage.later(28);
    app.page.until("watched.pictures.size === 2").await?;
    app.page.eval("watched.seen = watched.frames").await?;
    app.page.until("watched.frames > watched.seen + 5").await?;
    ensure!(app.page.eval("watched.gaps").await? == 0, "the picture was gone for a moment");
    let second = app.qr_link().await?;
    ensure!(first != second, "the new token shows the old code");
    stage.world.phone(ILYA).scan(&second).await?;
    app.says("✅ Авторизация успешна!").await?;
    app.is_quiet()
}

#[tokio::test]
async fn clocks_that_go_wrong_at_telegram_and_on_the_phone_change_nothing() -> Result<()> {
    for ahead_seconds in [120, -120] {
        let telegram_ahead = SignedDuration::from_secs(ahead_seconds);
        let stage = Stage::with(Differing { telegram_ahead, ..Differing::default() }).await?;
        let code = stage.world.invite(Tier::Premium).await?;
        let session = stage.world.begin(ILYA, &code).await?;
        let look = Look { ahead_seconds: -i32::try_from(ahead_seconds)?, ..Look::USUAL };
        let app = stage.press_button(ILYA, look).await?;
        let link = app.qr_link().await?;
        let status = stage.world.status_when(ILYA, &session, |status| status["token"].is_string()).await?;
        // It ticks once a second, on a busy machine not even that: it is right at some look.
        let right = format!("(Date.parse({}) - rightNow()) / 1000", status["expires"]);
        let shown =
            "countdown.textContent.split(':').reduce((minutes, seconds) => minutes * 60 + +seconds, 0)";
        app.page.until(&format!("Math.abs({shown} - {right}) <= 2")).await?;
        let wrong = app.page.eval("Math.round((Date.now() - rightNow()) / 1000)").await?;
        ensure!(wrong == look.ahead_seconds, "the phone's clock is right");
        // Nor is the code on it taken for one that is dead, or lives long.
        let events = stage.world.events().await?;
        let issued = events.iter().find(|event| event.name == "QrIssued").context("issued")?;
        let of = |name: &str| -> Result<Timestamp> {
            Ok(issued.payload["QrIssued"][name].as_str().context("a moment")?.parse()?)
        };
        let life = of("expires_at")?.duration_since(of("at")?);
        ensure!((20..=40).contains(&life.as_secs()), "{life}");
        stage.world.phone(ILYA).scan(&link).await?;
        app.says("✅ Авторизация успешна!").await?;
        app.posts("web_app_close").await?;
        app.is_quiet()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_is_closed_and_opened_again_goes_on_with_the_same_login() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let first = stage.press_button(ILYA, Look::USUAL).await?;
    first.qr_link().await?;
    first.close().await?;
    // On the same phone, and on another device beside it.
    let (again, beside) =
        (stage.press_button(ILYA, Look::USUAL).await?, stage.press_button(ILYA, Look::USUAL).await?);
    let link = again.qr_link().await?;
    beside.qr_link().await?;
    stage.world.phone(ILYA).scan(&link).await?;
    for app in [&again, &beside] {
        app.says("✅ Авторизация успешна!").await?;
        app.is_quiet()?;
    }
    let late = stage.press_button(ILYA, Look::USUAL).await?;
    late.says("✅ Авторизация успешна!").await?;
    let names = stage.world.names_once("SubscriptionActivated").await?;
    let started = names.iter().filter(|name| *name == "LoginStarted").count();
    ensure!(started == 1, "looking is not starting: {names:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_goes_on_when_the_service_comes_back() -> Result<()> {
    let mut stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    app.qr_link().await?;
    stage.world.crash_service().await;
    app.says("Нет связи с сервером").await?;
    app.keep_picture("offline").await?;
    stage.world.start_service().await?;
    app.page.until("!document.body.innerText.includes('Нет связи с сервером')").await?;
    stage.world.phone(ILYA).scan(&app.qr_link().await?).await?;
    app.says("✅ Авторизация успешна!").await?;
    app.is_quiet_but_for(&["net::ERR_"])
}

#[tokio::test]
async fn a_person_of_another_language_reads_english() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Basic).await?;
    stage.world.begin(ANNA, &code).await?;
    let app = stage.press_button(ANNA, Look::USUAL).await?;
    let link = app.qr_link().await?;
    for words in ["⏳ Waiting for authorization...", "📱 Open in Telegram", "📋 Copy token"] {
        app.says(words).await?;
    }
    let cyrillic = app.page.eval("/[а-яё]/i.test(document.body.innerText)").await?;
    ensure!(cyrillic == false, "{}", app.page.text().await?);
    app.keep_picture("english").await?;
    stage.world.phone(ANNA).scan(&link).await?;
    app.says("✅ Authorization successful!").await?;
    app.posts("web_app_close").await?;
    app.is_quiet()
}
