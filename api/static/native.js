//! The client's own controls: the buttons below the page, the arrow above it, its popup, and its full screen. A native button
//! stands for one button of the page, which is not shown meanwhile: it has the same words, and pressing it presses that one.

/** The client's version that has each control. */
const SINCE = { main: '6.0', back: '6.1', popup: '6.2', secondary: '7.10', fullscreen: '8.0', keyboard: '9.1' };

export class Native {
  #telegram;
  /** The button of the page that each native button stands for. */
  #shown = { main: null, secondary: null, back: null };
  /** What the client was told last, as text. */
  #told = {};
  #answer = null;

  constructor(telegram) {
    this.#telegram = telegram;
    for (const kind of Object.keys(this.#shown)) telegram.on(`${kind}_button_pressed`, () => this.#shown[kind]?.click());
    telegram.on('popup_closed', (data) => this.#answered(data?.button_id === 'yes'));
    telegram.on('theme_changed', () => this.update());
  }

  has(control) {
    return this.#telegram.supports(SINCE[control]);
  }

  /** Shows these buttons of the page (or null) as the client's, where it has such. */
  show(buttons) {
    for (const kind of Object.keys(this.#shown)) {
      const button = this.has(kind) ? buttons[kind] ?? null : null;
      if (this.#shown[kind] === button) continue;
      this.#shown[kind]?.removeAttribute('data-native');
      button?.setAttribute('data-native', kind);
      this.#shown[kind] = button;
    }
    this.update();
  }

  /** Tells the client how the buttons look now. With `again`, also what it was told before: the SDK has loaded since. */
  update({ again = false } = {}) {
    if (again) this.#told = {};
    for (const kind of ['main', 'secondary']) if (this.has(kind)) this.#tell(kind, this.#paramsOf(kind), (params) => this.#setUp(kind, params));
    if (this.has('back')) {
      const visible = Boolean(this.#shown.back);
      this.#tell('back', visible, () => this.#telegram.call(({ BackButton: back }) => (visible ? back.show() : back.hide()),
        'web_app_setup_back_button', { is_visible: visible }));
    }
  }

  /** Asks in the client's popup. Resolves to whether the answer is yes. */
  confirm({ title, message, yes, no }) {
    this.#answered(false);
    const params = { title, message, buttons: [{ id: 'yes', type: 'destructive', text: yes }, { id: 'no', type: 'default', text: no }] };
    const answer = new Promise((resolve) => { this.#answer = resolve; });
    this.#telegram.call((sdk) => sdk.showPopup(params), 'web_app_open_popup', params);
    return answer;
  }

  fullscreen(on) {
    if (!this.has('fullscreen')) return;
    if (on) this.#telegram.call((sdk) => sdk.requestFullscreen(), 'web_app_request_fullscreen');
    else this.#telegram.call((sdk) => sdk.exitFullscreen(), 'web_app_exit_fullscreen');
  }

  hideKeyboard() {
    if (this.has('keyboard')) this.#telegram.call((sdk) => sdk.hideKeyboard(), 'web_app_hide_keyboard');
  }

  #answered(yes) {
    this.#answer?.(yes);
    this.#answer = null;
  }

  #tell(kind, params, send) {
    const text = JSON.stringify(params);
    if (this.#told[kind] === text) return;
    this.#told[kind] = text;
    send(params);
  }

  #paramsOf(kind) {
    const button = this.#shown[kind];
    if (!button) return { is_visible: false };
    const busy = button.matches('[aria-busy], [aria-busy] *');
    const active = !busy && button.getAttribute('aria-disabled') !== 'true';
    return { is_visible: true, is_active: active, is_progress_visible: busy, text: button.textContent, ...this.#colorsOf(kind, button) };
  }

  /** The main button has the theme's colours. The other one is as quiet as the bar below it. */
  #colorsOf(kind, button) {
    const danger = button.classList.contains('danger');
    const [color, textColor] = kind === 'main'
      ? [this.#telegram.color('button_color'), this.#telegram.color('button_text_color')]
      : [this.#telegram.color('secondary_bg_color', 'bg_color'),
        danger ? this.#telegram.color('destructive_text_color') : this.#telegram.color('accent_text_color', 'link_color')];
    return { ...(color && { color }), ...(textColor && { text_color: textColor }), ...(kind === 'secondary' && { position: 'bottom' }) };
  }

  #setUp(kind, params) {
    this.#telegram.call((sdk) => {
      const native = kind === 'main' ? sdk.MainButton : sdk.SecondaryButton;
      const { is_progress_visible: busy, ...rest } = params;
      if (busy) native.showProgress();
      else native.hideProgress();
      native.setParams(rest);
    }, `web_app_setup_${kind}_button`, params);
  }
}
