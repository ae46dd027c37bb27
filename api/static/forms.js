//! The three forms: phone number and login code (the one-phone way), and the 2-step password. Each checks the input, sends it,
//! and waits for the version with the outcome, because Telegram answers after our server does.

import { Refused } from './server.js';
import { maskedNumber, phoneNumber } from './phone.js';
import { minutesAndSeconds } from './clock.js';

/** A number gets one code a minute at most. */
const RESEND_SECONDS = 60;
/** After this time without an outcome the form can be used again. */
const OUTCOME_TIMEOUT_MS = 45_000;

export class Forms {
  #view; #text; #telegram; #server; #onStatus; #onCodeSent; #onChange; #userId;
  #latest = null;
  #pending = null;
  /** The last number that was sent: what the server gets, and how it is shown. */
  #phone = null;
  /** The number that has got the code, masked. Null if this page does not know it. */
  #sentTo = null;
  #resendAt = 0;
  #parameters = null;
  #codeLength = null;

  /** `onStatus(status)` gets the answer of a POST. `onCodeSent()` is called when Telegram has sent a code, `onChange()` when a
   *  button looks different. `userId` is the person's Telegram id. */
  constructor({ view, text, telegram, server, onStatus, onCodeSent, onChange, userId }) {
    this.#view = view;
    this.#text = text;
    this.#telegram = telegram;
    this.#server = server;
    this.#onStatus = onStatus;
    this.#onCodeSent = onCodeSent;
    this.#onChange = onChange;
    this.#userId = userId;
    this.#addListeners();
  }

  /** Takes every status, because it may be the outcome that a form waits for. */
  update(status) {
    const previous = this.#latest;
    this.#latest = status;
    const entered = previous?.status !== status.status;
    if (entered) this.#enterPhase(status);
    this.#settlePending(status, entered);
    if (status.status === 'code_required') this.#showCode(status);
  }

