//! Questions before something is done, and the sheets in which it is said how.

import { Component, createRef, html } from './dom.js';

/** A `<dialog>` for as long as it is shown. Escape answers no. */
export class Dialog extends Component {
  ref = createRef();

  componentDidMount() {
    this.ref.current.showModal();
  }

  render({ titleId = 'dialog-title', onCancel, children }) {
    return html`<dialog ref=${this.ref} aria-labelledby=${titleId} onCancel=${(event) => { event.preventDefault(); onCancel(); }}
      onClick=${(event) => { if (event.target === event.currentTarget) onCancel(); }}>${children}</dialog>`;
  }
}

/** `{title, text, points?, yes, no?, danger?, reason?}`: what will happen stands in `text` and `points`. */
export function Question({ app, question }) {
  const { title, text, points = [], yes, danger, reason, answer } = question;
  const submit = (event) => {
    event.preventDefault();
    answer({ reason: event.currentTarget.elements.reason?.value.trim() || null });
  };
  return html`<${Dialog} onCancel=${() => answer(null)}><form method="dialog" onSubmit=${submit}>
    <h2 id="dialog-title">${title}</h2>
    ${text && html`<p>${text}</p>`}
    ${points.length > 0 && html`<ul class="stack small">${points.map((point) => html`<li key=${point}>• ${point}</li>`)}</ul>`}
    ${reason && html`<div class="field"><label for="reason">${reason}</label><textarea id="reason" name="reason" maxlength="500" rows="2"></textarea></div>`}
    <div class="choices"><button type="button" autofocus onClick=${() => answer(null)}>${app.t('cancel')}</button>
      <button type="submit" class=${danger ? 'danger' : ''} data-yes>${yes}</button></div>
  </form><//>`;
}
