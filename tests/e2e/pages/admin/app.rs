//! The admins' app as its tests use it: opened by a person in a client, pressed by keys, checked by axe.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use stand_in::accounts::ILYA;

use crate::browser::Page;
use crate::pages::client::{MiniApp, PageFixture, Screen};
use crate::world::WorldOptions;

/// axe-core, which `scripts/axe` downloads.
const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/axe.min.js");

/// What axe finds, but for contrasts between two colours of Telegram's own theme.
const FINDINGS: &str = "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => {
    const telegrams = new Set(Object.values(THEME));
    const isTelegrams = ({ any }) => any.some(({ data }) => telegrams.has(data?.fgColor) && telegrams.has(data?.bgColor));
    return violations.flatMap(({ id, nodes }) => nodes.filter((node) => id !== 'color-contrast' || !isTelegrams(node))
        .map((node) => `${id}: ${node.html} ${node.failureSummary}`));
})";

/// A world with Ilya as its admin, who has written to the bot.
pub async fn fixture() -> Result<PageFixture> {
    let configure: fn(&mut qr_login::Config) = |config| config.admin_ids = vec![ILYA];
    let fixture =
        PageFixture::with(WorldOptions { configure: Some(configure), ..WorldOptions::default() }).await?;
    fixture.world.person(ILYA).ask("/start").await?;
    Ok(fixture)
}

/// The open app.
pub struct AdminApp {
    pub app: MiniApp,
    screen: Screen,
}

impl AdminApp {
    /// Opens the app as this person does, and waits until it shows something.
    pub async fn open(fixture: &PageFixture, person: i64, screen: Screen) -> Result<Self> {
        Self::open_with(fixture, &fixture.world.person(person).init_data(None), screen).await
    }

    /// The same with this launch data.
    pub async fn open_with(fixture: &PageFixture, launch_data: &str, screen: Screen) -> Result<Self> {
        let url = format!("{}/admin", fixture.world.base());
        let app = fixture.open(&url, launch_data, screen).await?;
        let opened = Self { app, screen };
        opened.page().wait_until("document.querySelector('.tab, .full')").await?;
        Ok(opened)
    }

    pub fn page(&self) -> &Page {
        &self.app.page
    }

    /// Presses a key. `code` is its place on the keyboard, as `KeyG`.
    pub async fn key(&self, key: &str, code: &str) -> Result<()> {
        let text = if key == "Enter" { "\r" } else { "" };
        let virtual_key = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind, "key": key, "code": code, "text": if kind == "keyDown" { text } else { "" },
                "windowsVirtualKeyCode": virtual_key, "modifiers": if key == "?" { 8 } else { 0 },
            });
            self.page().call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// `g` and the key of a tab, then waits until it has loaded.
    pub async fn go(&self, code: &str, title: &str) -> Result<()> {
        self.key("g", "KeyG").await?;
        self.key("x", code).await?;
        self.page()
            .wait_until(&format!("document.querySelector('h1').innerText === {}", json!(title)))
            .await?;
        self.loaded().await
    }

    /// Waits until nothing loads any more, and nothing failed.
    pub async fn loaded(&self) -> Result<()> {
        self.page().wait_until("!document.querySelector('.bone')").await
    }

    /// Puts the focus on the first control in the page, or in an open dialog, whose words are these.
    pub async fn focus(&self, words: &str) -> Result<()> {
        let find = format!(
            "[...(document.querySelector('dialog[open]') ?? document).querySelectorAll('button, summary, input')]
                .find((it) => it.checkVisibility() && !it.disabled && [it.innerText.trim(), it.ariaLabel].includes({}))",
            json!(words)
        );
        self.page().wait_until(&find).await?;
        self.page().evaluate(&format!("{find}.focus()")).await.map(drop)
    }

    /// Presses the control with these words by the keyboard.
    pub async fn press(&self, words: &str) -> Result<()> {
        self.focus(words).await?;
        self.key("Enter", "Enter").await
    }

    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        self.app.wait_for_text(text).await
    }

    /// Fails on findings of axe, on a page that is wider than its window, and on errors.
    pub async fn check(&self, state: &str) -> Result<()> {
        let page = self.page();
        if page.evaluate("typeof axe === 'object'").await? != true {
            let script =
                std::fs::read_to_string(Path::new(AXE)).context("axe is missing: run scripts/axe")?;
            page.evaluate(&format!("{script}; 0")).await?;
        }
        let findings = page.evaluate(&FINDINGS.replace("THEME", &self.screen.theme().to_string())).await?;
        ensure!(findings == json!([]), "{state} with {:?}: {findings:#}", self.screen);
        let over = page.evaluate("document.documentElement.scrollWidth - innerWidth").await?;
        ensure!(over.as_i64() <= Some(0), "{state} with {:?} is too wide by {over}", self.screen);
        self.app.save_screenshot(&format!("admin-{state}")).await
    }

    /// The value of an expression.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        self.page().evaluate(expression).await
    }
}
