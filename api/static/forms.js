//! The three forms: phone number and login code (the one-phone way), and the 2-step password. Each checks what was typed,
//! sends it, and then waits for the version that tells the outcome, because Telegram answers after our server does.

import { Refused } from './server.js';
import { minutesAndSeconds } from './clock.js';

/** A code goes to one number once a minute at most. */
const RESEND_SECONDS = 60;
/** After so long without an outcome the form may be used again. */
const PATIENCE_MS = 45_000;

/** `+` and 7 to 15 digits, or null. A Russian number may begin with 8, or with the 9 after it: no country's whole numbers do. */
export function phoneNumber(typed) {
  let digits = typed.replace(/\D/g, '');
  if (!typed.trim().startsWith('+')) digits = digits.replace(/^8(?=\d{10}$)|^(?=9\d{9}$)/, '7');
  return /^\d{7,15}$/.test(digits) ? `+${digits}` : null;
}

export class Forms {
  #view; #text; #telegram; #server; #take; #me;
  #latest = null;
  #pending = null;
  #phone = null;
  #resendAt = 0;
  #parameters = null;
  #codeLength = null;

  /** `take(status)` hands a POST's answer on; `me` is the person's Telegram id. */
  constructor({ view, text, telegram, server, take, me }) {
    this.#view = view;
    this.#text = text;
    this.#telegram = telegram;
    this.#server = server;
    this.#take = take;
    this.#me = me;
    this.#wire();
  }

  /** Every status comes by here: it may be the outcome that a form waits for. */
  heard(status) {
    const before = this.#latest;
    this.#latest = status;
    const entered = before?.status !== status.status;
    if (entered) this.#enter(status);
    this.#settle(status, entered);
    if (status.status === 'code_required') this.#code(status);
  }

