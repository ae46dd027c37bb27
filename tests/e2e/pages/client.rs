//! Telegram's client around the Mini App: a native one with its bridge, or a web client with its frame. It opens the page
//! as Telegram does, and keeps what the page tells it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::form_urlencoded::byte_serialize;

use crate::browser::{Browser, Page, View};
use crate::world::{Differing, World};

/// Where the Mini App is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// In an app's own web view: events go over `TelegramWebviewProxy`.
    Native,
    /// In a web client's frame: events are posted to the parent.
    Web,
}

/// How the Mini App is shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub shell: Shell,
    pub dark: bool,
    pub width: u32,
    /// Whether telegram.org can be reached.
    pub sdk: bool,
    /// By how much the device's clock is ahead of the right one.
    pub ahead_seconds: i32,
}

/// A world, a browser, and the page of a web client.
pub struct Stage {
    pub world: World,
    pub browser: Browser,
    web_client: String,
    _turn: SemaphorePermit<'static>,
}

/// One stage at a time: browsers that compete for the processor starve the services behind them of their leases.
static TURN: Semaphore = Semaphore::const_new(1);

/// An open Mini App.
pub struct MiniApp {
    /// Its own document.
    pub page: Page,
    /// The window that a person sees: the page itself, or the web client around it.
    window: Page,
    look: Look,
}

impl Look {
    /// A light phone of the usual width with the SDK.
    pub const USUAL: Self =
        Self { shell: Shell::Native, dark: false, width: 390, sdk: true, ahead_seconds: 0 };

    /// Every combination for this shell.
    pub fn all(shell: Shell) -> Vec<Self> {
        let mut all = Vec::new();
        for dark in [false, true] {
            for width in [320, 390] {
                for sdk in [true, false] {
                    all.push(Self { shell, dark, width, sdk, ..Self::USUAL });
                }
            }
        }
        all
    }

    /// The colours that the client's theme has.
    pub fn theme(&self) -> Value {
        match self.dark {
            false => json!({
                "bg_color": "#ffffff", "secondary_bg_color": "#f1f1f4", "section_bg_color": "#ffffff",
                "text_color": "#000000", "hint_color": "#707579", "link_color": "#3390ec",
                "button_color": "#3390ec", "button_text_color": "#ffffff", "accent_text_color": "#3390ec",
                "destructive_text_color": "#e53935",
            }),
            true => json!({
                "bg_color": "#212121", "secondary_bg_color": "#0f0f0f", "section_bg_color": "#212121",
                "text_color": "#ffffff", "hint_color": "#aaaaaa", "link_color": "#8774e1",
                "button_color": "#8774e1", "button_text_color": "#ffffff", "accent_text_color": "#8774e1",
                "destructive_text_color": "#ff595a",
            }),
        }
    }
}

impl Stage {
    /// The usual world.
    pub async fn set() -> Result<Self> {
        Self::with(Differing::default()).await
    }

    /// A world that differs.
    pub async fn with(differing: Differing) -> Result<Self> {
        let turn = TURN.acquire().await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let web_client = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/", get(async || Html(WEB_CLIENT)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let world = World::with(Differing { page_origin: Some(web_client.clone()), ..differing }).await?;
        Ok(Self { world, browser: Browser::launch().await?, web_client, _turn: turn })
    }

    /// Moves the clock of a world that holds it by hand.
    pub fn later(&self, seconds: u64) {
        let time = self.world.time.as_ref().expect("a world with a manual clock");
        time.advance(Duration::from_secs(seconds));
    }

    /// Presses the newest button in this person's chat.
    pub async fn press_button(&self, person: i64, look: Look) -> Result<MiniApp> {
        let answers = self.world.person(person).from_bot();
        let buttons = answers.iter().flat_map(|answer| answer.keyboard.iter().flatten().flatten());
        let url =
            buttons.filter_map(|button| button.web_app_url()).next_back().context("no button in the chat")?;
        self.open(url, &self.world.person(person).init_data(None), look).await
    }

    /// Opens a Mini App with this launch data.
    pub async fn open(&self, url: &str, launch_data: &str, look: Look) -> Result<MiniApp> {
        let height = if look.width < 360 { 568 } else { 844 };
        let view = View { width: look.width, height, scale: 2, dark: look.dark, sdk: look.sdk };
        let window = self.browser.page(view).await?;
        if look.ahead_seconds != 0 {
            window
                .before_load(&WRONG_CLOCK.replace("AHEAD_SECONDS", &look.ahead_seconds.to_string()))
                .await?;
        }
        let platform = if look.shell == Shell::Native { "ios" } else { "weba" };
        let url = format!(
            "{url}#tgWebAppData={}&tgWebAppVersion=9.1&tgWebAppPlatform={platform}&tgWebAppThemeParams={}",
            encoded(launch_data),
            encoded(&look.theme().to_string())
        );
        let page = match look.shell {
            Shell::Native => {
                window.before_load(NATIVE_BRIDGE).await?;
                window.goto(&url).await?;
                window.clone()
            }
            Shell::Web => {
                window.goto(&self.web_client).await?;
                window.until("window.openMiniApp").await?;
                window.eval(&format!("openMiniApp({}, {})", json!(url), look.theme())).await?;
                window.until("posted.some(([event]) => event === 'iframe_ready')").await?;
                window.framed().await?
            }
        };
        Ok(MiniApp { page, window, look })
    }
}

impl MiniApp {
    /// Waits until a person reads this on it.
    pub async fn says(&self, words: &str) -> Result<()> {
        self.page.until(&format!("document.body.innerText.includes({})", json!(words))).await
    }

