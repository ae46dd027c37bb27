//! The elements of the page. All of them are in the shell; this module shows, hides and fills them, and makes the lines of a history.
//! It uses only `textContent`, because it shows names that people gave themselves.

export class View {
  #document;
  #text;
  #formats;

  constructor(document, text, language) {
    this.#document = document;
    this.#text = text;
    const locale = language === 'ru' ? 'ru-RU' : 'en-GB';
    this.#formats = {
      day: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', year: 'numeric' }),
      moment: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
      old: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' }),
    };
    document.documentElement.lang = language;
    document.title = text('title');
    for (const element of document.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
    for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', text(element.dataset.label));
    document.querySelector('main').hidden = false;
  }

  element(id) {
    return this.#document.getElementById(id);
  }

  /** Shows what belongs to this phase: `loading`, `home`, `history` or `end`. Another phase begins at its top, and its heading
   *  has the focus, which a screen reader then reads. */
  phase(name, { focus = true } = {}) {
    const { body } = this.#document;
    const changed = body.dataset.phase !== name;
    body.dataset.phase = name;
    for (const element of this.#document.querySelectorAll('[data-phases]')) {
      element.hidden = !element.dataset.phases.split(' ').includes(name);
    }
    if (!changed) return;
    this.#document.defaultView.scrollTo(0, 0);
    const headings = [...this.#document.querySelectorAll('h1[tabindex="-1"]')];
    if (focus) headings.find((one) => !one.closest('[hidden]'))?.focus({ preventScroll: true });
  }

  /** Puts words into an element; null hides it. */
  note(id, words) {
    const element = this.element(id);
    if (element.textContent !== (words ?? '')) element.textContent = words ?? '';
    element.hidden = !words;
  }

  /** The live region. It stays in the document, so that a screen reader reads each change. */
  status(words) {
    const element = this.element('status');
    if (element.textContent !== words) element.textContent = words;
  }

  /** What holds now: `good`, `late` or `none`, in words. */
  state(id, state, words) {
    const element = this.element(id);
    element.dataset.state = state;
    element.textContent = words;
  }

  day(instant) {
    return this.#formats.day.format(new Date(instant));
  }

  /** A day and a time of day, with the year where it is another one. */
  moment(instant) {
    const at = new Date(instant);
    return this.#formats[at.getFullYear() === new Date().getFullYear() ? 'moment' : 'old'].format(at);
  }

  /** Names with values, in a `<dl>`. */
  facts(id, facts) {
    this.element(id).replaceChildren(...facts.map(([name, value]) => {
      const row = this.#make('div');
      row.append(this.#make('dt', name), this.#make('dd', value));
      return row;
    }));
  }

  /** Lines of a history. */
  lines(items) {
    return items.map(({ at, text, who }) => {
      const line = this.#make('li');
      const when = this.#make('time', this.moment(at));
      when.dateTime = at;
      const more = this.#make('span');
      more.className = 'small muted';
      more.append(when, ` · ${this.#text(WHO[who] ?? 'who_service')}`);
      line.append(this.#make('span', text), more);
      return line;
    });
  }

  /** The final state. `outcome` names the texts. A `detail` of the server replaces ours. */
  end(outcome, { detail = null, retry = false } = {}) {
    this.#document.body.dataset.outcome = outcome;
    const title = this.#text(outcome);
    this.element('end-title').textContent = title;
    this.element('end-text').textContent = withoutTitle(detail ?? '', title) || this.#text(`${outcome}_text`);
    this.element('retry').hidden = !retry;
    this.phase('end');
  }

  /** A button whose request runs. It stays focusable. */
  working(button, on) {
    for (const attribute of ['aria-busy', 'aria-disabled']) {
      if (on) button.setAttribute(attribute, 'true');
      else button.removeAttribute(attribute);
    }
  }

  #make(tag, words = '') {
    const element = this.#document.createElement(tag);
    element.textContent = words;
    return element;
  }
}

/** Who did something, as the server says it, and its text. */
const WHO = { you: 'who_you', 'an admin': 'who_admin', 'an auditor': 'who_auditor', 'the service': 'who_service' };

/** The server's sentence may begin with the title, which is shown above it already. */
function withoutTitle(text, title) {
  return text.startsWith(title) ? text.slice(title.length).replace(/^[\s.:!]+/, '') : text;
}
