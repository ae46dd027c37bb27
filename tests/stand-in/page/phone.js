//! The phone that scans: somebody's Telegram on its Devices screen, a camera that looks at the Mini App, and the question
//! whether to log in. The picture that is sent is the one on the screen, not the token behind it.

import { ask, avatar, clockTime, h, icon, toast } from './dom.js';
import { post } from './server.js';

/** What the camera takes, in pixels; a QR code of version 6 is read easily at that size. */
const CAMERA = 640;
const ERRORS = {
  NO_QR_CODE: 'No QR code in sight.',
  NOT_A_LOGIN_CODE: 'This QR code is not a login code.',
  AUTH_TOKEN_EXPIRED: 'This code has expired. Scan the new one.',
  AUTH_TOKEN_INVALID: 'Telegram does not know this code.',
  AUTH_TOKEN_ALREADY_ACCEPTED: 'This code was already used.',
  AIRPLANE_MODE: 'No connection: Telegram cannot be reached.',
  SCAN_UNKNOWN: 'That scan is gone. Scan again.',
};

export class Phone {
  #host; #look;
  #person = null;
  #state = null;
  #drawn = '';
  #seen = new Set();

  /** `look()` gives the `<img>` of the QR code on the Mini App's screen, or null. */
  constructor(host, look) {
    this.#host = host;
    this.#look = look;
    this.time = h('span', {});
    this.network = h('span', { class: 'network' });
    this.body = h('div', { class: 'phone-body' });
    this.people = h('div', { class: 'people', role: 'group', 'aria-label': 'Whose phone' });
    this.screen = h('div', { class: 'screen' }, h('div', { class: 'phone-bar' }, this.time, h('span', { class: 'island' }), this.network), this.body);
    host.append(this.screen);
  }

