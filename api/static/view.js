//! What is on the screen. The shell has every element already; this shows, hides and fills them, with `textContent` and
//! nothing else, because texts of Telegram and of people pass through here.

import { minutesAndSeconds } from './clock.js';

/** Which part of the page a status shows. */
const PHASES = { waiting: 'waiting', code_required: 'code', password_required: 'password' };

export function phaseOf(status) {
  return PHASES[status] ?? 'end';
}

export class View {
  #document;
  #text;

  constructor(document, text, { device, language }) {
    this.#document = document;
    this.#text = text;
    document.documentElement.lang = language;
    document.title = text('title');
    for (const element of document.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text, { device });
    for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', text(element.dataset.label));
    this.element('qr').alt = text('picture_alt');
    document.querySelector('main').hidden = false;
  }

  element(id) {
    return this.#document.getElementById(id);
  }

  /** Shows the parts of this phase whose needs (`token`, `owner`, `one-phone`) are met. */
  phase(name, met = {}) {
    const changed = this.#document.body.dataset.phase !== name;
    this.#document.body.dataset.phase = name;
    for (const element of this.#document.querySelectorAll('[data-phases]')) {
      const needs = element.dataset.needs;
      element.hidden = !element.dataset.phases.split(' ').includes(name) || Boolean(needs && !met[needs]);
    }
    return changed;
  }

  /** The live line. Set only when it changes, or a screen reader says it again and again. */
  status(key) {
    this.#fill('status', this.#text(key));
  }

  countdown(secondsLeft, share) {
    const timer = this.element('countdown');
    timer.hidden = secondsLeft === null;
    if (secondsLeft === null) return;
    timer.textContent = minutesAndSeconds(secondsLeft);
    timer.setAttribute('aria-label', this.#text('left', { time: minutesAndSeconds(secondsLeft) }));
    this.element('bar').style.setProperty('transform', `scaleX(${share})`);
    this.#document.body.classList.toggle('late', secondsLeft <= 30);
  }

  /** `loading`, `renewing` or `shown`; `late` where the first two take longer than they should. */
  picture(state, late = false) {
    this.element('picture').dataset.state = state;
    this.#fill('picture-note', state === 'shown' ? '' : this.#text(late ? 'picture_late' : `picture_${state}`));
  }

  trouble(key) {
    this.note('trouble', key ? this.#text(key) : null);
  }

  /** A line that is there or not: a refusal, a hint, an error of a form. */
  note(id, words) {
    const element = this.element(id);
    this.#fill(id, words ?? '');
    if (!element.classList.contains('error')) element.hidden = !words;
  }

  /** The last word: `outcome` names the texts (`expired`); what the server `said` goes before ours (`more` too). */
  end(outcome, { said, more, retry = false, close = false } = {}) {
    const changed = this.phase('end');
    const { body } = this.#document;
    body.dataset.outcome = outcome;
    const title = this.#text(outcome);
    const told = withoutTitle(said ?? '', title);
    this.#fill('end-title', title);
    this.#fill('end-text', told || this.#text(`${outcome}_text`));
    this.#fill('end-more', more && !told ? this.#text(more) : '');
    this.element('retry').hidden = !retry;
    this.element('close').hidden = !close;
    if (changed) this.element('end-title').focus({ preventScroll: true });
  }

  /** While a form's answer is on its way, none of its controls answers. */
  busy(formId, on) {
    const form = this.element(formId);
    form.toggleAttribute('aria-busy', on);
    for (const control of form.querySelectorAll('input, button')) control.disabled = on;
  }

  #fill(id, words) {
    const element = this.element(id);
    if (element.textContent !== words) element.textContent = words;
  }
}

/** The server's sentence may begin with the title that stands above it already. */
function withoutTitle(said, title) {
  return said.startsWith(title) ? said.slice(title.length).replace(/^[\s.:!]+/, '') : said;
}
