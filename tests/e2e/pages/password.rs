//! The 2-step password on the page.

use anyhow::{Result, ensure};
use domain::Tier;
use stand_in::accounts::{ILYA, Password};

use super::client::{PageFixture, Screen};

#[tokio::test]
async fn the_password_is_proven_on_the_page_and_never_sent() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let password = Password::new("correct horse", "which animal was right");
    assert!(fixture.world.telegram.accounts.update(ILYA, |ilya| ilya.password = Some(password)));
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    fixture.world.phone(ILYA).scan(&app.qr_link().await?).await?;
    app.wait_for_text("Двухэтапная проверка").await?;
    app.wait_for_text("Подсказка: which animal was right").await?;
    app.save_screenshot("password").await?;
    // 1. A wrong password is refused, and the client asks before it closes a page with input.
    app.fill("password", "battery staple").await?;
    app.submit("password-form").await?;
    app.wait_for_posted("web_app_setup_closing_behavior").await?;
    app.wait_for_text("❌ Неверный пароль").await?;
    app.save_screenshot("password-wrong").await?;
    // 2. The right password logs in.
    app.fill("password", "correct horse").await?;
    app.submit("password-form").await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.wait_for_posted("web_app_close").await?;
    // 3. The page sent proofs, and no password.
    let sent = app.request_bodies();
    ensure!(sent.iter().filter(|body| body.contains("\"M1\"")).count() == 2, "{sent:?}");
    ensure!(!sent.iter().any(|body| body.contains("horse") || body.contains("staple")), "{sent:?}");
    app.expect_no_errors()
}
