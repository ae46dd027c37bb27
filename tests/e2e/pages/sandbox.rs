//! The sandbox as a person plays it: the real binary, its page in a browser, every step a click.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::keep_picture;
use crate::browser::{Browser, Page, View};

/// The running program. Dropped, it is asked to end, because its own service and database have to end with it.
struct Sandbox {
    url: String,
    process: Child,
    _data: tempfile::TempDir,
}

impl Sandbox {
    async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        // Built with the workspace's tests, as the binary of a package that has tests of its own binaries.
        let binary = Path::new(env!("CARGO_BIN_EXE_qr-login")).with_file_name("sandbox");
        ensure!(binary.is_file(), "the sandbox is not built: cargo build -p stand-in -p replay");
        let mut process = Command::new(binary)
            .args(["--port", "0", "--data-dir"])
            .arg(data.path().join("sandbox"))
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("stdout is piped")?).lines();
        let line = lines.next_line().await?.context("the sandbox ended before it said where it is")?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        Ok(Self { url: url.context("no address in its line")?.to_owned(), process, _data: data })
    }

    async fn stop(mut self) -> Result<()> {
        self.ask_to_end();
        ensure!(self.process.wait().await?.success(), "the sandbox did not end well");
        Ok(())
    }

    fn ask_to_end(&self) {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.ask_to_end();
    }
}

#[tokio::test]
async fn the_sandbox_is_played_by_clicks_from_the_invite_to_the_subscription() -> Result<()> {
    let sandbox = Sandbox::start().await?;
    let browser = Browser::launch().await?;
    let page = browser.page(View { width: 1280, height: 800, scale: 1, dark: false, sdk: true }).await?;
    page.goto(&sandbox.url).await?;

    // 1. The invite, typed, and the button under the answer.
    page.until("document.querySelector('.suggestions button')").await?;
    ensure!(page.text().await?.contains("SANDBOX"), "the page does not say what it is");
    keep_picture(&page, "sandbox-1-start").await?;
    page.click(".composer input").await?;
    page.type_text("/login 3HBP4Z3ECICZ").await?;
    page.click(".send").await?;
    page.until("document.querySelector('.keyboard .web-app')").await?;
    page.click(".keyboard .web-app").await?;

    // 2. Ilya's phone asks before it does anything, and he says no: nothing happens.
    scan(&page).await?;
    page.until("document.querySelector('#journal .strip').innerText.includes('QrIssued')").await?;
    page.until(&at_rest("#journal")).await?;
    keep_picture(&page, "sandbox").await?;
    page.click(".confirm button").await?;
    page.until("!document.querySelector('.confirm')").await?;

    // 3. Anna's phone reads the code in the picture and confirms: refused, and the page says so.
    on_the_phone_of(&page, "Anna").await?;
    scan(&page).await?;
    page.click("#confirm").await?;
    app_says(&page, "🚨 Вход подтвердил другой аккаунт").await?;
    keep_picture(&page, "sandbox-2-anna").await?;

    // 4. Begun anew in the Mini App; this time it is Ilya's phone.
    page.eval("document.querySelector('iframe').contentDocument.getElementById('retry').click()").await?;
    on_the_phone_of(&page, "Ilya").await?;
    scan(&page).await?;
    keep_picture(&page, "sandbox-3-confirm").await?;
    page.click("#confirm").await?;
    app_says(&page, "✅ Авторизация успешна!").await?;
    keep_picture(&page, "sandbox-4-done").await?;

    // 5. The Mini App closes itself; chat, phone and journal tell the rest.
    page.until("!document.querySelector('iframe')").await?;
    page.until("document.querySelector('.messages').innerText.includes('✅ Авторизация успешна!')").await?;
    page.until("document.querySelectorAll('#phone .session').length === 2").await?;
    page.until("document.querySelector('#journal .strip').innerText.includes('SubscriptionActivated')")
        .await?;
    keep_picture(&page, "sandbox-5-closed").await?;
    page.click("#theme").await?;
    keep_picture(&page, "sandbox-6-dark").await?;
    ensure!(page.complaints().is_empty(), "{:#?}", page.complaints());
    sandbox.stop().await
}

async fn on_the_phone_of(page: &Page, name: &str) -> Result<()> {
    let press = "[...document.querySelectorAll('#phone .people button')].find(it => it.textContent.endsWith(";
    page.eval(&format!("{press}{})).click()", json!(name))).await.map(drop)
}

/// Points the phone at the Mini App once its code is on the screen, up to "Log in on another device?".
async fn scan(page: &Page) -> Result<()> {
    page.until(
        "(() => { const qr = document.querySelector('iframe').contentDocument.getElementById('qr'); \
         return !qr.closest('[hidden]') && qr.complete && qr.naturalWidth > 0; })()",
    )
    .await?;
    page.click("#scan").await?;
    page.until("document.querySelector('#confirm')").await?;
    // The question slides in; a click has to find it at rest.
    page.until(&at_rest(".confirm")).await
}

/// Nothing in there moves any more.
fn at_rest(selector: &str) -> String {
    let moves = "getAnimations({ subtree: true }).every(it => it.playState === 'finished')";
    format!("document.querySelector('{selector}').{moves}")
}

async fn app_says(page: &Page, words: &str) -> Result<()> {
    let app = "document.querySelector('iframe').contentDocument.body.innerText";
    page.until(&format!("{app}.includes({})", json!(words))).await
}