  /** Called once a second: updates when a code can be sent again. */
  tick() {
    const seconds = Math.ceil((this.#resendAt - Date.now()) / 1000);
    const resend = this.#view.element('resend');
    this.#view.pressable(resend, seconds <= 0 && this.#pending === null);
    resend.textContent = seconds > 0 ? this.#text('resend_in', { time: minutesAndSeconds(seconds) }) : this.#text('resend');
    resend.hidden = this.#phone === null;
  }

  #addListeners() {
    const on = (id, event, handler) => this.#view.element(id).addEventListener(event, handler);
    const submit = (id, handler) => on(id, 'submit', (event) => { event.preventDefault(); if (!this.#pending) handler(); });

    on('share-phone', 'click', () => this.#sharePhone());
    on('phone', 'input', () => this.#onChange());
    submit('phone-form', () => {
      const phone = phoneNumber(this.#view.element('phone').value);
      if (phone) this.#sendPhone({ phone }, phone);
      else this.#showError('phone', this.#text('phone_bad'));
    });

    on('code', 'input', () => {
      const digits = this.#view.element('code').value.replace(/\D/g, '');
      this.#view.element('code').value = digits;
      if (digits && digits.length === this.#codeLength && !this.#pending) this.#sendCode(digits);
    });
    submit('code-form', () => {
      const digits = this.#view.element('code').value;
      if (digits) return void this.#sendCode(digits);
      // An empty form keeps the error of the code that was refused before.
      this.#showError('code', this.#view.element('code-error').textContent || this.#text('code_bad'));
    });
    on('resend', 'click', () => this.#resend());

    on('password', 'input', () => this.#telegram.guardClosing(this.#view.element('password').value !== ''));
    on('reveal', 'click', () => this.#revealPassword(this.#view.element('password').type === 'password'));
    submit('password-form', () => this.#sendPassword());
  }

  #enterPhase({ status }) {
    this.#clearSecrets();
    if (status === 'waiting') {
      this.#phone = null;
    } else if (status === 'code_required') {
      this.#awaitCode(this.#pending?.field === 'phone');
    } else if (status === 'password_required') {
      this.#view.note('password-error', null);
      this.#view.element('password').focus();
      this.#fetchHint();
    }
  }

  /** Telegram has sent a code: to the number of this page, or to one that another page has given. */
  #awaitCode(isOurs) {
    this.#sentTo = isOurs && this.#phone ? this.#phone.shown : null;
    this.#resendAt = Date.now() + RESEND_SECONDS * 1000;
    this.#view.note('code-error', null);
    this.#onCodeSent();
    this.#view.element('code').focus();
  }

  #settlePending(status, entered) {
    const pending = this.#pending;
    if (pending && status.version <= pending.version) return;
    const sameStatus = pending?.status === status.status;
    const sendsCode = pending?.field === 'phone' || pending?.resend;
    // Other changes raise the version too: a new QR code while a login code is being sent, or a code that another device
    // requested while this one is checked. In these cases only an error is an outcome.
    const mayBeOtherChange = sendsCode ? status.status === 'waiting' : pending?.field === 'code';
    if (sameStatus && mayBeOtherChange && !status.error) return;
    if (pending) this.#release();
    if (sameStatus) {
      if (sendsCode && !status.error) this.#awaitCode(true);
      else this.#showError(pending.field, status.error ?? this.#text('password_refused'));
    } else if (status.error && !entered && status.status === 'waiting' && this.#phone) {
      this.#showError('phone', status.error);
    }
  }

  async #sharePhone() {
    const share = this.#view.element('share-phone');
    if (this.#pending || share.hasAttribute('aria-busy')) return undefined;
    this.#view.note('phone-error', null);
    this.#working(share, true);
    const contact = await this.#telegram.requestContact();
    this.#working(share, false);
    if (!contact) return this.#showError('phone', this.#text(this.#mayType() ? 'phone_declined' : 'phone_withheld'));
    if (contact.userId !== this.#userId) return this.#showError('phone', this.#text('phone_foreign'));
    return this.#sendPhone({ contact: contact.signed }, contact.number);
  }

  #working(button, on) {
    this.#view.working(button, on);
    this.#onChange();
  }

  /** Whether the server takes a number that was typed. */
  #mayType() {
    return !this.#view.element('phone-form').hidden;
  }

  /** `fields` is `{contact}`, signed by Telegram, or `{phone}`, which was typed. */
  #sendPhone(fields, number) {
    this.#phone = { fields, shown: maskedNumber(number) };
    return this.#send('phone', 'phone-form', () => this.#server.post('phone', fields));
  }

  #sendCode(code) {
    return this.#send('code', 'code-form', () => this.#server.post('code', { code }));
  }

  #resend() {
    if (this.#pending || Date.now() < this.#resendAt) return;
    this.#resendAt = Date.now() + RESEND_SECONDS * 1000;
    this.tick();
    this.#view.note('code-error', null);
    this.#send('code', 'code-form', () => this.#server.post('phone', this.#phone.fields), { resend: true });
  }

  #showCode({ code_via: via, code_length: length }) {
    this.#codeLength = length ?? null;
    const known = ['app', 'sms', 'call', 'flash_call', 'missed_call', 'email', 'fragment'].includes(via);
    this.#view.note('sent-to', this.#sentTo ? this.#text('sent_to', { number: this.#sentTo }) : this.#text('sent'));
    this.#view.note('code-lead', this.#text(`code_via_${known ? via : 'other'}`));
  }

  async #sendPassword() {
    const input = this.#view.element('password');
    if (!input.value) return this.#showError('password', this.#text('password_empty'));
    if (typeof BigInt === 'undefined' || !globalThis.crypto?.subtle) return this.#showError('password', this.#text('password_old'));
    return this.#send('password', 'password-form', async () => {
      // Parameters are valid for one attempt. The first uses those that came with the hint, later ones fetch new ones.
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
      return; // The hint is optional. The attempt fetches the parameters again and shows the error.
    }
    const { hint } = this.#parameters;
    this.#view.note('password-hint', hint ? this.#text('password_hint', { hint }) : null);
  }

  async #send(field, form, request, { resend = false } = {}) {
    const { status, version } = this.#latest;
    const pending = { field, form, status, version, resend };
    this.#pending = pending;
    this.#view.note(`${field}-error`, null);
    this.#view.busy(form, true);
    if (form === 'phone-form') this.#view.working(this.#view.element('share-phone'), true);
    this.#view.status(field === 'phone' || resend ? 'sending_code' : 'checking');
    this.#onChange();
    pending.timer = setTimeout(() => this.#fail(pending, this.#text('unexpected')), OUTCOME_TIMEOUT_MS);
    try {
      this.#onStatus(await request());
    } catch (error) {
      const isUnsafe = error?.constructor?.name === 'UnsafeParameters';
      this.#fail(pending, (error instanceof Refused && error.detail) || this.#text(isUnsafe ? 'password_unsafe' : 'unexpected'));
    }
  }

  #fail(pending, message) {
    if (this.#pending !== pending) return;
    this.#release();
    this.#showError(pending.field, message);
  }

  #release() {
    const { form, timer } = this.#pending;
    clearTimeout(timer);
    this.#pending = null;
    this.#view.busy(form, false);
    if (form === 'phone-form') this.#view.working(this.#view.element('share-phone'), false);
    if (this.#latest) this.#view.status(this.#latest.status in { waiting: 1, code_required: 1, password_required: 1 } ? this.#latest.status : 'loading');
    this.#onChange();
  }

  #showError(field, message) {
    const input = this.#view.element(field);
    this.#view.note(`${field}-error`, message);
    this.#telegram.haptic('error');
    if (field === 'code') input.value = '';
    input.setAttribute('aria-invalid', 'true');
    input.addEventListener('input', () => input.removeAttribute('aria-invalid'), { once: true });
    if (field === 'password') input.select();
    input.focus({ preventScroll: true });
  }

  #revealPassword(shown) {
    this.#view.element('password').type = shown ? 'text' : 'password';
    this.#view.element('reveal').setAttribute('aria-pressed', String(shown));
  }

  /** Clears the secrets of the forms when the status changes. */
  #clearSecrets() {
    for (const id of ['code', 'password']) this.#view.element(id).value = '';
    this.#parameters = null;
    this.#revealPassword(false);
    this.#telegram.guardClosing(false);
  }
}
