//! What happened: the event journal as it grows, and the service's log beside it.

import { h, icon } from './dom.js';
import { get } from './server.js';

const QUIET_MS = 400;
const POLL_MS = 5_000;
const LINES_KEPT = 500;

export class Journal {
  #host;
  #timer = null;
  #asking = false;
  #position = -1;
  #line = 0;
  #arrived = null;

  constructor(host) {
    this.#host = host;
    this.strip = h('div', { class: 'strip', tabindex: '0', 'aria-label': 'Events, the newest last' });
    this.detail = h('div', { class: 'detail', hidden: true });
    this.lines = h('pre', { class: 'lines', tabindex: '0', hidden: true });
    this.count = h('small', {}, '');
    this.tabs = ['events', 'log'].map((name) => h('button', { type: 'button', data: { tab: name }, 'aria-pressed': String(name === 'events'), onclick: () => this.#show(name) }, name === 'events' ? 'Event journal' : 'Service log'));
    host.append(
      h('header', {}, ...this.tabs, this.count, h('span', { class: 'grow' }),
        h('button', { type: 'button', class: 'plain', 'aria-label': 'Taller or lower', onclick: () => document.body.classList.toggle('tall-dock') }, icon('expand'))),
      this.strip, this.detail, this.lines);
    setInterval(() => this.refresh(), POLL_MS);
    this.refresh();
  }

  /** Something may have happened: the journal is asked for once things are quiet. */
  touched() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), QUIET_MS);
  }

  /** The log from its beginning, as after a connection that was lost. */
  async readLog() {
    const arrived = [];
    this.#arrived = arrived;
    const { lines } = await get('log?after=0').catch(() => ({ lines: null }));
    if (this.#arrived !== arrived) return;
    this.#arrived = null;
    if (lines) {
      this.lines.replaceChildren();
      this.#line = 0;
    }
    for (const line of [...(lines ?? []), ...arrived]) this.line(line);
  }

  line(entry) {
    // What comes while the beginning is being read belongs after it.
    if (this.#arrived) return void this.#arrived.push(entry);
    const { n, line } = entry;
    if (n <= this.#line) return;
    this.#line = n;
    const atEnd = this.lines.scrollHeight - this.lines.scrollTop - this.lines.clientHeight < 40;
    this.lines.append(h('span', { class: /\bWARN\b/.test(line) ? 'warn' : /\bERROR\b/.test(line) ? 'bad' : '' }, `${line}\n`));
    while (this.lines.childNodes.length > LINES_KEPT) this.lines.firstChild.remove();
    if (atEnd) this.lines.scrollTop = this.lines.scrollHeight;
    this.touched();
  }

  async refresh() {
    if (this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      const { available, events } = await get('journal?limit=200');
      if (available) this.#events(events);
      else if (this.#position < 0) this.strip.replaceChildren(h('p', { class: 'empty' }, 'The journal is not there yet.'));
    } catch { /* The sandbox is going or coming: the next round asks again. */ } finally {
      this.#asking = false;
    }
  }

  #events(events) {
    const last = events.at(-1)?.position ?? 0;
    if (last < this.#position) { this.#position = -1; }
    const fresh = events.filter((event) => event.position > this.#position);
    if (this.#position < 0) this.strip.replaceChildren();
    const first = this.#position < 0;
    this.#position = last;
    this.count.textContent = last ? `${last} event${last === 1 ? '' : 's'}` : '';
    if (!fresh.length && last) return;
    if (!last) return void this.strip.replaceChildren(h('p', { class: 'empty' }, 'Nothing has happened yet. Every step of a login will stand here as an event.'));
    this.strip.querySelector('.empty')?.remove();
    this.strip.append(...fresh.map((event) => this.#card(event, first)));
    while (this.strip.children.length > 200) this.strip.firstChild.remove();
    this.strip.scrollTo({ left: this.strip.scrollWidth, top: this.strip.scrollHeight, behavior: first ? 'auto' : 'smooth' });
  }

  #card(event, old) {
    const at = new Date(event.at);
    const time = Number.isNaN(at.getTime()) ? '' : at.toLocaleTimeString('en-GB');
    return h('button', { type: 'button', class: `event ${event.stream} ${old ? '' : 'new'}`, onclick: (press) => this.#open(event, press.currentTarget) },
      h('span', { class: 'where' }, h('b', {}, `#${event.position}`), event.stream), h('strong', {}, event.event), h('small', {}, time));
  }

  #open(event, card) {
    const same = card.classList.contains('open');
    for (const other of this.strip.querySelectorAll('.open')) other.classList.remove('open');
    this.detail.hidden = same;
    if (same) return;
    card.classList.add('open');
    this.detail.replaceChildren(
      h('button', { type: 'button', class: 'plain', 'aria-label': 'Close', onclick: () => { this.detail.hidden = true; card.classList.remove('open'); } }, icon('close')),
      h('pre', {}, JSON.stringify(event, null, 2)));
  }

  #show(name) {
    for (const tab of this.tabs) tab.setAttribute('aria-pressed', String(tab.dataset.tab === name));
    this.strip.hidden = name !== 'events';
    this.detail.hidden = true;
    this.lines.hidden = name !== 'log';
    this.lines.scrollTop = this.lines.scrollHeight;
  }
}
