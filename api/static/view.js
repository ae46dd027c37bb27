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
    for (const element of document.querySelectorAll('[data-placeholder]')) element.placeholder = text(element.dataset.placeholder);
    this.element('qr').alt = text('picture_alt');
    document.querySelector('main').hidden = false;
  }

  element(id) {
    return this.#document.getElementById(id);
  }

  /** Shows the elements of this phase and, where it has steps, of this step, whose `data-needs` (`token`, `owner`, …) are all
   *  among the conditions. Another phase or step begins at its top. If the focused element goes away, the heading of what is
   *  shown now gets the focus. */
  phase(name, { step = null, ...conditions } = {}) {
    const { body } = this.#document;
    const changed = body.dataset.phase !== name;
    const moved = changed || (body.dataset.step ?? '') !== (step ?? '');
    const focused = this.#document.activeElement;
    body.dataset.phase = name;
    body.dataset.step = step ?? '';
    for (const element of this.#document.querySelectorAll('[data-phases]')) {
      const { phases, steps, needs } = element.dataset;
      const fits = phases.split(' ').includes(name) && (!steps || step === null || steps.split(' ').includes(step));
      element.hidden = !fits || Boolean(needs && needs.split(' ').some((need) => !conditions[need]));
    }
    if (moved) this.#document.defaultView.scrollTo(0, 0);
    if (focused !== body && focused?.closest('[hidden]')) this.focusHeading();
    return changed;
  }

  /** Moves the focus to the heading of what is shown, which a screen reader then reads. */
  focusHeading() {
    const headings = [...this.#document.querySelectorAll('[tabindex="-1"]')];
    headings.find((one) => !one.closest('[hidden]'))?.focus({ preventScroll: true });
  }

  /** Puts a text into an element. */
  say(id, key) {
    this.#fill(id, this.#text(key));
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

  /** Shows that the request of a form runs. Its controls stay focusable, so that neither focus nor keyboard is lost. */
  busy(formId, on) {
    const form = this.element(formId);
    if (on) form.setAttribute('aria-busy', 'true');
    else form.removeAttribute('aria-busy');
    for (const input of form.querySelectorAll('input')) input.readOnly = on;
    for (const button of form.querySelectorAll('button[type="submit"]')) this.pressable(button, !on);
  }

  /** A button whose request runs. */
  working(button, on) {
    if (on) button.setAttribute('aria-busy', 'true');
    else button.removeAttribute('aria-busy');
    this.pressable(button, !on);
  }

  /** A button that cannot be pressed now stays focusable. */
  pressable(button, on) {
    if (on) button.removeAttribute('aria-disabled');
    else button.setAttribute('aria-disabled', 'true');
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
