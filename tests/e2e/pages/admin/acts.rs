//! What an admin does with the app: by the keyboard alone, live, and each act an event with its actor.

use anyhow::{Context as _, Result, ensure};
use stand_in::accounts::{ANNA, ILYA};

use super::app::{AdminApp, fixture};
use crate::pages::client::Screen;
use crate::world::World;

const DESKTOP: Screen = Screen { width: 1280, sdk: false, ..Screen::DEFAULT };

/// The actors of the events with this name, in order.
pub async fn actors(world: &World, name: &str) -> Result<Vec<String>> {
    let events = world.events().await?;
    Ok(events
        .iter()
        .filter(|event| event.name == name)
        .map(|event| event.metadata.actor.to_string())
        .collect())
}

/// The account id of the admin.
pub async fn admin(world: &World) -> Result<String> {
    let user = projections::views::users::by_telegram_id(&world.db, ILYA).await?;
    Ok(user.context("Ilya is known")?.account_id.to_string())
}

#[tokio::test]
async fn a_person_is_found_blocked_and_let_in_again_by_the_keyboard_alone() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    world.person(ANNA).ask("/start").await?;
    let app = AdminApp::open(&fixture, ILYA, DESKTOP).await?;

    // 1. `/` leads to the search from anywhere; Enter opens the first who was found.
    app.key("/", "Slash").await?;
    app.page().wait_until("document.activeElement.matches('[data-search]')").await?;
    app.page().type_text("anna").await?;
    app.page()
        .wait_until(
            "document.querySelectorAll('.pane li').length === 1 && document.activeElement.value === 'anna'",
        )
        .await?;
    app.key("Enter", "Enter").await?;
    app.page().wait_until("document.querySelector('.profile .name').innerText.includes('Anna')").await?;

    // 2. Blocking asks first, and the harmless answer has the focus.
    app.press("Закрыть доступ").await?;
    app.wait_for_text("Доступ закроется сразу и везде.").await?;
    ensure!(app.evaluate("document.activeElement.innerText").await? == "Отмена", "the focus is elsewhere");
    app.key("Enter", "Enter").await?;
    app.page().wait_until("!document.querySelector('dialog[open]')").await?;
    ensure!(actors(world, "AccountBlocked").await?.is_empty(), "the answer was no");

    // 3. It is done, and undone by a key.
    app.press("Закрыть доступ").await?;
    app.press("Заблокировать").await?;
    app.wait_for_text("доступ закрыт").await?;
    app.page().wait_until("document.querySelector('.acts').innerText.includes('Открыть доступ')").await?;
    app.key("z", "KeyZ").await?;
    app.wait_for_text("доступ снова открыт").await?;
    let admin = admin(world).await?;
    for name in ["AccountBlocked", "AccountUnblocked"] {
        ensure!(actors(world, name).await? == [admin.as_str()], "{name}: {:?}", actors(world, name).await?);
    }

    // 4. Escape leads back to the row that was left.
    app.key("Escape", "Escape").await?;
    app.page().wait_until("!document.querySelector('.profile')").await?;
    app.app.expect_no_errors()
}

#[tokio::test]
async fn many_people_get_a_subscription_at_once_and_lose_it_again() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    world.person(ANNA).ask("/start").await?;
    world.events().await?;
    let app = AdminApp::open(&fixture, ILYA, DESKTOP).await?;
    app.go("KeyU", "Люди").await?;
    app.page().wait_until("document.querySelectorAll('.pane li').length === 2").await?;
    app.key("x", "KeyX").await?;
    app.press("Все").await?;
    app.press("Выдать").await?;
    app.wait_for_text("Подписка: 2 человека").await?;
    app.press("Выдать").await?;
    app.wait_for_text("Выданы 2 подписки").await?;
    let admin = admin(world).await?;
    ensure!(actors(world, "SubscriptionChanged").await? == [admin.as_str(), admin.as_str()]);
    app.key("z", "KeyZ").await?;
    app.wait_for_text("Отменены 2 выдачи").await?;
    ensure!(actors(world, "SubscriptionRevoked").await? == [admin.as_str(), admin.as_str()]);
    app.app.expect_no_errors()
}

#[tokio::test]
async fn an_invite_is_made_on_a_phone_and_its_qr_code_opens_the_bot() -> Result<()> {
    let fixture = fixture().await?;
    let app = AdminApp::open(&fixture, ILYA, Screen { sdk: false, ..Screen::DEFAULT }).await?;
    app.go("KeyI", "Инвайты").await?;
    app.key("n", "KeyN").await?;
    // The client's own buttons stand for those of the page.
    app.app.wait_for_main_button("Создать 1 инвайт").await?;
    app.page()
        .wait_until("posted.filter(([event]) => event === 'web_app_setup_back_button').at(-1)[1].is_visible")
        .await?;
    app.evaluate("window.Telegram.WebView.receiveEvent('main_button_pressed', {})").await?;
    app.page().wait_until("document.querySelector('.qr')").await?;
    let link = app.evaluate("[...document.querySelectorAll('.mono')].find((it) => it.innerText.startsWith('https://t.me/')).innerText").await?;
    let link = link.as_str().context("a link")?;
    app.evaluate("scrollTo(0, 0)").await?;
    ensure!(stand_in::camera::read_qr(&app.page().screenshot().await?)? == link, "the code leads elsewhere");

    // A person who follows it can log in.
    let code = link.split_once("start=").context("a code in the link")?.1;
    fixture.world.begin_login(ANNA, code).await?;
    ensure!(actors(&fixture.world, "InviteCreated").await? == [admin(&fixture.world).await?]);
    app.app.expect_no_errors()
}

#[tokio::test]
async fn the_dashboard_follows_the_log_without_a_reload() -> Result<()> {
    let fixture = fixture().await?;
    let app = AdminApp::open(&fixture, ILYA, DESKTOP).await?;
    app.page().wait_until("document.querySelector('.live').dataset.on === 'yes'").await?;
    app.wait_for_text("человек всего").await?;
    fixture.world.person(ANNA).ask("/start").await?;
    app.wait_for_text("Новый человек").await?;
    app.page().wait_until("[...document.querySelectorAll('.tile')].some((it) => it.innerText.startsWith('2') && it.innerText.includes('человека всего'))").await?;
    app.app.expect_no_errors()
}

#[tokio::test]
async fn an_event_leads_to_its_cause_and_its_consequences() -> Result<()> {
    let fixture = fixture().await?;
    fixture.world.log_in(ANNA).await?;
    let events = fixture.world.events().await?;
    let confirmed = events.iter().find(|event| event.name == "AuthorizationConfirmed").context("a login")?;
    let app = AdminApp::open(&fixture, ILYA, DESKTOP).await?;
    app.go("KeyA", "Аудит").await?;
    app.key("/", "Slash").await?;
    app.page().wait_until("document.activeElement.matches('[data-search]')").await?;
    app.page().type_text(&format!("#{}", confirmed.position)).await?;
    app.key("Enter", "Enter").await?;
    app.wait_for_text("Вход подтверждён").await?;
    app.page().wait_until("[...document.querySelectorAll('section')].some((it) => it.ariaLabel === 'Следствия' && it.innerText.includes('SubscriptionActivated'))").await?;
    app.evaluate("[...document.querySelectorAll('section')].find((it) => it.ariaLabel === 'Следствия').querySelector('[data-row]').click()").await?;
    app.page().wait_until("[...document.querySelectorAll('section')].some((it) => it.ariaLabel === 'Причина' && it.innerText.includes('AuthorizationConfirmed'))").await?;
    app.app.expect_no_errors()
}
