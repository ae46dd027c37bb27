//! The sandbox as a person uses it: the real binary and its page in a browser. Every step is a click.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::save_screenshot;
use crate::browser::{Browser, Page, PageOptions};

/// The running sandbox. Dropping it sends SIGTERM, so that its service and its database end too.
struct Sandbox {
    url: String,
    process: Child,
    _data: tempfile::TempDir,
}

impl Sandbox {
    async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        // Cargo builds it with the tests of the workspace, because its package tests its own binaries.
        let binary = Path::new(env!("CARGO_BIN_EXE_qr-login")).with_file_name("sandbox");
        ensure!(binary.is_file(), "the sandbox is not built: cargo build -p stand-in -p replay");
        let mut process = Command::new(binary)
            .args(["--port", "0", "--data-dir"])
            .arg(data.path().join("sandbox"))
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("stdout is piped")?).lines();
        let line = lines.next_line().await?.context("the sandbox ended before it printed its address")?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        Ok(Self { url: url.context("no address in its output")?.to_owned(), process, _data: data })
    }

    async fn stop(mut self) -> Result<()> {
        self.send_sigterm();
        ensure!(self.process.wait().await?.success(), "the sandbox did not end with status 0");
        Ok(())
    }

    fn send_sigterm(&self) {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.send_sigterm();
    }
}

#[tokio::test]
async fn the_sandbox_is_used_by_clicks_from_the_invite_to_the_subscription() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let browser = Browser::launch().await?;
    let page =
        browser.page(PageOptions { width: 1280, height: 800, scale: 1, dark: false, sdk: true }).await?;
    page.goto(&sandbox.url).await?;

    // 1. The person types the invite, and presses the button under the answer.
    page.wait_until("document.querySelector('.suggestions button')").await?;
    ensure!(page.text().await?.contains("SANDBOX"), "the page does not say what it is");
    save_screenshot(&page, "sandbox-1-start").await?;
    page.click(".composer input").await?;
    page.type_text("/login 3HBP4Z3ECICZ").await?;
    page.click(".send").await?;
    page.wait_until("document.querySelector('.keyboard .web-app')").await?;
    page.click(".keyboard .web-app").await?;

    // 2. Ilya's phone asks for confirmation. He refuses, and nothing happens.
    scan(&page).await?;
    page.wait_until("document.querySelector('#journal .strip').innerText.includes('QrIssued')").await?;
    page.wait_until(&animations_are_finished("#journal")).await?;
    save_screenshot(&page, "sandbox").await?;
    page.click(".confirm button").await?;
    page.wait_until("!document.querySelector('.confirm')").await?;

    // 3. Anna's phone scans the code and confirms. The login is rejected, and the page says so.
    switch_to_phone_of(&page, "Anna").await?;
    scan(&page).await?;
    page.click("#confirm").await?;
    wait_for_app_text(&page, "🚨 Вход подтвердил другой аккаунт").await?;
    save_screenshot(&page, "sandbox-2-anna").await?;

    // 4. Ilya starts again in the Mini App, and his phone confirms.
    page.evaluate("document.querySelector('iframe').contentDocument.getElementById('retry').click()").await?;
    switch_to_phone_of(&page, "Ilya").await?;
    scan(&page).await?;
    save_screenshot(&page, "sandbox-3-confirm").await?;
    page.click("#confirm").await?;
    wait_for_app_text(&page, "✅ Авторизация успешна!").await?;
    save_screenshot(&page, "sandbox-4-done").await?;

    // 5. The Mini App closes itself. Chat, phone and journal show the result.
    page.wait_until("!document.querySelector('iframe')").await?;
    page.wait_until("document.querySelector('.messages').innerText.includes('✅ Авторизация успешна!')")
        .await?;
    page.wait_until("document.querySelectorAll('#phone .session').length === 2").await?;
    page.wait_until("document.querySelector('#journal .strip').innerText.includes('SubscriptionActivated')")
        .await?;
    save_screenshot(&page, "sandbox-5-closed").await?;
    page.click("#theme").await?;
    save_screenshot(&page, "sandbox-6-dark").await?;
    ensure!(page.errors().is_empty(), "{:#?}", page.errors());
    sandbox.stop().await
}