  /** The once-a-second part: when a code may be sent again. */
  tick() {
    const seconds = Math.ceil((this.#resendAt - Date.now()) / 1000);
    const resend = this.#view.element('resend');
    resend.disabled = seconds > 0 || this.#pending !== null;
    resend.textContent = seconds > 0 ? this.#text('resend_in', { time: minutesAndSeconds(seconds) }) : this.#text('resend');
    resend.hidden = this.#phone === null;
  }

  #wire() {
    const on = (id, event, act) => this.#view.element(id).addEventListener(event, act);
    const submit = (id, act) => on(id, 'submit', (event) => { event.preventDefault(); if (!this.#pending) act(); });

    on('one-phone-toggle', 'click', () => this.#fold());
    on('share-phone', 'click', () => this.#sharePhone());
    submit('phone-form', () => {
      const phone = phoneNumber(this.#view.element('phone').value);
      if (phone) this.#sendPhone(phone);
      else this.#wrong('phone', this.#text('phone_bad'));
    });

    on('code', 'input', () => {
      const digits = this.#view.element('code').value.replace(/\D/g, '');
      this.#view.element('code').value = digits;
      if (digits && digits.length === this.#codeLength && !this.#pending) this.#sendCode(digits);
    });
    submit('code-form', () => {
      const digits = this.#view.element('code').value;
      if (digits) return void this.#sendCode(digits);
      // A person who presses the button after a refused code reads that it was refused.
      this.#wrong('code', this.#view.element('code-error').textContent || this.#text('code_bad'));
    });
    on('resend', 'click', () => this.#resend());

    on('password', 'input', () => this.#telegram.guardClosing(this.#view.element('password').value !== ''));
    on('reveal', 'click', () => this.#reveal(this.#view.element('password').type === 'password'));
    submit('password-form', () => this.#sendPassword());
  }

  #enter({ status }) {
    this.#forget();
    if (status === 'waiting') this.#view.element('one-phone-toggle').textContent = this.#text('one_phone');
    if (status === 'code_required') {
      // The number may have been mistyped, or typed in a page that was closed since.
      this.#view.element('one-phone-toggle').textContent = this.#text('other_number');
      this.#awaitCode();
    } else if (status === 'password_required') {
      this.#view.note('password-error', null);
      this.#view.element('password').focus();
      this.#fetchHint();
    }
  }

  /** A code is on its way. */
  #awaitCode() {
    this.#fold(false);
    this.#resendAt = Date.now() + RESEND_SECONDS * 1000;
    this.#view.note('code-error', null);
    this.#view.element('code').focus();
  }

  #settle(status, entered) {
    const pending = this.#pending;
    if (pending && status.version <= pending.version) return;
    const same = pending?.status === status.status;
    const sending = pending?.what === 'phone' || pending?.resend;
    // Other news counts the version up too: a new QR code, while a login code is waited for; a code that was sent once more
    // from another device, while this one is checked. There only an error is an outcome.
    const other = sending ? status.status === 'waiting' : pending?.what === 'code';
    if (same && other && !status.error) return;
    if (pending) this.#release();
    if (same) {
      if (sending && !status.error) this.#awaitCode();
      else this.#wrong(pending.what, status.error ?? this.#text('password_refused'));
    } else if (status.error && !entered && status.status === 'waiting' && this.#phone) {
      this.#wrong('phone', status.error);
    }
  }

  #fold(open = this.#view.element('one-phone-body').hidden) {
    this.#view.element('one-phone-body').hidden = !open;
    this.#view.element('one-phone-toggle').setAttribute('aria-expanded', String(open));
    this.#view.element('share-phone').hidden = !this.#telegram.canShareContact();
  }

  async #sharePhone() {
    if (this.#pending) return;
    this.#view.note('phone-error', null);
    const contact = await this.#telegram.requestContact();
    if (!contact) return this.#wrong('phone', this.#text('phone_declined'));
    if (contact.userId !== this.#me) return this.#wrong('phone', this.#text('phone_foreign'));
    const phone = phoneNumber(`+${contact.phone}`);
    return phone ? this.#sendPhone(phone) : this.#wrong('phone', this.#text('phone_bad'));
  }

  #sendPhone(phone) {
    this.#phone = phone;
    return this.#send('phone', 'phone-form', () => this.#server.post('phone', { phone }));
  }

  #sendCode(code) {
    return this.#send('code', 'code-form', () => this.#server.post('code', { code }));
  }

  #resend() {
    if (this.#pending) return;
    this.#resendAt = Date.now() + RESEND_SECONDS * 1000;
    this.tick();
    this.#view.note('code-error', null);
    this.#send('code', 'code-form', () => this.#server.post('phone', { phone: this.#phone }), { resend: true });
  }

  #code({ code_via: via, code_length: length }) {
    this.#codeLength = length ?? null;
    const known = ['app', 'sms', 'call', 'flash_call', 'missed_call', 'email', 'fragment'].includes(via);
    this.#view.note('code-lead', this.#text(`code_via_${known ? via : 'other'}`));
  }

  async #sendPassword() {
    const input = this.#view.element('password');
    if (!input.value) return this.#wrong('password', this.#text('password_empty'));
    if (typeof BigInt === 'undefined' || !globalThis.crypto?.subtle) return this.#wrong('password', this.#text('password_old'));
    return this.#send('password', 'password-form', async () => {
      // They serve one try: those that came with the hint for the first, fresh ones after that.
      const parameters = this.#parameters ?? await this.#server.password();
      this.#parameters = null;
      const { prove } = await import('./srp.js');
      const proof = await prove(parameters, input.value);
      return this.#server.post('password', proof);
    });
  }

  async #fetchHint() {
    try {
      this.#parameters = await this.#server.password();
    } catch {
      return; // The hint is a kindness; the try itself asks again and reports what is wrong.
    }
    const { hint } = this.#parameters;
    this.#view.note('password-hint', hint ? this.#text('password_hint', { hint }) : null);
  }

  async #send(what, form, request, { resend = false } = {}) {
    const { status, version } = this.#latest;
    const pending = { what, form, status, version, resend };
    this.#pending = pending;
    this.#view.note(`${what}-error`, null);
    this.#view.busy(form, true);
    this.#view.status(what === 'phone' || resend ? 'sending_code' : 'checking');
    pending.timer = setTimeout(() => this.#fail(pending, this.#text('unexpected')), PATIENCE_MS);
    try {
      this.#take(await request());
    } catch (error) {
      const unsafe = error?.constructor?.name === 'UnsafeParameters';
      this.#fail(pending, (error instanceof Refused && error.detail) || this.#text(unsafe ? 'password_unsafe' : 'unexpected'));
    }
  }

  #fail(pending, words) {
    if (this.#pending !== pending) return;
    this.#release();
    this.#wrong(pending.what, words);
  }

  #release() {
    const { form, timer } = this.#pending;
    clearTimeout(timer);
    this.#pending = null;
    this.#view.busy(form, false);
    if (this.#latest) this.#view.status(this.#latest.status in { waiting: 1, code_required: 1, password_required: 1 } ? this.#latest.status : 'loading');
  }

  #wrong(what, words) {
    const input = this.#view.element(what);
    this.#view.note(`${what}-error`, words);
    this.#telegram.haptic('error');
    if (what === 'code') input.value = '';
    input.setAttribute('aria-invalid', 'true');
    input.addEventListener('input', () => input.removeAttribute('aria-invalid'), { once: true });
    if (what === 'password') input.select();
    input.focus({ preventScroll: true });
  }

  #reveal(shown) {
    this.#view.element('password').type = shown ? 'text' : 'password';
    this.#view.element('reveal').setAttribute('aria-pressed', String(shown));
  }

  /** Nothing secret outlives its form. */
  #forget() {
    for (const id of ['code', 'password']) this.#view.element(id).value = '';
    this.#parameters = null;
    this.#reveal(false);
    this.#telegram.guardClosing(false);
  }
}
