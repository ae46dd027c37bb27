//! What the app says to whom it is not for, and where something is wrong.

use anyhow::{Result, ensure};
use serde_json::json;
use stand_in::accounts::{ANNA, ILYA};

use super::app::{AdminApp, fixture};
use crate::pages::client::Screen;

const PHONE: Screen = Screen { width: 320, sdk: false, ..Screen::DEFAULT };

#[tokio::test]
async fn whom_it_is_not_for_is_told_what_to_do() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    world.person(ANNA).ask("/start").await?;

    let stranger = AdminApp::open(&fixture, ANNA, PHONE).await?;
    stranger.wait_for_text("This app is for admins").await?;
    stranger.check("forbidden").await?;
    stranger.app.expect_only_errors(&["/api/admin/session"])?;

    let stale = AdminApp::open_with(&fixture, &world.person(ILYA).stale_init_data(3600), PHONE).await?;
    stale.wait_for_text("Сеанс закончился").await?;
    stale.check("stale").await?;
    stale.app.expect_only_errors(&["/api/admin/session"])?;

    // Launch data is taken once: a copy of the page gets nowhere.
    let launch = world.person(ILYA).init_data(None);
    let first = AdminApp::open_with(&fixture, &launch, PHONE).await?;
    first.loaded().await?;
    let copy = AdminApp::open_with(&fixture, &launch, PHONE).await?;
    copy.wait_for_text("Сеанс закончился").await?;
    first.app.expect_no_errors()
}

#[tokio::test]
async fn an_auditor_sees_the_audit_alone() -> Result<()> {
    let fixture = fixture().await?;
    fixture.world.person(ANNA).ask("/start").await?;
    fixture.world.person(ILYA).ask(&format!("/admin_role {ANNA} auditor")).await?;
    let app = AdminApp::open(&fixture, ANNA, PHONE).await?;
    app.page().wait_until("document.querySelector('.pane li')").await?;
    ensure!(app.evaluate("document.querySelectorAll('.tab').length").await? == 1, "there are more tabs");
    app.check("auditor").await?;
    app.key("g", "KeyG").await?;
    app.key("u", "KeyU").await?;
    app.evaluate("document.querySelector('.pane li .row').click()").await?;
    app.page().wait_until("document.querySelector('.event-name')").await?;
    app.app.expect_no_errors()
}

#[tokio::test]
async fn who_is_demoted_meanwhile_is_out_at_once() -> Result<()> {
    let fixture = fixture().await?;
    let world = &fixture.world;
    world.person(ANNA).ask("/start").await?;
    world.person(ILYA).ask(&format!("/admin_role {ANNA} admin")).await?;
    let app = AdminApp::open(&fixture, ANNA, PHONE).await?;
    app.loaded().await?;
    world.person(ILYA).ask(&format!("/admin_role {ANNA} user")).await?;
    app.key("g", "KeyG").await?;
    app.key("u", "KeyU").await?;
    app.wait_for_text("This app is for admins").await?;
    app.app.expect_only_errors(&["/api/admin/"])
}

#[tokio::test]
async fn without_a_connection_it_says_so_and_goes_on_afterwards() -> Result<()> {
    let fixture = fixture().await?;
    let app = AdminApp::open(&fixture, ILYA, PHONE).await?;
    app.loaded().await?;
    let network = |offline: bool| {
        let conditions =
            json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        app.page().call("Network.emulateNetworkConditions", conditions)
    };
    network(true).await?;
    app.key("g", "KeyG").await?;
    app.key("u", "KeyU").await?;
    app.wait_for_text("Нет связи с сервером").await?;
    app.check("offline").await?;
    network(false).await?;
    app.press("Повторить").await?;
    app.page().wait_until("document.querySelectorAll('.pane li').length === 1").await?;

    app.key("/", "Slash").await?;
    app.page().wait_until("document.activeElement.matches('[data-search]')").await?;
    app.page().type_text("nobody of this name").await?;
    app.wait_for_text("Никого не нашлось").await?;
    app.check("nobody").await?;
    app.press("Сбросить фильтры").await?;
    app.page().wait_until("document.querySelectorAll('.pane li').length === 1").await?;

    // People who are looked for by username come by username, and the page says so.
    let orders =
        "[...document.querySelector('.chips select').options].map((it) => it.text).slice(0, 2).join()";
    app.page().wait_until(&format!("{orders} === 'Сначала новые,Сначала давние'")).await?;
    app.key("/", "Slash").await?;
    app.page().type_text("@ily").await?;
    app.page().wait_until(&format!("{orders} === 'По @username,Сначала новые'")).await?;
    app.page().wait_until("document.querySelectorAll('.pane li').length === 1").await
}
