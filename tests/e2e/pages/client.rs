//! A Telegram client around the Mini App: a native app with its bridge, or a web client with a frame. It opens the page as
//! Telegram does, and records the events that the page sends.

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::form_urlencoded::byte_serialize;

use crate::browser::{Browser, Page, PageOptions};
use crate::world::{World, WorldOptions};

/// The kind of client that shows the Mini App.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// A web view: events go over `TelegramWebviewProxy`.
    Native,
    /// A frame: events are posted to the parent.
    Web,
}

/// The client, window and device that show the Mini App.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub shell: Shell,
    pub dark: bool,
    pub width: u32,
    /// Whether telegram.org can be reached.
    pub sdk: bool,
    /// By how much the device's clock is ahead.
    pub ahead_seconds: i32,
}

/// What the tests of the pages need: a world, a browser, and the page of a web client.
pub struct PageFixture {
    pub world: World,
    pub browser: Browser,
    web_client: String,
    _turn: SemaphorePermit<'static>,
}

/// One fixture at a time. With several browsers the services get too little processor time to keep their leases.
static TURN: Semaphore = Semaphore::const_new(1);

/// An open Mini App.
pub struct MiniApp {
    /// Its own document.
    pub page: Page,
    /// The page itself, or the web client around it.
    window: Page,
    screen: Screen,
}

impl Screen {
    /// A phone with a light theme and the SDK.
    pub const DEFAULT: Self =
        Self { shell: Shell::Native, dark: false, width: 390, sdk: true, ahead_seconds: 0 };

    /// All combinations of theme, width and SDK for this shell.
    pub fn all(shell: Shell) -> Vec<Self> {
        let mut all = Vec::new();
        for dark in [false, true] {
            for width in [320, 390] {
                for sdk in [true, false] {
                    all.push(Self { shell, dark, width, sdk, ..Self::DEFAULT });
                }
            }
        }
        all
    }

    /// The colours of the client's theme.
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

impl PageFixture {
    pub async fn start() -> Result<Self> {
        Self::with(WorldOptions::default()).await
    }

    pub async fn with(options: WorldOptions) -> Result<Self> {
        let turn = TURN.acquire().await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let web_client = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/", get(async || Html(WEB_CLIENT)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let world = World::with(WorldOptions { page_origin: Some(web_client.clone()), ..options }).await?;
        Ok(Self { world, browser: Browser::launch().await?, web_client, _turn: turn })
    }

    /// Opens the Mini App of the newest button in this person's chat.
    pub async fn press_button(&self, person: i64, screen: Screen) -> Result<MiniApp> {
        let answers = self.world.person(person).from_bot();
        let buttons = answers.iter().flat_map(|answer| answer.keyboard.iter().flatten().flatten());
        let url =
            buttons.filter_map(|button| button.web_app_url()).next_back().context("no button in the chat")?;
        self.open(url, &self.world.person(person).init_data(None), screen).await
    }

    /// Opens a Mini App with this launch data.
    pub async fn open(&self, url: &str, launch_data: &str, screen: Screen) -> Result<MiniApp> {
        let height = if screen.width < 360 { 568 } else { 844 };
        let options =
            PageOptions { width: screen.width, height, scale: 2, dark: screen.dark, sdk: screen.sdk };
        let window = self.browser.page(options).await?;
        if screen.ahead_seconds != 0 {
            window
                .run_before_load(&WRONG_CLOCK.replace("AHEAD_SECONDS", &screen.ahead_seconds.to_string()))
                .await?;
        }
        let platform = if screen.shell == Shell::Native { "ios" } else { "weba" };
        let url = format!(
            "{url}#tgWebAppData={}&tgWebAppVersion=9.1&tgWebAppPlatform={platform}&tgWebAppThemeParams={}",
            encoded(launch_data),
            encoded(&screen.theme().to_string())
        );
        let page = match screen.shell {
            Shell::Native => {
                window.run_before_load(NATIVE_BRIDGE).await?;
                window.goto(&url).await?;
                window.clone()
            }
            Shell::Web => {
                window.goto(&self.web_client).await?;
                window.wait_until("window.openMiniApp && document.body").await?;
                window.evaluate(&format!("openMiniApp({}, {})", json!(url), screen.theme())).await?;
                window.wait_until("posted.some(([event]) => event === 'iframe_ready')").await?;
                window.frame_document().await?
            }
        };
        Ok(MiniApp { page, window, screen })
    }
}

impl MiniApp {
    /// Waits until the page shows this text.
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        self.page.wait_until(&format!("document.body.innerText.includes({})", json!(text))).await
    }

    /// Waits until the client shows this text on its main button.
    pub async fn wait_for_main_button(&self, text: &str) -> Result<()> {
        let last = "posted.filter(([event]) => event === 'web_app_setup_main_button').at(-1)[1].text";
        self.window.wait_until(&format!("{last} === {}", json!(text))).await
    }

    /// Waits until the page has sent this event to the client.
    pub async fn wait_for_posted(&self, event: &str) -> Result<()> {
        self.window.wait_until(&format!("posted.some(([event]) => event === {})", json!(event))).await
    }