  render(state) {
    this.#state = state;
    this.#person ??= state.persons[0].id;
    this.time.textContent = clockTime(state.now);
    const { phone } = this.#me();
    this.network.textContent = state.airplane ? '✈' : phone.online ? `DC${phone.dc}` : '…';
    this.#notify();
    const shown = JSON.stringify([this.#person, state.persons.map((person) => [person.id, person.phone]), state.airplane]);
    if (shown === this.#drawn) return;
    this.#drawn = shown;
    this.#devices();
  }

  #me() {
    return this.#state.persons.find((person) => person.id === this.#person);
  }

  #be(id) {
    this.#person = id;
    this.screen.querySelectorAll('.camera, .banner').forEach((node) => node.remove());
    this.render(this.#state);
  }

  #devices() {
    const { phone, first_name: name } = this.#me();
    this.people.replaceChildren(...this.#state.persons.map((person) => h('button', {
      type: 'button', 'aria-pressed': String(person.id === this.#person), title: `${person.first_name}’s phone`, onclick: () => this.#be(person.id),
    }, avatar(person.first_name, person.id, 'small'), person.first_name)));
    const others = phone.sessions.filter((session) => !session.current);
    const scroll = this.body.scrollTop;
    this.body.replaceChildren(...[
      this.people,
      h('h2', {}, 'Devices'),
      h('div', { class: 'link-card' }, icon('laptop'),
        h('p', {}, `Link ${name}’s Telegram to another screen by scanning a QR code.`),
        h('button', { type: 'button', id: 'scan', class: 'big', onclick: () => this.#camera() }, icon('camera'), 'Link Desktop Device')),
      h('h3', {}, 'This device'),
      ...phone.sessions.filter((session) => session.current).map((session) => this.#session(session)),
      h('h3', {}, others.length ? 'Active sessions' : 'No other sessions'),
      ...others.map((session) => this.#session(session)),
      others.length > 1 ? h('button', { type: 'button', class: 'row-button danger', onclick: () => this.#end('all') }, 'Terminate all other sessions') : null,
      this.#codes(phone.notices),
    ].filter(Boolean));
    this.body.scrollTop = scroll;
  }

  #session({ hash, current, device, app, platform, ip, active_at: active }) {
    return h('div', { class: 'session' },
      h('span', { class: `device-icon ${current ? '' : 'linked'}` }, icon(current ? 'phone' : 'laptop')),
      h('div', { class: 'grow' }, h('strong', {}, device), h('small', {}, `${app}, ${platform}`), h('small', {}, `${ip} · ${current ? 'online' : clockTime(active)}`)),
      current ? null : h('button', { type: 'button', class: 'plain danger', title: 'Terminate this session', 'aria-label': `Terminate ${device}`, onclick: () => this.#end(hash) }, icon('close')));
  }

  #codes(notices) {
    const codes = notices.slice(-3).reverse();
    if (!codes.length) return null;
    return h('div', {}, h('h3', {}, 'Messages from Telegram'), ...codes.map(({ at, text }) => h('p', { class: 'notice' }, h('small', {}, clockTime(at)), text)));
  }

  /** A new message of Telegram's own drops down as a banner, once. */
  #notify() {
    const { notices } = this.#me().phone;
    for (const notice of notices) {
      const key = `${this.#person}/${notice.id}`;
      const isNew = !this.#seen.has(key) && this.#state.now - notice.at < 30;
      this.#seen.add(key);
      if (!isNew) continue;
      const banner = h('div', { class: 'banner', onclick: () => banner.remove() }, avatar('T', 0, 'small'), h('div', {}, h('strong', {}, 'Telegram'), h('p', {}, notice.text)));
      this.screen.querySelectorAll('.banner').forEach((node) => node.remove());
      this.screen.append(banner);
      setTimeout(() => banner.remove(), 8_000);
    }
  }

  async #end(hash) {
    const sure = await ask(this.screen, { title: hash === 'all' ? 'Terminate all other sessions?' : 'Terminate this session?', buttons: [{ label: 'Cancel', value: false }, { label: 'Terminate', value: true, kind: 'danger' }] });
    if (sure) await post('end_session', { person: this.#person, hash }).catch((error) => toast(error.message, 'bad'));
  }

  async #camera() {
    const canvas = h('canvas', { width: CAMERA, height: CAMERA });
    const words = h('p', { class: 'camera-words' }, 'Point at the QR code');
    const again = h('button', { type: 'button', class: 'again', hidden: true, onclick: () => this.#shoot(camera, canvas, words, again) }, 'Scan again');
    const camera = h('div', { class: 'camera' },
      h('header', {}, h('button', { type: 'button', class: 'plain', 'aria-label': 'Close the camera', onclick: () => camera.remove() }, icon('back')), h('strong', {}, 'Scan QR code')),
      h('div', { class: 'finder' }, canvas, h('span', { class: 'corners' }), h('span', { class: 'beam' })),
      words, again);
    this.screen.append(camera);
    await this.#shoot(camera, canvas, words, again);
  }

  async #shoot(camera, canvas, words, again) {
    again.hidden = true;
    words.textContent = 'Point at the QR code';
    camera.classList.add('looking');
    paint(canvas, this.#look());
    try {
      const png = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
      const { scan, device } = await post(`scan?person=${this.#person}`, png, 'image/png');
      if (camera.isConnected) this.#confirm(camera, scan, device);
    } catch (error) {
      words.textContent = ERRORS[error.code] ?? error.message;
      if (error.code === 'NO_QR_CODE' && !this.#look()) words.textContent = 'No QR code in sight: open the Mini App first.';
      again.hidden = false;
    } finally {
      camera.classList.remove('looking');
    }
  }

  #confirm(camera, scan, device) {
    const { first_name: name, id } = this.#me();
    const error = h('p', { class: 'error', role: 'alert' });
    const buttons = h('div', { class: 'dialog-buttons' },
      h('button', { type: 'button', onclick: () => decide(false) }, 'Cancel'),
      h('button', { type: 'button', id: 'confirm', class: 'go', onclick: () => decide(true) }, `Log in as ${name}`));
    const decide = async (yes) => {
      for (const button of buttons.children) button.disabled = true;
      try {
        await post(yes ? 'confirm' : 'decline', { scan });
        camera.remove();
        if (yes) toast(`${name} confirmed the login`, 'good');
      } catch (failure) {
        error.textContent = ERRORS[failure.code] ?? failure.message;
        buttons.replaceChildren(h('button', { type: 'button', onclick: () => camera.remove() }, 'Close'));
      }
    };
    const facts = device ? [['Device', device.device], ['App', device.app], ['System', device.platform], ['IP', device.ip]] : [];
    camera.append(h('div', { class: 'confirm', role: 'dialog', 'aria-label': 'Log in on another device?' },
      avatar(name, id), h('strong', {}, 'Log in on another device?'),
      facts.length ? h('dl', {}, facts.flatMap(([term, value]) => [h('dt', {}, term), h('dd', {}, value)])) : null,
      h('p', { class: 'small' }, 'Confirm only if you started this login yourself.'), error, buttons));
    buttons.lastChild.focus();
  }
}

/** What the camera sees: the picture on the screen, or a dark room. */
function paint(canvas, picture) {
  const context = canvas.getContext('2d');
  context.fillStyle = picture ? '#ffffff' : '#15181d';
  context.fillRect(0, 0, CAMERA, CAMERA);
  if (!picture) return;
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 20, 20, CAMERA - 40, CAMERA - 40);
}