#[tokio::test]
async fn the_admins_app_opens_beside_the_chat() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let browser = Browser::launch().await?;
    let page =
        browser.page(PageOptions { width: 1280, height: 800, scale: 1, dark: false, sdk: true }).await?;
    page.goto(&sandbox.url).await?;
    let suggestion =
        "[...document.querySelectorAll('.suggestions button')].find((it) => it.textContent === '/admin')";
    page.wait_until(suggestion).await?;
    page.evaluate(&format!("{suggestion}.click()")).await?;
    page.wait_until("document.querySelector('.keyboard .web-app')").await?;
    page.click(".keyboard .web-app").await?;
    // Ilya alone has written to the bot.
    let tiles = "[...document.querySelector('iframe').contentDocument.querySelectorAll('.tile')]";
    page.wait_until(&format!("{tiles}[1].innerText.startsWith('1')")).await?;
    wait_for_app_text(&page, "Сегодня").await?;
    save_screenshot(&page, "sandbox-admin").await?;
    ensure!(page.errors().is_empty(), "{:#?}", page.errors());
    sandbox.stop().await
}

async fn switch_to_phone_of(page: &Page, name: &str) -> Result<()> {
    let press = "[...document.querySelectorAll('#phone .people button')].find(it => it.textContent.endsWith(";
    page.evaluate(&format!("{press}{})).click()", json!(name))).await.map(drop)
}

/// Scans the code of the Mini App once it is visible, and waits for the phone's question.
async fn scan(page: &Page) -> Result<()> {
    page.wait_until(
        "(() => { const qr = document.querySelector('iframe').contentDocument.getElementById('qr'); \
         return !qr.closest('[hidden]') && qr.complete && qr.naturalWidth > 0; })()",
    )
    .await?;
    page.click("#scan").await?;
    page.wait_until("document.querySelector('#confirm')").await?;
    // The question slides in. A click needs its final position.
    page.wait_until(&animations_are_finished(".confirm")).await
}

/// A JavaScript expression: all animations in this element are finished.
fn animations_are_finished(selector: &str) -> String {
    let moves = "getAnimations({ subtree: true }).every(it => it.playState === 'finished')";
    format!("document.querySelector('{selector}').{moves}")
}

async fn wait_for_app_text(page: &Page, text: &str) -> Result<()> {
    let app = "document.querySelector('iframe').contentDocument.body.innerText";
    page.wait_until(&format!("{app}.includes({})", json!(text))).await
}

#[tokio::test]
async fn the_sandbox_is_filled_with_ten_thousand_people_and_a_month_of_history() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let browser = Browser::launch().await?;
    let page =
        browser.page(PageOptions { width: 1280, height: 800, scale: 1, dark: false, sdk: true }).await?;
    page.goto(&sandbox.url).await?;
    page.wait_until("document.querySelector('#service').innerText.includes('running')").await?;
    page.click("#fill").await?;
    page.click("#fill").await?;
    // It takes a while on a busy machine.
    let filled = "document.body.innerText.includes('10,000 people are here')";
    for _ in 0..3 {
        if page.wait_until(filled).await.is_ok() {
            break;
        }
    }

    // Ilya is an admin here. The app opens beside the chat, and shows them.
    page.click(".composer input").await?;
    page.type_text("/admin").await?;
    page.click(".send").await?;
    page.wait_until("document.querySelector('.keyboard .web-app')").await?;
    page.click(".keyboard .web-app").await?;
    let people = r"/10[\s,]001/.test(document.querySelector('iframe').contentDocument.body.innerText)";
    page.wait_until(people).await?;
    save_screenshot(&page, "sandbox-6-filled").await?;
    Ok(())
}
