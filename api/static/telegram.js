//! The client around the page: what it told us at launch, and the few things we ask of it. Telegram's SDK is used where
//! it loads; where telegram.org is blocked, the same events go over the client's bridge by our own hand. Launch
//! parameters are read here in both cases, so the page never waits for the SDK.

const SDK = 'https://telegram.org/js/telegram-web-app.js';
const SDK_PATIENCE_MS = 3_000;
/** Where the SDK keeps launch parameters over a reload that loses the fragment; we keep them there too. */
const STORAGE_KEY = '__telegram__initParams';
/** What we listen to, under the client's own names. */
const EVENTS = ['theme_changed', 'visibility_changed', 'safe_area_changed', 'content_safe_area_changed', 'phone_requested', 'custom_method_invoked'];

/** `{initData, platform, version, theme, user}` from the URL fragment, else from what an earlier load kept. */
export function launchParams(fragment, storage) {
  let params = Object.fromEntries(new URLSearchParams(fragment.replace(/^#(.*\?)?/, '')));
  if (!('tgWebAppData' in params) && !('tgWebAppPlatform' in params)) params = kept(storage);
  else keep(storage, params);
  const initData = params.tgWebAppData ?? '';
  return {
    initData,
    platform: params.tgWebAppPlatform ?? 'unknown',
    version: params.tgWebAppVersion ?? '6.0',
    theme: parsed(params.tgWebAppThemeParams) ?? {},
    user: parsed(new URLSearchParams(initData).get('user')),
  };
}

/** What a `tg://` link does there: `opens` (iOS, Android) or `explains`: Desktop closes the page, web clients do nothing. */
export function linkPolicy(platform) {
  return ['ios', 'android', 'android_x'].includes(platform) ? 'opens' : 'explains';
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
  #background = null;

  constructor(window, launch) {
    this.#window = window;
    this.#launch = launch;
    this.#listen();
    this.applyTheme(launch.theme);
    this.on('theme_changed', (data) => { this.applyTheme(data?.theme_params ?? {}); this.#paintClient(); });
    this.on('safe_area_changed', (data) => this.#applyInsets('safe-area', data));
    this.on('content_safe_area_changed', (data) => this.#applyInsets('content-safe-area', data));
  }

  /** Loads the SDK, then says ready and expands; without the SDK after 3 s, or when it fails, all the same. */
  async start() {
    this.#sdk = await this.#loadSdk();
    if (this.#sdk) {
      if (!this.#inFrame()) {
        for (const event of EVENTS) this.#window.Telegram.WebView?.onEvent?.(event, (name, data) => this.#deliver(name, data));
      }
    } else {
      if (this.#inFrame()) this.post('iframe_ready', { reload_supported: false });
      this.post('web_app_request_theme');
      this.post('web_app_request_safe_area');
      this.post('web_app_request_content_safe_area');
    }
    this.#call((sdk) => sdk.ready(), 'web_app_ready');
    this.#call((sdk) => sdk.expand(), 'web_app_expand');
    this.#paintClient();
  }

  on(event, handler) {
    this.#handlers.set(event, [...(this.#handlers.get(event) ?? []), handler]);
  }

  off(event, handler) {
    this.#handlers.set(event, (this.#handlers.get(event) ?? []).filter((one) => one !== handler));
  }

  close() {
    this.#call((sdk) => sdk.close(), 'web_app_close');
  }

  /** `success`, `error`, `warning`, or `light` for a touch. */
  haptic(kind) {
    if (!atLeast(this.#launch.version, '6.1')) return;
    this.post('web_app_trigger_haptic_feedback', kind === 'light'
      ? { type: 'impact', impact_style: 'light' } : { type: 'notification', notification_type: kind });
  }

  /** Whether the client asks before it closes the page. */
  guardClosing(on) {
    if (!atLeast(this.#launch.version, '6.2')) return;
    this.#call((sdk) => (on ? sdk.enableClosingConfirmation() : sdk.disableClosingConfirmation()),
      'web_app_setup_closing_behavior', { need_confirmation: on });
  }

  canShareContact() {
    return this.#hasBridge() && atLeast(this.#launch.version, '6.9');
  }

  /** Asks for the person's own number: `{phone, userId}`, or null when it is not given. */
  async requestContact() {
    const asked = this.#next('phone_requested', () => true, 120_000);
    this.post('web_app_request_phone');
    if ((await asked)?.status !== 'sent') return null;
    // The contact reaches Telegram's server a moment after the client says "sent".
    for (let tries = 1; tries <= 12; tries += 1) {
      const id = `contact${tries}-${Math.random().toString(36).slice(2)}`;
      const answered = this.#next('custom_method_invoked', (data) => data?.req_id === id, 3_000);
      this.post('web_app_invoke_custom_method', { req_id: id, method: 'getRequestedContact', params: {} });
      const contact = parsed(new URLSearchParams((await answered)?.result ?? '').get('contact'));
      if (contact?.phone_number) return { phone: String(contact.phone_number), userId: contact.user_id };
      await new Promise((resolve) => this.#window.setTimeout(resolve, 50 * tries));
    }
    return null;
  }

  /** One event to the client, in whichever way this client takes it. */
  post(event, data = {}) {
    const { TelegramWebviewProxy: proxy, external } = this.#window;
    if (proxy?.postEvent) proxy.postEvent(event, JSON.stringify(data));
    else if (external && 'notify' in external) external.notify(JSON.stringify({ eventType: event, eventData: data }));
    // Nothing here is secret, and a web client may live on any of Telegram's hosts: the CSP says who can be the parent.
    else if (this.#inFrame()) this.#window.parent.postMessage(JSON.stringify({ eventType: event, eventData: data }), '*');
  }

  applyTheme(params) {
    const root = this.#window.document.documentElement;
    for (const [name, color] of Object.entries(params)) {
      if (/^[a-z_]+$/.test(name) && /^#[0-9a-f]{6}$/i.test(color)) root.style.setProperty(`--tg-theme-${name.replace(/_/g, '-')}`, color);
    }
    this.#background = params.secondary_bg_color ?? params.bg_color ?? this.#background;
    if (/^#[0-9a-f]{6}$/i.test(params.bg_color ?? '')) root.dataset.scheme = isDark(params.bg_color) ? 'dark' : 'light';
  }

  #call(bySdk, event, data) {
    try {
      if (this.#sdk) return bySdk(this.#sdk);
    } catch { /* an SDK that cannot do it here: by hand */ }
    this.post(event, data);
  }

  /** The client's own bars take the page's colour. */
  #paintClient() {
    if (!this.#background || !atLeast(this.#launch.version, '6.1')) return;
    this.post('web_app_set_header_color', { color_key: 'secondary_bg_color' });
    this.post('web_app_set_background_color', { color: this.#background });
  }

  #applyInsets(kind, data) {
    for (const side of ['top', 'bottom', 'left', 'right']) {
      const pixels = Number(data?.[side]);
      if (Number.isFinite(pixels)) this.#window.document.documentElement.style.setProperty(`--tg-${kind}-inset-${side}`, `${pixels}px`);
    }
  }

  #next(event, matches, patienceMs) {
    return new Promise((resolve) => {
      const finish = (data) => { this.off(event, hear); this.#window.clearTimeout(timer); resolve(data); };
      const hear = (data) => { if (matches(data)) finish(data); };
      const timer = this.#window.setTimeout(() => finish(null), patienceMs);
      this.on(event, hear);
    });
  }

  #listen() {
    const receiveEvent = (event, data) => this.#deliver(event, data);
    if (this.#inFrame()) {
      this.#window.addEventListener('message', (message) => {
        if (message.source !== this.#window.parent || typeof message.data !== 'string') return;
        const { eventType, eventData } = parsed(message.data) ?? {};
        if (eventType) this.#deliver(eventType, eventData);
      });
      return;
    }
    // Native clients call one of these; the SDK replaces them when it comes.
    this.#window.Telegram = { WebView: { receiveEvent } };
    this.#window.TelegramGameProxy = { receiveEvent };
    this.#window.TelegramGameProxy_receiveEvent = receiveEvent;
  }

  #deliver(event, data) {
    for (const handler of this.#handlers.get(event) ?? []) handler(data);
  }

  #loadSdk() {
    const { document } = this.#window;
    return new Promise((resolve) => {
      const script = document.createElement('script');
      const give = () => resolve(this.#window.Telegram?.WebApp ?? null);
      script.src = SDK;
      script.async = true;
      script.addEventListener('load', give);
      script.addEventListener('error', () => resolve(null));
      this.#window.setTimeout(give, SDK_PATIENCE_MS);
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

function parsed(json) {
  try { return JSON.parse(json ?? 'null'); } catch { return null; }
}

function kept(storage) {
  try { return parsed(storage?.getItem(STORAGE_KEY)) ?? {}; } catch { return {}; }
}

function keep(storage, params) {
  try { storage?.setItem(STORAGE_KEY, JSON.stringify(params)); } catch { /* storage denied: the fragment is enough */ }
}

function isDark(color) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}