    /// Waits until the client was told this.
    pub async fn posts(&self, event: &str) -> Result<()> {
        self.window.until(&format!("posted.some(([event]) => event === {})", json!(event))).await
    }

    /// Presses the button of this id.
    pub async fn press(&self, id: &str) -> Result<()> {
        self.page.eval(&format!("document.getElementById({}).click()", json!(id))).await.map(drop)
    }

    /// Types into the input of this id, over what stands there.
    pub async fn types(&self, id: &str, words: &str) -> Result<()> {
        let input = format!("document.getElementById({})", json!(id));
        self.page.until(&format!("!{input}.disabled && !{input}.closest('[hidden]')")).await?;
        self.page.eval(&format!("{{ const input = {input}; input.focus(); input.select(); }}")).await?;
        self.window.type_text(words).await
    }

    /// Presses the button that sends the form of this id.
    pub async fn press_submit_of(&self, form: &str) -> Result<()> {
        self.page.eval(&format!("document.querySelector('#{form} [type=submit]').click()")).await.map(drop)
    }

    /// From now on the person shares their number when the page asks for it.
    pub async fn will_share(&self, contact: &str) -> Result<()> {
        self.window.eval(&format!("window.contact = {}", json!(contact))).await.map(drop)
    }

    /// The bodies of all that it has sent.
    pub fn sent(&self) -> Vec<String> {
        self.window.sent()
    }

    /// Waits for the QR code and reads it as a camera does: from what is on the screen.
    pub async fn qr_link(&self) -> Result<String> {
        self.page.until(QR_SHOWN).await?;
        let seen = self.window.screenshot().await?;
        stand_in::camera::read_qr(&seen).with_context(|| format!("with {:?}", self.look))
    }

    /// Keeps what is on the screen for a person to look at, where `PNG_DIR` says so.
    pub async fn keep_picture(&self, name: &str) -> Result<()> {
        let Look { shell, dark, width, sdk, .. } = self.look;
        let name =
            format!("{name}-{shell:?}-{}-{width}-{}", if dark { "dark" } else { "light" }, u8::from(sdk));
        keep_picture(&self.window, &name.to_lowercase()).await
    }

    /// Nothing went wrong on it but the requests that this names.
    pub fn is_quiet_but_for(&self, expected: &[&str]) -> Result<()> {
        let blocked = (!self.look.sdk).then_some("https://telegram.org/js/telegram-web-app.js");
        let is_expected = |one: &String| {
            one.starts_with("network: ") && expected.iter().chain(&blocked).any(|part| one.contains(part))
        };
        let complaints: Vec<_> =
            self.window.complaints().into_iter().filter(|one| !is_expected(one)).collect();
        ensure!(complaints.is_empty(), "with {:?} the page complains: {complaints:#?}", self.look);
        Ok(())
    }

    /// Closes the window.
    pub async fn close(self) -> Result<()> {
        self.window.close().await
    }

    /// Nothing went wrong on it.
    pub fn is_quiet(&self) -> Result<()> {
        self.is_quiet_but_for(&[])
    }
}

/// Keeps a page's picture, where `PNG_DIR` says so.
pub async fn keep_picture(page: &Page, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PNG_DIR") else { return Ok(()) };
    std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), page.screenshot().await?)?;
    Ok(())
}

/// As `encodeURIComponent` does.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The QR code is on the screen.
pub const QR_SHOWN: &str = "(() => { const qr = document.getElementById('qr'); \
    return !qr.closest('[hidden]') && qr.complete && qr.naturalWidth > 0; })()";

/// A clock that goes wrong by so much; the right one is kept beside it.
const WRONG_CLOCK: &str = "window.rightNow = Date.now; window.Date = class extends Date { \
    constructor(...given) { super(...given.length ? given : [rightNow() + AHEAD_SECONDS * 1000]); } \
    static now() { return rightNow() + AHEAD_SECONDS * 1000; } };";

/// What a native client puts into its web view.
const NATIVE_BRIDGE: &str = "window.posted = []; window.TelegramWebviewProxy = { \
    postEvent(event, data) { window.posted.push([event, JSON.parse(data)]); } };";

/// A web client: a frame over the whole window, and answers to what the SDK asks.
const WEB_CLIENT: &str = r"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>
<style>html,body,iframe{margin:0;border:0;width:100%;height:100%;display:block}</style>
<script>
  window.posted = [];
  window.openMiniApp = (url, theme) => {
    const frame = document.createElement('iframe');
    const tell = (eventType, eventData) => frame.contentWindow.postMessage(JSON.stringify({ eventType, eventData }), '*');
    addEventListener('message', ({ source, data }) => {
      if (source !== frame.contentWindow) return;
      const { eventType, eventData } = JSON.parse(data);
      posted.push([eventType, eventData]);
      if (eventType === 'web_app_request_theme') tell('theme_changed', { theme_params: theme });
      if (eventType === 'web_app_request_viewport') tell('viewport_changed', { width: innerWidth, height: innerHeight, is_expanded: true, is_state_stable: true });
      if (eventType === 'web_app_request_safe_area') tell('safe_area_changed', { top: 0, bottom: 0, left: 0, right: 0 });
      if (eventType === 'web_app_request_phone') tell('phone_requested', { status: window.contact ? 'sent' : 'cancelled' });
      if (eventType === 'web_app_invoke_custom_method') tell('custom_method_invoked', { req_id: eventData.req_id, result: window.contact ?? '' });
      if (eventType === 'web_app_request_content_safe_area') tell('content_safe_area_changed', { top: 0, bottom: 0, left: 0, right: 0 });
    });
    frame.src = url;
    document.body.append(frame);
  };
</script>";
