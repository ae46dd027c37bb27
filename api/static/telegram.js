//! The Telegram client around the page: its launch parameters, and the requests to it. It uses Telegram's SDK if that loads. If
//! telegram.org is blocked, this module sends the same events over the client's bridge. It reads the launch parameters itself in
//! both cases, so the page never waits for the SDK.

const SDK = 'https://telegram.org/js/telegram-web-app.js';
const SDK_TIMEOUT_MS = 3_000;
/** The SDK stores the launch parameters under this key, because a reload may lose the fragment. We use the same key. */
const STORAGE_KEY = '__telegram__initParams';
/** The events of the client that we handle. */
const EVENTS = ['theme_changed', 'visibility_changed', 'safe_area_changed', 'content_safe_area_changed', 'phone_requested', 'custom_method_invoked',
  'main_button_pressed', 'secondary_button_pressed', 'back_button_pressed', 'popup_closed', 'fullscreen_changed'];

/** The store of this tab; null where the browser denies it. */
export function storage() {
  try { return window.sessionStorage; } catch { return null; }
}

/** `{initData, platform, version, theme, user}` from the URL fragment, otherwise those that an earlier load stored. */
export function launchParams(fragment, storage) {
  let params = Object.fromEntries(new URLSearchParams(fragment.replace(/^#(.*\?)?/, '')));
  if (!('tgWebAppData' in params) && !('tgWebAppPlatform' in params)) params = loadParams(storage);
  else saveParams(storage, params);
  const initData = params.tgWebAppData ?? '';
  return {
    initData,
    platform: params.tgWebAppPlatform ?? 'unknown',
    version: params.tgWebAppVersion ?? '6.0',
    theme: parseJson(params.tgWebAppThemeParams) ?? {},
    user: parseJson(new URLSearchParams(initData).get('user')),
  };
}

/** Whether the client runs on a phone or a tablet. Nobody can scan the screen in their hand. */
export function isHandheld(platform) {
  return ['ios', 'android', 'android_x'].includes(platform);
}

/** Whether the page `opens` a `tg://` link on this platform (iOS, Android), or only `explains`. Desktop would close the page, and
 *  web clients do nothing. */
export function linkPolicy(platform) {
  return isHandheld(platform) ? 'opens' : 'explains';
}

/** Whether client version `have` (`"8.0"`) is `need` or later. */
export function atLeast(have, need) {
  const [a, b] = [have, need].map((version) => version.split('.').map(Number));
  return a[0] !== b[0] ? a[0] > b[0] : (a[1] ?? 0) >= (b[1] ?? 0);
}

export class Telegram {
  #window;
  #launch;
  #handlers = new Map();
  #sdk = null;
  #theme = {};

  constructor(window, launch) {
    this.#window = window;
    this.#launch = launch;
    this.#addListeners();
    this.applyTheme(launch.theme);
    this.on('theme_changed', (data) => { this.applyTheme(data?.theme_params ?? {}); this.#paintClient(); });
    this.on('safe_area_changed', (data) => this.#applyInsets('safe-area', data));
    this.on('content_safe_area_changed', (data) => this.#applyInsets('content-safe-area', data));
  }

  /** Loads the SDK, then sends ready and expand. If the SDK fails or takes longer than 3 s, they go over the bridge. */
  async start() {
    this.#sdk = await this.#loadSdk();
    if (this.#sdk) {
      if (!this.#inFrame()) {
        for (const event of EVENTS) this.#window.Telegram.WebView?.onEvent?.(event, (name, data) => this.#dispatch(name, data));
      }
    } else {
      if (this.#inFrame()) this.post('iframe_ready', { reload_supported: false });
      this.post('web_app_request_theme');
      this.post('web_app_request_safe_area');
      this.post('web_app_request_content_safe_area');
    }
    this.call((sdk) => sdk.ready(), 'web_app_ready');
    this.call((sdk) => sdk.expand(), 'web_app_expand');
    // A scroll that begins at the top would close the page.
    if (this.supports('7.7')) this.call((sdk) => sdk.disableVerticalSwipes(), 'web_app_setup_swipe_behavior', { allow_vertical_swipe: false });
    this.#paintClient();
  }

  /** Whether there is a client around the page, of this version or later. */
  supports(version) {
    return this.#hasBridge() && atLeast(this.#launch.version, version);
  }

  on(event, handler) {
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
  }

  off(event, handler) {
    this.#handlers.set(event, (this.#handlers.get(event) ?? []).filter((one) => one !== handler));
  }

  close() {
    this.call((sdk) => sdk.close(), 'web_app_close');
  }

  /** `success`, `error` or `warning` for a notification, `light` for an impact. */
  haptic(kind) {
    if (!this.supports('6.1')) return;
    this.post('web_app_trigger_haptic_feedback', kind === 'light'
      ? { type: 'impact', impact_style: 'light' } : { type: 'notification', notification_type: kind });
  }

  /** Sets whether the client asks before it closes the page. */
  guardClosing(on) {
    if (!this.supports('6.2')) return;
    this.call((sdk) => (on ? sdk.enableClosingConfirmation() : sdk.disableClosingConfirmation()),
      'web_app_setup_closing_behavior', { need_confirmation: on });
  }

  canShareContact() {
    return this.supports('6.9');
  }

  /** Requests the person's own number: `{signed, number, userId}`, or null if the person refuses. `signed` is Telegram's answer as
   *  it is, with the hash by which our server knows that it is Telegram's. */
  async requestContact() {
    const requested = this.#nextEvent('phone_requested', () => true, 120_000);
    this.post('web_app_request_phone');
    if ((await requested)?.status !== 'sent') return null;
    // The contact reaches Telegram's server a moment after the client's "sent".
    for (let tries = 1; tries <= 12; tries += 1) {
      const id = `contact${tries}-${Math.random().toString(36).slice(2)}`;
      const result = this.#nextEvent('custom_method_invoked', (data) => data?.req_id === id, 3_000);
      this.post('web_app_invoke_custom_method', { req_id: id, method: 'getRequestedContact', params: {} });
      const signed = (await result)?.result ?? '';
      const contact = parseJson(new URLSearchParams(signed).get('contact'));
      if (contact?.phone_number) return { signed, number: contact.phone_number, userId: contact.user_id };
      await new Promise((resolve) => this.#window.setTimeout(resolve, 50 * tries));
    }
    return null;
  }

  /** Sends an event to the client, in the way of this client. */
  post(event, data = {}) {
    const { TelegramWebviewProxy: proxy, external } = this.#window;
    if (proxy?.postEvent) proxy.postEvent(event, JSON.stringify(data));
    else if (external && 'notify' in external) external.notify(JSON.stringify({ eventType: event, eventData: data }));
    // The data is not secret, and a web client may be on any of Telegram's hosts. The CSP restricts the parent.
    else if (this.#inFrame()) this.#window.parent.postMessage(JSON.stringify({ eventType: event, eventData: data }), '*');
  }

  /** Calls a method of the SDK. Without the SDK, or where it has no such method, sends the event that the method would send. */
  call(callSdk, event, data) {
    try {
      if (this.#sdk) return callSdk(this.#sdk);
    } catch { /* The SDK does not support it here. */ }
    return this.post(event, data);
  }

  applyTheme(params) {
    const root = this.#window.document.documentElement;
    for (const [name, color] of Object.entries(params)) {
      if (!/^[a-z_]+$/.test(name) || !isColor(color)) continue;
      this.#theme[name] = color;
      root.style.setProperty(`--tg-theme-${name.replace(/_/g, '-')}`, color);
    }
    if (isColor(params.bg_color)) root.dataset.scheme = isDark(params.bg_color) ? 'dark' : 'light';
  }

  /** The first of these colours that the client's theme has. */
  color(...names) {
    return names.map((name) => this.#theme[name]).find(Boolean) ?? null;
  }

  /** Gives the client's bars the colour of the page. */
  #paintClient() {
    const color = this.color('secondary_bg_color', 'bg_color');
    if (!color || !this.supports('6.1')) return;
    this.call((sdk) => sdk.setHeaderColor('secondary_bg_color'), 'web_app_set_header_color', { color_key: 'secondary_bg_color' });
    this.call((sdk) => sdk.setBackgroundColor(color), 'web_app_set_background_color', { color });
    if (this.supports('7.10')) this.call((sdk) => sdk.setBottomBarColor(color), 'web_app_set_bottom_bar_color', { color });
  }

  #applyInsets(kind, data) {
    for (const side of ['top', 'bottom', 'left', 'right']) {
      const pixels = Number(data?.[side]);
      if (Number.isFinite(pixels)) this.#window.document.documentElement.style.setProperty(`--tg-${kind}-inset-${side}`, `${pixels}px`);
    }
  }

  #nextEvent(event, matches, timeoutMs) {
    return new Promise((resolve) => {
      const finish = (data) => { this.off(event, handler); this.#window.clearTimeout(timer); resolve(data); };
      const handler = (data) => { if (matches(data)) finish(data); };
      const timer = this.#window.setTimeout(() => finish(null), timeoutMs);
      this.on(event, handler);
    });
  }

  #addListeners() {
    const receiveEvent = (event, data) => this.#dispatch(event, data);
    if (this.#inFrame()) {
      this.#window.addEventListener('message', (message) => {
        if (message.source !== this.#window.parent || typeof message.data !== 'string') return;
        const { eventType, eventData } = parseJson(message.data) ?? {};
        if (eventType) this.#dispatch(eventType, eventData);
      });
      return;
    }
    // Native clients call one of these. The SDK replaces them when it loads.
    this.#window.Telegram = { WebView: { receiveEvent } };
    this.#window.TelegramGameProxy = { receiveEvent };
    this.#window.TelegramGameProxy_receiveEvent = receiveEvent;
  }

  #dispatch(event, data) {
    for (const handler of this.#handlers.get(event) ?? []) handler(data);
  }

  #loadSdk() {
    const { document } = this.#window;
    return new Promise((resolve) => {
      const script = document.createElement('script');
      const finish = () => resolve(this.#window.Telegram?.WebApp ?? null);
      script.src = SDK;
      script.async = true;
      script.addEventListener('load', finish);
      script.addEventListener('error', () => resolve(null));
      this.#window.setTimeout(finish, SDK_TIMEOUT_MS);
      document.head.append(script);
    });
  }

  #inFrame() {
    return this.#window.parent !== this.#window;
  }

  #hasBridge() {
    return this.#inFrame() || Boolean(this.#window.TelegramWebviewProxy) || 'notify' in (this.#window.external ?? {});
  }
}

function parseJson(json) {
  try { return JSON.parse(json ?? 'null'); } catch { return null; }
}

function loadParams(storage) {
  try { return parseJson(storage?.getItem(STORAGE_KEY)) ?? {}; } catch { return {}; }
}

function saveParams(storage, params) {
  try { storage?.setItem(STORAGE_KEY, JSON.stringify(params)); } catch { /* Storage is denied: the fragment is enough. */ }
}

function isColor(text) {
  return /^#[0-9a-f]{6}$/i.test(text ?? '');
}

function isDark(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}
