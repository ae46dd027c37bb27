//! The page of a login that ends without authorisation, and of one that a person may not see.

use std::time::Duration;

use anyhow::Result;
use domain::Tier;
use stand_in::accounts::{ANNA, ILYA};

use super::client::{PageFixture, Screen};
use crate::world::WorldOptions;

#[tokio::test]
async fn an_expired_login_can_be_started_again_by_a_button() -> Result<()> {
    let fixture = PageFixture::with(WorldOptions { manual_clock: true, ..WorldOptions::default() }).await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    let first = app.qr_link().await?;
    fixture.world.advance(Duration::from_secs(301));
    app.wait_for_text("⏰ Время входа истекло").await?;
    app.save_screenshot("expired").await?;

    app.press("retry").await?;
    let second = app.qr_link().await?;
    assert_ne!(first, second);
    fixture.world.phone(ILYA).scan(&second).await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.wait_for_posted("web_app_close").await?;
    app.expect_no_errors()
}

#[tokio::test]
async fn a_login_that_somebody_else_confirms_is_refused_on_the_page() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen { dark: true, ..Screen::DEFAULT }).await?;
    fixture.world.phone(ANNA).scan(&app.qr_link().await?).await?;
    app.wait_for_text("🚨 Вход подтвердил другой аккаунт").await?;
    app.wait_for_text("Ничего не подключено.").await?;
    app.wait_for_main_button("🔄 Попробовать снова").await?;
    app.save_screenshot("rejected").await?;
    app.expect_no_errors()
}

#[tokio::test]
async fn a_cancelled_login_says_who_cancelled_it() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let first = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    first.qr_link().await?;
    // 1. A newer login replaces this one.
    fixture.world.begin_login(ILYA, &code).await?;
    first.wait_for_text("🚫 Вход отменён").await?;
    first.wait_for_text("Начат новый вход, этот отменён").await?;
    first.save_screenshot("newer").await?;
    // 2. The person cancels the newer one on its page.
    let second = fixture.press_button(ILYA, Screen { width: 320, ..Screen::DEFAULT }).await?;
    second.qr_link().await?;
    second.press("cancel").await?;
    second.wait_for_text("🚫 Вход отменён").await?;
    second.save_screenshot("cancelled").await?;
    first.expect_no_errors()?;
    second.expect_no_errors()
}

#[tokio::test]
async fn an_old_page_never_shows_a_success_after_a_logout() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let session = fixture.world.log_in(ILYA).await?;
    fixture.world.person(ILYA).ask("/logout").await?;
    let url = format!("{}/qr-auth?session_id={session}", fixture.world.base());
    let app = fixture.open(&url, &fixture.world.person(ILYA).init_data(None), Screen::DEFAULT).await?;
    app.wait_for_text("🔌 Аккаунт отключён").await?;
    app.wait_for_text("отправьте боту /login").await?;
    app.wait_for_main_button("Закрыть").await?;
    assert!(!app.page.text().await?.contains("Авторизация успешна"));
    app.save_screenshot("logged-out").await?;
    app.expect_no_errors()
}

#[tokio::test]
async fn a_person_who_may_not_see_a_login_reads_why() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    let session = fixture.world.begin_login(ILYA, &code).await?;
    let page = |session: &str| format!("{}/qr-auth?session_id={session}", fixture.world.base());
    let (ilya, anna) = (fixture.world.person(ILYA), fixture.world.person(ANNA));
    let (mine, unknown) = (page(&session), page("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    let cases = [
        ("unknown", &unknown, ilya.init_data(None), ["❌ Сессия не найдена", "/login"], ""),
        ("garbage", &page("test"), ilya.init_data(None), ["❌ Сессия не найдена", "/login"], ""),
        (
            "stale",
            &mine,
            ilya.stale_init_data(3600),
            ["🔑 Откройте страницу заново", "Страница открыта слишком давно"],
            "status of 401",
        ),
        (
            "forged",
            &mine,
            ilya.forged_init_data(),
            ["🔑 Откройте страницу заново", "кнопкой из чата с ботом"],
            "status of 401",
        ),
        (
            "stranger",
            &mine,
            anna.init_data(None),
            ["⛔ This login is not yours", "Somebody else started this login"],
            "status of 403",
        ),
        ("outside", &mine, String::new(), ["🔑 Откройте страницу из Telegram", "🔐"], ""),
    ];
    for (name, url, launch_data, texts, refusal) in cases {
        let app = fixture.open(url, &launch_data, Screen::DEFAULT).await?;
        for text in texts {
            app.wait_for_text(text).await?;
        }
        assert!(!app.page.text().await?.contains("Скопировать токен"), "{name}");
        app.save_screenshot(name).await?;
        let expected: &[&str] = if refusal.is_empty() { &[] } else { &[refusal] };
        app.expect_only_errors(expected)?;
        app.close().await?;
    }
    Ok(())
}
