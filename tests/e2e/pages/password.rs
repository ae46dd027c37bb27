//! The 2-step password, typed into the page.

use anyhow::{Result, ensure};
use domain::Tier;
use stand_in::accounts::{ILYA, Password};

use super::client::{Look, Stage};

#[tokio::test]
async fn the_password_is_proven_on_the_page_and_never_sent() -> Result<()> {
    let stage = Stage::set().await?;
    let password = Password::new("correct horse", "which animal was right");
    assert!(stage.world.telegram.accounts.update(ILYA, |ilya| ilya.password = Some(password)));
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    stage.world.phone(ILYA).scan(&app.qr_link().await?).await?;
    app.says("Двухэтапная проверка").await?;
    app.says("Подсказка: which animal was right").await?;
    app.keep_picture("password").await?;
    // 1. A wrong one is told, and the client asks before it closes what was typed.
    app.types("password", "battery staple").await?;
    app.press_submit_of("password-form").await?;
    app.posts("web_app_setup_closing_behavior").await?;
    app.says("❌ Неверный пароль").await?;
    app.keep_picture("password-wrong").await?;
    // 2. The right one lets in.
    app.types("password", "correct horse").await?;
    app.press_submit_of("password-form").await?;
    app.says("✅ Авторизация успешна!").await?;
    app.posts("web_app_close").await?;
    // 3. What left the page was a proof.
    let sent = app.sent();
    ensure!(sent.iter().filter(|body| body.contains("\"M1\"")).count() == 2, "{sent:?}");
    ensure!(!sent.iter().any(|body| body.contains("horse") || body.contains("staple")), "{sent:?}");
    app.is_quiet()
}
