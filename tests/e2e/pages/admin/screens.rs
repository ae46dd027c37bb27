//! Every screen, in both themes, at 320 pixels and on a desktop; how soon the first one is painted.

use anyhow::{Context as _, Result, ensure};
use domain::Tier;
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};

use super::app::{AdminApp, fixture};
use crate::pages::client::Screen;

#[tokio::test]
async fn axe_finds_nothing_on_any_screen() -> Result<()> {
    let fixture = fixture().await?;
    fixture.world.log_in(ANNA).await?;
    fixture.world.invite_for(Tier::Basic, 5).await?;
    fixture.world.events().await?;
    for (dark, width) in [(false, 320), (true, 320), (false, 1280), (true, 1280)] {
        let app =
            AdminApp::open(&fixture, ILYA, Screen { dark, width, sdk: false, ..Screen::DEFAULT }).await?;
        app.loaded().await?;
        app.check("dashboard").await?;
        app.go("KeyU", "Люди").await?;
        app.check("people").await?;
        app.press("Выбрать несколько").await?;
        app.press("Все").await?;
        app.check("picked").await?;
        app.press("Выдать").await?;
        app.check("bulk-grant").await?;
        app.key("Escape", "Escape").await?;
        app.key("Escape", "Escape").await?;
        app.evaluate("[...document.querySelectorAll('.pane li .row')].find((it) => it.innerText.includes('Anna')).click()").await?;
        app.page().wait_until("document.querySelector('.profile')").await?;
        app.check("person").await?;
        for (act, state) in [("Выдать", "grant"), ("Роль", "role"), ("Закрыть доступ", "block")]
        {
            app.press(act).await?;
            app.page().wait_until("document.querySelector('dialog[open]')").await?;
            app.check(state).await?;
            app.key("Escape", "Escape").await?;
            app.page().wait_until("!document.querySelector('dialog[open]')").await?;
        }
        app.go("KeyI", "Инвайты").await?;
        app.check("invites").await?;
        app.evaluate(
            "[...document.querySelectorAll('.pane li .row')].find((it) => it.querySelector('.mono')).click()",
        )
        .await?;
        app.page().wait_until("document.querySelector('.qr')").await?;
        app.check("invite").await?;
        app.go("KeyI", "Инвайты").await?;
        app.key("n", "KeyN").await?;
        app.page().wait_until("document.getElementById('note')").await?;
        app.check("new-invite").await?;
        app.go("KeyS", "Статистика").await?;
        app.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })").await?;
        app.check("statistics").await?;
        app.go("KeyP", "Проекции").await?;
        app.check("projections").await?;
        app.evaluate("document.querySelector('button.row.go').click()").await?;
        app.page().wait_until("document.querySelector('.pairs')").await?;
        app.press("Только проверить").await?;
        app.wait_for_text("различий нет").await?;
        app.check("view").await?;
        app.go("KeyA", "Аудит").await?;
        app.check("audit").await?;
        app.press("Фильтры").await?;
        app.check("filters").await?;
        app.key("Escape", "Escape").await?;
        app.evaluate("document.querySelector('.pane li .row').click()").await?;
        app.page().wait_until("document.querySelector('.event-name')").await?;
        app.check("event").await?;
        app.key("?", "Slash").await?;
        app.check("keys").await?;
        app.app.expect_no_errors()?;
        app.app.close().await?;
    }
    Ok(())
}

/// Prints it: how fast a machine is decides about it.
#[tokio::test]
async fn the_first_paint_at_400_kbit_a_second_is_measured() -> Result<()> {
    let fixture = fixture().await?;
    let page = fixture
        .browser
        .page(crate::browser::PageOptions { width: 390, height: 844, scale: 1, dark: false, sdk: false })
        .await?;
    let slow =
        json!({"offline": false, "latency": 40, "downloadThroughput": 50_000, "uploadThroughput": 50_000});
    page.call("Network.emulateNetworkConditions", slow).await?;
    let launch = url::form_urlencoded::byte_serialize(fixture.world.person(ILYA).init_data(None).as_bytes())
        .collect::<String>();
    let url = format!(
        "{}/admin#tgWebAppData={launch}&tgWebAppVersion=9.1&tgWebAppPlatform=ios",
        fixture.world.base()
    );
    page.goto(&url).await?;
    page.wait_until("document.querySelector('.tile .big')").await?;
    let times = page
        .evaluate(
            "(() => {
                const [paint] = performance.getEntriesByName('first-contentful-paint');
                const script = performance.getEntriesByType('resource').filter((it) => /\\.m?js$/.test(new URL(it.name).pathname));
                return { paint: paint.startTime, all: performance.now(), bytes: script.reduce((sum, it) => sum + it.encodedBodySize, 0), files: script.length };
            })()",
        )
        .await?;
    println!(
        "first paint after {} ms, numbers after {} ms, {} bytes of script in {} files",
        times["paint"], times["all"], times["bytes"], times["files"]
    );
    let bytes = times["bytes"].as_u64().context("a size")?;
    ensure!((1..=60 * 1024).contains(&bytes), "{bytes} bytes of script");
    ensure!(times["paint"].is_number(), "nothing was painted: {times}");
    Ok(())
}
