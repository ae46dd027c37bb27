//! The elements of the page. All of them are in the shell; this module shows, hides and fills them. It uses only `textContent`,
//! because it shows texts of Telegram and of people.

import { minutesAndSeconds } from './clock.js';

/** The phase of the page for a status. All other statuses are an `end`. */
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

  /** Shows the elements of this phase whose `data-needs` (`token`, `owner`, `one-phone`, `typed`) is among the conditions. */
  phase(name, conditions = {}) {
    const changed = this.#document.body.dataset.phase !== name;
    this.#document.body.dataset.phase = name;
    for (const element of this.#document.querySelectorAll('[data-phases]')) {
      const needs = element.dataset.needs;
      element.hidden = !element.dataset.phases.split(' ').includes(name) || Boolean(needs && !conditions[needs]);
    }
    return changed;
  }

  /** The live region. It is set only on a change, because a screen reader reads it aloud each time. */
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

  /** `loading`, `renewing` or `shown`. `late` if one of the first two takes too long. */
  picture(state, late = false) {
    this.element('picture').dataset.state = state;
    this.#fill('picture-note', state === 'shown' ? '' : this.#text(late ? 'picture_late' : `picture_${state}`));
  }

  trouble(key) {
    this.note('trouble', key ? this.#text(key) : null);
  }

  /** A line that may be empty: a refusal, a hint, an error of a form. */
  note(id, words) {
    const element = this.element(id);
    this.#fill(id, words ?? '');
    if (!element.classList.contains('error')) element.hidden = !words;
  }

  /** The final state. `outcome` names the texts (like `expired`). A `detail` of the server replaces our text and `more`. */
  end(outcome, { detail, more, retry = false, close = false } = {}) {
    const changed = this.phase('end');
    const { body } = this.#document;
    body.dataset.outcome = outcome;
    const title = this.#text(outcome);
    const message = withoutTitle(detail ?? '', title);
    this.#fill('end-title', title);
    this.#fill('end-text', message || this.#text(`${outcome}_text`));
    this.#fill('end-more', more && !message ? this.#text(more) : '');
    this.element('retry').hidden = !retry;
    this.element('close').hidden = !close;
    if (changed) this.element('end-title').focus({ preventScroll: true });
  }

  /** Disables the controls of a form while its request runs. */
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

/** The server's sentence may begin with the title, which is shown above it already. */
function withoutTitle(text, title) {
  return text.startsWith(title) ? text.slice(title.length).replace(/^[\s.:!]+/, '') : text;
}
