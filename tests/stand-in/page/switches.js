//! What can be made to go wrong, or differ: two-step passwords, data centres, lost updates, floods, a dead service.

import { h, icon, toast } from './dom.js';
import { post } from './server.js';

export class Switches {
  #host; #opener;
  #drawn = '';

  constructor(host, opener) {
    this.#host = host;
    this.#opener = opener;
    opener.addEventListener('click', () => this.#toggle(host.hidden));
    document.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.#toggle(false); });
  }

  render({ persons, airplane }) {
    const shown = JSON.stringify([airplane, persons.map(({ phone }) => [phone.dc, phone.password])]);
    if (shown === this.#drawn) return;
    this.#drawn = shown;
    this.#host.replaceChildren(
      h('header', {}, h('strong', {}, 'Switches'), h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => this.#toggle(false) }, icon('close'))),
      ...persons.map((person) => this.#person(person)),
      h('h3', {}, 'Telegram'),
      toggle('Airplane mode', 'Neither the Bot API nor MTProto can be reached', airplane, (on) => set({ airplane: on })),
      once('Lose the next updateLoginToken', 'The scan is only noticed at the next export', { lose_next_update: true }),
      once('FLOOD_WAIT 5 s', 'The next export of a token is told to wait', { flood_wait: 5 }),
      h('h3', {}, 'Bot API'),
      once('429 Too Many Requests', 'The next call fails with it', { bot_api_fault: '429' }),
      once('500 Internal error', 'The next call fails with it', { bot_api_fault: '500' }),
      once('Hang', 'The next call gets no answer', { bot_api_fault: 'hang' }),
      once('Deliver the last update again', 'Nothing may change twice', { redeliver: true }));
  }

  #person({ id, first_name: name, phone: { dc, password } }) {
    return h('section', {}, h('h3', {}, name),
      toggle('2-step password', `“${password.password}”, hint “${password.hint}”`, password.on, (on) => set({ person: id, password: on })),
      h('div', { class: 'switch' }, h('div', { class: 'grow' }, h('strong', {}, 'Data centre'), h('small', {}, 'The service begins at DC 2: another one means a migration')),
        h('div', { class: 'people' }, [2, 4].map((one) => h('button', { type: 'button', 'aria-pressed': String(one === dc), onclick: () => set({ person: id, dc: one }) }, `DC ${one}`)))));
  }

  #toggle(open) {
    this.#host.hidden = !open;
    this.#opener.setAttribute('aria-expanded', String(open));
  }
}

function toggle(label, more, on, change) {
  return h('button', { type: 'button', class: 'switch', role: 'switch', 'aria-checked': String(on), onclick: () => change(!on) },
    h('span', { class: 'grow' }, h('strong', {}, label), h('small', {}, more)), h('span', { class: 'knob' }));
}

function once(label, more, option) {
  return h('div', { class: 'switch' }, h('div', { class: 'grow' }, h('strong', {}, label), h('small', {}, more)),
    h('button', { type: 'button', class: 'chip', onclick: async () => { if (await set(option)) toast(`${label}: set`); } }, 'Once'));
}

async function set(option) {
  try {
    await post('options', option);
    return true;
  } catch (error) {
    toast(error.message, 'bad');
    return false;
  }
}
