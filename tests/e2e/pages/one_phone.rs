//! The one-phone way on the page.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use stand_in::accounts::{ILYA, Password};

use super::client::{PageFixture, QR_SHOWN, Screen, Shell};

#[tokio::test]
async fn a_number_and_a_code_are_typed_on_the_page_and_then_the_password() -> Result<()> {
    let mut fixture = PageFixture::start().await?;
    fixture.world.crash_service().await;
    fixture.world.config.one_phone_login = web::OnePhoneLogin::Typed;
    fixture.world.start_service().await?;
    let world = &fixture.world;
    let password = Some(Password::new("correct horse", "which animal was right"));
    assert!(world.telegram.accounts.update(ILYA, |ilya| (ilya.dc, ilya.password) = (4, password)));
    world.telegram.accounts.ban_number("+79990000008");
    let code = world.invite(Tier::Premium).await?;
    world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;

    // 1. The error of a number that Telegram refuses is under the field. The number can be corrected, and the QR code stays.
    app.fill("phone", "+7 999 000-00-08").await?;
    app.submit("phone-form").await?;
    app.wait_for_text("❌ Этот номер заблокирован в Telegram").await?;
    app.save_screenshot("number-refused").await?;
    app.qr_link().await?;
    app.press("back").await?;

    // 2. After the right number, as people in Russia write it, the page asks for the code.
    app.fill("phone", "8 (999) 000-00-01").await?;
    app.submit("phone-form").await?;
    app.wait_for_text("Отправлен на +7 ••• ••01").await?;
    app.save_screenshot("code").await?;
    let sent = world.telegram.mtproto.last_code("+79990000001").context("no code was sent")?;
    let wrong = if sent == "00000" { "11111" } else { "00000" };

    // 3. The page sends the code with its last digit. A wrong code is refused. After the right one it asks for the password.
    app.fill("code", wrong).await?;
    app.wait_for_text("❌ Неверный код").await?;
    app.save_screenshot("code-wrong").await?;
    app.fill("code", &sent).await?;
    app.wait_for_text("Двухэтапная проверка").await?;
    ensure!(!app.page.text().await?.contains("which animal"), "the hint may be somebody else's");
    app.fill("password", "correct horse").await?;
    app.submit("password-form").await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.wait_for_posted("web_app_close").await?;
    ensure!(!app.request_bodies().iter().any(|body| body.contains("horse")), "the password left the page");
    app.expect_no_errors()
}

#[tokio::test]
async fn the_page_does_not_offer_a_way_that_is_switched_off() -> Result<()> {
    let mut fixture = PageFixture::start().await?;
    fixture.world.crash_service().await;
    fixture.world.config.one_phone_login = web::OnePhoneLogin::Off;
    fixture.world.start_service().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen::DEFAULT).await?;
    app.page.wait_until(QR_SHOWN).await?;
    let text = app.page.text().await?;
    ensure!(!text.contains("Войти по коду"), "{text}");
    app.expect_no_errors()
}

#[tokio::test]
async fn a_number_that_the_client_shares_needs_no_typing() -> Result<()> {
    let fixture = PageFixture::start().await?;
    let code = fixture.world.invite(Tier::Premium).await?;
    fixture.world.begin_login(ILYA, &code).await?;
    let app = fixture.press_button(ILYA, Screen { shell: Shell::Web, dark: true, ..Screen::DEFAULT }).await?;
    app.qr_link().await?;
    app.share_contact(&fixture.world.person(ILYA).share_contact_with_mini_app()).await?;
    app.press("one-phone-toggle").await?;
    app.save_screenshot("one-phone").await?;
    app.press("share-phone").await?;
    app.wait_for_text("Отправлен на +7 ••• ••01").await?;
    app.fill("code", &fixture.world.telegram.mtproto.last_code("+79990000001").context("a code")?).await?;
    app.wait_for_text("✅ Авторизация успешна!").await?;
    app.wait_for_posted("web_app_close").await?;
    app.expect_no_errors()
}
