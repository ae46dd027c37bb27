//! A Telegram client around the page, for the tests: it opens the page with launch data, records what the page sends, shows native
//! buttons and popups as far as a test needs them, and presses them.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { Browser } from './browser.mjs';
import { MockService, initData } from './mock.mjs';

export const ILYA = { id: 139883458, first_name: 'Ilya', language_code: 'ru' };

/** The colours of Telegram's themes, as the web client sends them. */
export const THEMES = {
  light: {
    bg_color: '#ffffff', secondary_bg_color: '#f1f1f4', section_bg_color: '#ffffff', text_color: '#000000', hint_color: '#707579', link_color: '#3390ec',
    button_color: '#3390ec', button_text_color: '#ffffff', accent_text_color: '#3390ec', destructive_text_color: '#e53935',
  },
  dark: {
    bg_color: '#212121', secondary_bg_color: '#0f0f0f', section_bg_color: '#212121', text_color: '#ffffff', hint_color: '#aaaaaa', link_color: '#8774e1',
    button_color: '#8774e1', button_text_color: '#ffffff', accent_text_color: '#8774e1', destructive_text_color: '#ff595a',
  },
};

/** A native client. `posted` holds the events that it gets. It answers a popup with `popupAnswer`, and shares `contact` if that is set. */
const BRIDGE = `window.posted = []; window.popupAnswer = 'yes';
window.receive = (name, data = {}) => window.Telegram.WebView.receiveEvent(name, data);
window.TelegramWebviewProxy = { postEvent(event, json) {
  const data = JSON.parse(json);
  window.posted.push([event, data]);
  const tell = (name, what) => setTimeout(() => window.receive(name, what));
  if (event === 'web_app_open_popup' && window.popupAnswer !== null) tell('popup_closed', { button_id: window.popupAnswer });
  if (event === 'web_app_request_phone') tell('phone_requested', { status: window.contact ? 'sent' : 'cancelled' });
  if (event === 'web_app_invoke_custom_method') tell('custom_method_invoked', { req_id: data.req_id, result: window.contact ?? '' });
} };`;

/** The signed answer of Telegram to a request for the contact, as far as the page looks at it. */
export function contact(phone = '79990000001', id = ILYA.id) {
  return `contact=${encodeURIComponent(JSON.stringify({ user_id: id, phone_number: phone }))}&hash=x`;
}

/** An expression: whether the page has sent this event, with data that fits. */
export const posted = (event, fits = 'true') => `window.posted.some(([name, data]) => name === ${JSON.stringify(event)} && ${fits})`;
/** An expression: the data that came last with this event. */
export const last = (event) => `window.posted.filter(([name]) => name === ${JSON.stringify(event)}).at(-1)?.[1]`;
/** An expression: whether an element can be seen in the page. */
export const shown = (id) => `document.getElementById('${id}').checkVisibility()`;
export const textOf = (id) => `document.getElementById('${id}').textContent`;

/** What the tests of a file share: one browser, and a service for each test. */
export class Client {
  browser = null;
  service = null;
  #count = 0;

  constructor() {
    before(async () => { this.browser = await Browser.start(); });
    after(() => this.browser.stop());
  }

  /** One login and a page that shows it, or the page at `path`. `setUp(service)` runs before that. `sdk` is `blocked`, `hanging`, or the script that telegram.org answers with. Without a
   *  `bridge` there is no client around the page. */
  async open(t, {
    login = {}, user = ILYA, platform = 'tdesktop', version = '9.1', theme = null, sdk = 'blocked', bridge = true,
    width = 390, height = 844, dark = false, reduced = true, before: script = '', unknown = false, path = null, setUp = () => {}, ...options
  } = {}) {
    const { browser } = this;
    const service = await new MockService(options).listen();
    this.service = service;
    setUp(service);
    this.#count += 1;
    const session = `session-${this.#count}`;
    if (!unknown) service.login(session, login);
    const page = await browser.page({ width, height, dark, reduced, before: (bridge ? BRIDGE : '') + script });
    await page.send('Fetch.enable', { patterns: [{ urlPattern: 'https://telegram.org/*' }] });
    browser.listen(({ method, params, sessionId }) => {
      if (method !== 'Fetch.requestPaused' || sessionId !== page.sessionId || sdk === 'hanging') return;
      if (sdk === 'blocked') page.send('Fetch.failRequest', { requestId: params.requestId, errorReason: 'ConnectionRefused' });
      else page.send('Fetch.fulfillRequest', { requestId: params.requestId, responseCode: 200, responseHeaders: [{ name: 'Content-Type', value: 'text/javascript' }], body: Buffer.from(sdk).toString('base64') });
    });
    const launch = new URLSearchParams({ tgWebAppVersion: version, tgWebAppPlatform: platform });
    if (user) launch.set('tgWebAppData', initData(user));
    if (theme) launch.set('tgWebAppThemeParams', JSON.stringify(THEMES[theme]));
    const fragment = user ? `#${launch.toString().replaceAll('+', '%20')}` : '';
    await page.open(`${service.origin}${path ?? `/qr-auth?session_id=${session}`}${fragment}`);
    t.after(async () => {
      await page.close();
      await service.close();
      assert.deepEqual(page.complaints.filter((one) => !/telegram\.org|status of (401|403|404|409|502|504)/.test(one)), [], 'the page complains');
    });
    return { page, session, set: (fields) => service.set(session, fields) };
  }

  requests(path) {
    return this.service.requests.filter((request) => request.path === path);
  }

  /** Waits for the first request to this path. */
  async first(path) {
    for (;;) {
      const [request] = this.requests(path);
      if (request) return request;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Presses the client's `main`, `secondary` or `back` button, if it is shown and active. */
export async function pressNative(page, kind) {
  const state = await page.evaluate(last(`web_app_setup_${kind}_button`));
  assert.ok(state?.is_visible && state.is_active !== false, `${kind}: ${JSON.stringify(state)}`);
  await page.evaluate(`window.receive('${kind}_button_pressed')`);
}

/** Presses a button, where it stands: in the page, or as the client's own. */
export async function press(page, id) {
  await page.until(`document.getElementById('${id}') && !document.getElementById('${id}').closest('[hidden]')`);
  const kind = await page.evaluate(`document.getElementById('${id}').dataset.native ?? null`);
  if (kind) await pressNative(page, kind);
  else await page.click(`#${id}`);
}