    /// Presses the button with this id, also where the client shows it as its own.
    pub async fn press(&self, id: &str) -> Result<()> {
        self.page.evaluate(&format!("document.getElementById({}).click()", json!(id))).await.map(drop)
    }

    /// Replaces the text of the input with this id.
    pub async fn fill(&self, id: &str, text: &str) -> Result<()> {
        let input = format!("document.getElementById({})", json!(id));
        self.page.wait_until(&format!("!{input}.readOnly && !{input}.closest('[hidden]')")).await?;
        self.page.evaluate(&format!("{{ const input = {input}; input.focus(); input.select(); }}")).await?;
        self.window.type_text(text).await
    }

    /// Presses the submit button of the form with this id.
    pub async fn submit(&self, form: &str) -> Result<()> {
        self.page
            .evaluate(&format!("document.querySelector('#{form} [type=submit]').click()"))
            .await
            .map(drop)
    }

    /// From now on the client shares this contact when the page asks for it.
    pub async fn share_contact(&self, contact: &str) -> Result<()> {
        self.window.evaluate(&format!("window.contact = {}", json!(contact))).await.map(drop)
    }

    /// The bodies of all requests that the page has sent.
    pub fn request_bodies(&self) -> Vec<String> {
        self.window.request_bodies()
    }

    /// Waits for the QR code and reads it from a screenshot, as a camera does. On a phone it is one step further.
    pub async fn qr_link(&self) -> Result<String> {
        self.page.wait_until("document.body.dataset.phase === 'waiting'").await?;
        if self.screen.shell == Shell::Native {
            self.press("to-scan").await?;
        }
        self.page.wait_until(QR_SHOWN).await?;
        let screenshot = self.window.screenshot().await?;
        stand_in::camera::read_qr(&screenshot).with_context(|| format!("with {:?}", self.screen))
    }

    /// Saves a screenshot in `PNG_DIR`, if that is set.
    pub async fn save_screenshot(&self, name: &str) -> Result<()> {
        let Screen { shell, dark, width, sdk, .. } = self.screen;
        let name =
            format!("{name}-{shell:?}-{}-{width}-{}", if dark { "dark" } else { "light" }, u8::from(sdk));
        save_screenshot(&self.window, &name.to_lowercase()).await
    }

    /// Fails if the page has errors other than failed requests that contain one of these texts.
    pub fn expect_only_errors(&self, expected: &[&str]) -> Result<()> {
        let blocked = (!self.screen.sdk).then_some("https://telegram.org/js/telegram-web-app.js");
        let is_expected = |error: &String| {
            error.starts_with("network: ") && expected.iter().chain(&blocked).any(|part| error.contains(part))
        };
        let errors: Vec<_> = self.window.errors().into_iter().filter(|error| !is_expected(error)).collect();
        ensure!(errors.is_empty(), "with {:?} the page has errors: {errors:#?}", self.screen);
        Ok(())
    }

    pub async fn close(self) -> Result<()> {
        self.window.close().await
    }

    /// Fails if the page has errors.
    pub fn expect_no_errors(&self) -> Result<()> {
        self.expect_only_errors(&[])
    }
}

/// Saves a screenshot of a page in `PNG_DIR`, if that is set.
pub async fn save_screenshot(page: &Page, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("PNG_DIR") else { return Ok(()) };
    std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), page.screenshot().await?)?;
    Ok(())
}

/// The same as `encodeURIComponent`.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A JavaScript expression: the QR code is visible.
pub const QR_SHOWN: &str = "(() => { const qr = document.getElementById('qr'); \
    return !qr.closest('[hidden]') && qr.complete && qr.naturalWidth > 0; })()";

/// Makes `Date` wrong by `AHEAD_SECONDS`. `rightNow` is the original clock.
const WRONG_CLOCK: &str = "window.rightNow = Date.now; window.Date = class extends Date { \
    constructor(...given) { super(...given.length ? given : [rightNow() + AHEAD_SECONDS * 1000]); } \
    static now() { return rightNow() + AHEAD_SECONDS * 1000; } };";

/// The bridge that a native client adds to its web view. Its person answers each question with yes.
const NATIVE_BRIDGE: &str = "window.posted = []; window.TelegramWebviewProxy = { postEvent(event, data) { \
    window.posted.push([event, JSON.parse(data)]); \
    const answer = () => window.Telegram.WebView.receiveEvent('popup_closed', { button_id: 'yes' }); \
    if (event === 'web_app_open_popup') setTimeout(answer); } };";

/// A web client: a frame over the whole window, and answers to the SDK's requests.
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
      if (eventType === 'web_app_open_popup') tell('popup_closed', { button_id: 'yes' });
      if (eventType === 'web_app_request_phone') tell('phone_requested', { status: window.contact ? 'sent' : 'cancelled' });
      if (eventType === 'web_app_invoke_custom_method') tell('custom_method_invoked', { req_id: eventData.req_id, result: window.contact ?? '' });
      if (eventType === 'web_app_request_content_safe_area') tell('content_safe_area_changed', { top: 0, bottom: 0, left: 0, right: 0 });
    });
    frame.src = url;
    document.body.append(frame);
  };
</script>";
