//! The one-phone way, typed into the page.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use stand_in::accounts::{ILYA, Password};

use super::client::{Look, QR_SHOWN, Shell, Stage};

#[tokio::test]
async fn a_number_and_a_code_are_typed_on_the_page_and_then_the_password() -> Result<()> {
    let stage = Stage::set().await?;
    let world = &stage.world;
    let password = Some(Password::new("correct horse", "which animal was right"));
    assert!(world.telegram.accounts.update(ILYA, |ilya| (ilya.dc, ilya.password) = (4, password)));
    world.telegram.accounts.ban_number("+79990000008");
    let code = world.invite(Tier::Premium).await?;
    world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    app.qr_link().await?;

    // 1. A number that Telegram refuses is told under the field, and can be corrected; the QR code stays.
    app.press("one-phone-toggle").await?;
    app.types("phone", "+7 999 000-00-08").await?;
    app.press_submit_of("phone-form").await?;
    app.says("❌ Этот номер заблокирован в Telegram").await?;
    app.page.until(QR_SHOWN).await?;
    app.keep_picture("number-refused").await?;

    // 2. The right one, as people in Russia write it, leads to the form of the code.
    app.types("phone", "8 (999) 000-00-01").await?;
    app.press_submit_of("phone-form").await?;
    app.says("Telegram прислал код").await?;
    app.keep_picture("code").await?;
    let sent = world.telegram.mtproto.last_code("+79990000001").context("no code was sent")?;
    let wrong = if sent == "00000" { "11111" } else { "00000" };

    // 3. It goes off by itself with its last digit: a wrong one is told, the right one leads on to the password.
    app.types("code", wrong).await?;
    app.says("❌ Неверный код").await?;
    app.keep_picture("code-wrong").await?;
    app.types("code", &sent).await?;
    app.says("Подсказка: which animal was right").await?;
    app.types("password", "correct horse").await?;
    app.press_submit_of("password-form").await?;
    app.says("✅ Авторизация успешна!").await?;
    app.posts("web_app_close").await?;
    ensure!(!app.sent().iter().any(|body| body.contains("horse")), "the password left the page");
    app.is_quiet()
}

#[tokio::test]
async fn the_page_does_not_offer_what_is_switched_off() -> Result<()> {
    let mut stage = Stage::set().await?;
    stage.world.crash_service().await;
    stage.world.config.one_phone_login = false;
    stage.world.start_service().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look::USUAL).await?;
    app.qr_link().await?;
    let text = app.page.text().await?;
    ensure!(!text.contains("Войти по коду"), "{text}");
    app.is_quiet()
}

#[tokio::test]
async fn a_number_that_the_client_shares_needs_no_typing() -> Result<()> {
    let stage = Stage::set().await?;
    let code = stage.world.invite(Tier::Premium).await?;
    stage.world.begin(ILYA, &code).await?;
    let app = stage.press_button(ILYA, Look { shell: Shell::Web, dark: true, ..Look::USUAL }).await?;
    app.qr_link().await?;
    app.will_share(&stage.world.person(ILYA).share_contact_with_mini_app()).await?;
    app.press("one-phone-toggle").await?;
    app.keep_picture("one-phone").await?;
    app.press("share-phone").await?;
    app.says("Telegram прислал код").await?;
    app.types("code", &stage.world.telegram.mtproto.last_code("+79990000001").context("a code")?).await?;
    app.says("✅ Авторизация успешна!").await?;
    app.posts("web_app_close").await?;
    app.is_quiet()
}
