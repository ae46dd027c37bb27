//! The Mini App in its frame, and the client around it: Telegram's web client's event protocol, spoken by this page.

import { ask, h, icon, toast } from './dom.js';
import { post } from './server.js';

/** The colours that Telegram's web client sends. */
export const THEMES = {
  light: {
    bg_color: '#ffffff', secondary_bg_color: '#f0f2f5', section_bg_color: '#ffffff', text_color: '#000000', hint_color: '#707579', link_color: '#3390ec',
    button_color: '#3390ec', button_text_color: '#ffffff', header_bg_color: '#ffffff', accent_text_color: '#3390ec', destructive_text_color: '#e53935', subtitle_text_color: '#707579',
  },
  dark: {
    bg_color: '#212121', secondary_bg_color: '#0f0f0f', section_bg_color: '#212121', text_color: '#ffffff', hint_color: '#aaaaaa', link_color: '#8774e1',
    button_color: '#8774e1', button_text_color: '#ffffff', header_bg_color: '#212121', accent_text_color: '#8774e1', destructive_text_color: '#ff595a', subtitle_text_color: '#aaaaaa',
  },
};

/** The address of a Mini App as the client opens it: launch parameters travel in the fragment. */
export function launchUrl(url, initData, theme) {
  const fragment = new URLSearchParams();
  fragment.set('tgWebAppData', initData);
  fragment.set('tgWebAppVersion', '9.1');
  fragment.set('tgWebAppPlatform', 'weba');
  fragment.set('tgWebAppThemeParams', JSON.stringify(THEMES[theme]));
  return `${url.split('#')[0]}#${fragment.toString().replaceAll('+', '%20')}`;
}

export class MiniApp {
  #host; #theme; #shown;
  #frame = null;
  #person = null;
  #url = null;
  #confirmClosing = false;
  #contact = '';

