//! How a login ends without authorisation, and what the page says to whoever may not see it.

use anyhow::Result;
use domain::Tier;
use stand_in::accounts::{ANNA, ILYA};

use super::client::{Look, Stage};
use crate::world::Differing;

#[tokio::test]
async fn an_expired_login_is_begun_anew_by_a_button() -> Result<()> {
    let stage = Stage::with(Differing { manual_clock: true, ..Differing::default() }).await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    let first = app.qr_link().await?;
    stage.later(301);
    app.says("⏰ Время входа истекло").await?;
    app.keep_picture("expired").await?;

    app.press("retry").await?;
    let second = app.qr_link().await?;
    assert_ne!(first, second);
    stage.world.phone(ILYA).scan(&second).await?;
    app.says("✅ Авторизация успешна!").await?;
    app.posts("web_app_close").await?;
    app.is_quiet()
}

#[tokio::test]
async fn a_login_that_somebody_else_confirms_is_refused_on_the_page() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look { dark: true, ..Look::USUAL }).await?;
    stage.world.phone(ANNA).scan(&app.qr_link().await?).await?;
    app.says("🚨 Вход подтвердил другой аккаунт").await?;
    app.says("Ничего не подключено.").await?;
    app.says("🔄 Попробовать снова").await?;
    app.keep_picture("rejected").await?;
    app.is_quiet()
}

#[tokio::test]
async fn a_cancelled_login_says_who_cancelled_it() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let first = stage.press_button(ILYA, Look::USUAL).await?;
    first.qr_link().await?;
    // 1. A newer login takes the place of this one.
    stage.world.begin(ILYA, &code).await?;
    first.says("🚫 Вход отменён").await?;
    first.says("Начат новый вход, этот отменён").await?;
    first.keep_picture("newer").await?;
    // 2. The person cancels that one on its page.
    let second = stage.press_button(ILYA, Look { width: 320, ..Look::USUAL }).await?;
    second.qr_link().await?;
    second.press("cancel").await?;
    second.says("🚫 Вход отменён").await?;
    second.keep_picture("cancelled").await?;
    first.is_quiet()?;
    second.is_quiet()
}

#[tokio::test]
async fn whoever_may_not_see_a_login_is_told_why() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    let session = stage.world.begin(ILYA, &code).await?;
    let page = |session: &str| format!("{}/qr-auth?session_id={session}", stage.world.base());
    let (ilya, anna) = (stage.world.person(ILYA), stage.world.person(ANNA));
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
    for (name, url, launch_data, words, refusal) in cases {
        let app = stage.open(url, &launch_data, Look::USUAL).await?;
        for words in words {
            app.says(words).await?;
        }
        assert!(!app.page.text().await?.contains("Скопировать токен"), "{name}");
        app.keep_picture(name).await?;
        let expected: &[&str] = if refusal.is_empty() { &[] } else { &[refusal] };
        app.is_quiet_but_for(expected)?;
        app.close().await?;
    }
    Ok(())
}
