//! Services in the app: a key that another service then uses, and a webhook whose deliveries an admin sees and replays.

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use stand_in::accounts::{ANNA, ILYA};
use tokio::sync::watch;

use super::acts::{actors, admin};
use super::app::{AdminApp, fixture};
use crate::pages::client::Screen;

/// The client's own button, pressed.
const PRESS_MAIN: &str = "window.Telegram.WebView.receiveEvent('main_button_pressed', {})";

/// A receiver of webhooks on loopback: what it answers with, and how many messages came.
struct Receiver {
    url: String,
    answers: watch::Sender<StatusCode>,
    came: watch::Receiver<Vec<String>>,
}

impl Receiver {
    async fn listen() -> Result<Self> {
        let (answers, answer) = watch::channel(StatusCode::NO_CONTENT);
        let (sender, came) = watch::channel(Vec::new());
        let handler = move |headers: HeaderMap| {
            let (answer, sender) = (answer.clone(), sender.clone());
            async move {
                let id =
                    headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
                sender.send_modify(|ids| ids.push(id));
                *answer.borrow()
            }
        };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await });
        Ok(Self { url, answers, came })
    }

    async fn wait_for(&mut self, messages: usize) -> Result<Vec<String>> {
        Ok(self.came.wait_for(|came| came.len() >= messages).await?.clone())
    }
}

#[tokio::test]
async fn a_key_is_made_used_by_another_service_and_refused_once_it_is_revoked() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    let app = AdminApp::open(&fixture, ILYA, Screen { width: 1280, sdk: false, ..Screen::DEFAULT }).await?;
    app.go("KeyK", "Сервисы").await?;
    app.wait_for_text("Ключей пока нет").await?;
    app.key("n", "KeyN").await?;
    app.page().wait_until("document.getElementById('key-name')").await?;
    app.evaluate("document.getElementById('key-name').focus()").await?;
    app.page().type_text("shop").await?;
    app.evaluate("document.querySelector('input[value=\"users:read\"]').click()").await?;
    app.app.wait_for_main_button("Создать ключ").await?;
    app.evaluate(PRESS_MAIN).await?;
    app.wait_for_text("Ключ виден только сейчас").await?;
    let key = app.evaluate("document.querySelector('[data-secret]').innerText").await?;
    let key = key.as_str().context("a key")?.to_owned();
    app.press("Сохранено").await?;
    app.wait_for_text("Видеть людей").await?;
    ensure!(
        !app.evaluate("document.body.innerText").await?.as_str().unwrap_or_default().contains(&key),
        "it is shown again"
    );

    let url = format!("{}/api/v1/users/{ILYA}/subscription", world.base());
    let ask = async || Ok::<_, anyhow::Error>(world.http.get(&url).bearer_auth(&key).send().await?.status());
    ensure!(ask().await? == StatusCode::OK, "the key does not work");
    app.press("Отозвать ключ").await?;
    app.wait_for_text("получит отказ в течение секунды").await?;
    ensure!(ask().await? == StatusCode::OK, "it was revoked without an answer");
    app.press("Отозвать ключ").await?;
    app.wait_for_text("Ключ «shop» отозван").await?;
    ensure!(ask().await? == StatusCode::UNAUTHORIZED, "it still works");
    let admin = admin(world).await?;
    for name in ["ApiKeyCreated", "ApiKeyRevoked"] {
        ensure!(actors(world, name).await? == [admin.as_str()], "{name}");
    }
    app.app.expect_no_errors()
}

#[tokio::test]
async fn a_webhook_is_made_tested_and_switched_off_and_its_deliveries_are_seen() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    let mut receiver = Receiver::listen().await?;
    let app = AdminApp::open(&fixture, ILYA, Screen { width: 320, sdk: false, ..Screen::DEFAULT }).await?;
    app.go("KeyK", "Сервисы").await?;
    app.wait_for_text("Вебхуков пока нет").await?;
    app.press("Новый вебхук").await?;
    app.page().wait_until("document.getElementById('webhook-url')").await?;

    // 1. An address inside of a network is refused, and stays in the form.
    app.evaluate("document.getElementById('webhook-url').focus()").await?;
    app.page().type_text("https://10.0.0.1/hook").await?;
    app.app.wait_for_main_button("Создать вебхук").await?;
    app.evaluate(PRESS_MAIN).await?;
    app.page().wait_until("document.querySelector('.toast')").await?;
    app.evaluate("document.getElementById('webhook-url').select()").await?;
    app.page().type_text(&receiver.url).await?;
    app.evaluate(PRESS_MAIN).await?;
    app.wait_for_text("whsec_").await?;
    app.press("Сохранено").await?;

    // 2. A test arrives, and its delivery is shown.
    app.press("Проверить").await?;
    receiver.wait_for(1).await?;
    app.wait_for_text("webhook.test").await?;
    app.wait_for_text("Доставлено").await?;

    // 3. What the receiver does not take waits, and says why.
    receiver.answers.send_replace(StatusCode::SERVICE_UNAVAILABLE);
    world.person(ANNA).ask("/start").await?;
    world.person(ILYA).ask(&format!("/admin_block {ANNA}")).await?;
    app.wait_for_text("user.blocked").await?;
    app.wait_for_text("HTTP 503").await?;
    app.check("services-webhook").await?;

    // 4. 410 switches it off, and the page says so without a reload.
    receiver.answers.send_replace(StatusCode::GONE);
    app.press("Проверить").await?;
    app.wait_for_text("Вебхук выключился сам").await?;
    receiver.answers.send_replace(StatusCode::NO_CONTENT);
    app.press("Включить").await?;
    app.wait_for_text("Вебхук включён").await?;
    app.page()
        .wait_until(
            "[...document.querySelectorAll('li.row')].every((it) => it.innerText.includes('Доставлено'))",
        )
        .await?;

    // 5. Deleting asks first.
    app.press("Удалить вебхук").await?;
    app.wait_for_text("На этот адрес больше ничего не придёт.").await?;
    app.press("Удалить вебхук").await?;
    app.wait_for_text("Вебхуков пока нет").await?;
    let admin = admin(world).await?;
    for name in ["WebhookCreated", "WebhookDeleted"] {
        ensure!(actors(world, name).await? == [admin.as_str()], "{name}");
    }
    app.app.expect_only_errors(&["/api/admin/webhooks"])
}