  /** `theme()` names the theme now; `shown()` is called when an app opens. */
  constructor(host, { theme, shown }) {
    this.#host = host;
    this.#theme = theme;
    this.#shown = shown;
    window.addEventListener('message', (event) => {
      if (!this.#frame || event.source !== this.#frame.contentWindow || typeof event.data !== 'string') return;
      let message = null;
      try { message = JSON.parse(event.data); } catch { return; }
      this.#hear(message.eventType, message.eventData ?? {});
    });
    this.#idle();
  }

  /** The QR code picture that stands on the screen, or null: what a camera in front of it would see. */
  picture() {
    const image = this.#frame?.contentDocument?.getElementById('qr');
    return image && !image.hidden && image.closest('[hidden]') === null && image.complete && image.naturalWidth ? image : null;
  }

  async open(url, person, init = {}) {
    try {
      const { init_data: initData } = await post('init_data', { person: person.id, start_param: null, ...init });
      this.#person = person;
      this.#url = url;
      this.#confirmClosing = false;
      this.#contact = '';
      this.#build(launchUrl(url, initData, this.#theme()));
      this.#shown();
    } catch (error) {
      toast(error.message, 'bad');
    }
  }

  close() {
    this.#frame = null;
    this.#idle();
  }

  themeChanged() {
    this.#send('theme_changed', { theme_params: THEMES[this.#theme()] });
  }

  #idle() {
    this.#host.replaceChildren(h('div', { class: 'screen idle' }, h('div', { class: 'placeholder' },
      icon('qr'), h('strong', {}, 'The Mini App opens here'), h('p', {}, 'Send the invite in the chat, then press the button under the bot’s answer.'))));
  }

  #build(src) {
    this.#frame = h('iframe', { title: 'Mini App', allow: "clipboard-read 'none'; clipboard-write 'none'" });
    const bottom = (kind) => h('button', { type: 'button', class: `${kind}-button`, hidden: true, onclick: () => this.#send(`${kind}_button_pressed`, {}) });
    this.mainButton = bottom('main');
    this.secondaryButton = bottom('secondary');
    this.backButton = h('button', { type: 'button', class: 'plain', 'aria-label': 'Back', hidden: true, onclick: () => this.#send('back_button_pressed', {}) }, icon('back'));
    const screen = h('div', { class: 'screen' },
      h('header', { class: 'app-head' },
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Close the Mini App', onclick: () => this.#userCloses() }, icon('close')),
        this.backButton,
        h('div', { class: 'grow' }, h('strong', {}, 'QR Login'), h('small', {}, `mini app · opened by ${this.#person.first_name}`)),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'More', onclick: () => this.#more(screen) }, icon('more'))),
      this.#frame, this.mainButton, this.secondaryButton);
    this.#host.replaceChildren(screen);
    this.#frame.src = src;
  }

  async #more(screen) {
    const choice = await ask(screen, {
      title: 'Open it again',
      buttons: [
        { label: 'Reload', value: {} },
        { label: 'With launch data of an hour ago', value: { age_seconds: 3600 } },
        { label: 'With forged launch data', value: { forged: true } },
      ],
    });
    if (choice) await this.open(this.#url, this.#person, choice);
  }

  async #userCloses() {
    if (this.#confirmClosing) {
      const sure = await ask(this.#host.firstChild, {
        title: 'Close the Mini App?', text: 'Changes that you made may not be saved.',
        buttons: [{ label: 'Cancel', value: false }, { label: 'Close anyway', value: true, kind: 'danger' }],
      });
      if (!sure) return;
    }
    this.close();
  }

  #send(eventType, eventData) {
    this.#frame?.contentWindow?.postMessage(JSON.stringify({ eventType, eventData }), '*');
  }

  #hear(event, data) {
    switch (event) {
      case 'web_app_close': return this.close();
      case 'web_app_setup_closing_behavior': this.#confirmClosing = Boolean(data.need_confirmation); return undefined;
      case 'web_app_request_theme': return this.themeChanged();
      case 'web_app_request_viewport': return this.#send('viewport_changed', {
        width: this.#frame.clientWidth, height: this.#frame.clientHeight, is_expanded: true, is_state_stable: true,
      });
      case 'web_app_request_safe_area': return this.#send('safe_area_changed', { top: 0, bottom: 0, left: 0, right: 0 });
      case 'web_app_request_content_safe_area': return this.#send('content_safe_area_changed', { top: 0, bottom: 0, left: 0, right: 0 });
      case 'web_app_setup_main_button': return setUp(this.mainButton, data);
      case 'web_app_setup_secondary_button': return setUp(this.secondaryButton, data);
      case 'web_app_setup_back_button': this.backButton.hidden = !data.is_visible; return undefined;
      case 'web_app_open_popup': return this.#popUp(data);
      case 'web_app_request_fullscreen': return this.#send('fullscreen_failed', { error: 'UNSUPPORTED' });
      case 'web_app_trigger_haptic_feedback': return this.#shake(data);
      case 'web_app_open_link': return this.#openLink(data.url);
      case 'web_app_open_tg_link': return toast(`Telegram would open t.me${data.path_full ?? ''}`);
      case 'web_app_read_text_from_clipboard': return this.#send('clipboard_text_received', { req_id: data.req_id });
      case 'web_app_request_phone': return this.#askForPhone();
      case 'web_app_invoke_custom_method': return this.#send('custom_method_invoked', {
        req_id: data.req_id, ...(data.method === 'getRequestedContact' ? { result: this.#contact } : { error: 'METHOD_INVALID' }),
      });
      // Ready, expand and the colours of bars need nothing: the frame stands there in full already.
      default: return undefined;
    }
  }

  async #popUp({ title, message, buttons }) {
    const choice = await ask(this.#host.firstChild, {
      title, text: message,
      buttons: buttons.map(({ id, type, text }) => ({ label: text ?? type, value: id, kind: type === 'destructive' ? 'danger' : '' })),
    });
    this.#send('popup_closed', choice === null ? {} : { button_id: choice });
  }

  #shake({ type, notification_type: notification }) {
    const kind = type === 'notification' ? notification : 'light';
    this.#host.classList.remove('haptic-success', 'haptic-error', 'haptic-warning', 'haptic-light');
    void this.#host.offsetWidth; // Restarts the animation.
    this.#host.classList.add(`haptic-${kind}`);
  }

  async #openLink(url) {
    if (!/^https?:/i.test(url ?? '')) return;
    const sure = await ask(this.#host.firstChild, { title: 'Open link?', text: url, buttons: [{ label: 'Cancel', value: false }, { label: 'Open', value: true }] });
    if (sure) window.open(url, '_blank', 'noopener');
  }

  async #askForPhone() {
    const sure = await ask(this.#host.firstChild, {
      title: 'Share your phone number?', text: `The bot will see ${this.#person.first_name}’s number: ${this.#person.phone.number}`,
      buttons: [{ label: 'Cancel', value: false }, { label: 'Share', value: true }],
    });
    try {
      if (sure) this.#contact = (await post('share_contact', { person: this.#person.id })).contact;
    } catch (error) {
      toast(error.message, 'bad');
      return this.#send('phone_requested', { status: 'cancelled' });
    }
    return this.#send('phone_requested', { status: sure ? 'sent' : 'cancelled' });
  }
}

/** Shows a button below the page as the Mini App wants it. */
function setUp(button, { is_visible: visible, is_active: active, is_progress_visible: busy, text, color, text_color: textColor }) {
  button.hidden = !visible;
  button.disabled = active === false;
  button.textContent = `${text ?? ''}${busy ? ' …' : ''}`;
  if (color) button.style.setProperty('background', color);
  if (textColor) button.style.setProperty('color', textColor);
}
