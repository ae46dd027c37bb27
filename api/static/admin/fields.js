//! Parts of the forms in the tab Services: any of a few, and what is shown once.

import { Component, createRef, html } from './ui.js';

/** Any of a few. An option is `[value, what it means]`. */
export function Checks({ name, legend, options, chosen, onChange, error, note }) {
  const toggle = (value) => onChange(chosen.includes(value) ? chosen.filter((it) => it !== value) : [...chosen, value]);
  return html`<fieldset class="field" aria-describedby=${`${name}-error`}><legend>${legend}</legend>
    <div class="card rows">${options.map(([value, words]) => html`<label class="row" key=${value}><input type="checkbox" name=${name} value=${value} checked=${chosen.includes(value)} onChange=${() => toggle(value)} />
      <span class="body"><span class="title"><span class="mono">${value}</span></span>${words && html`<span class="sub">${words}</span>`}</span></label>`)}</div>
    ${note && html`<p class="note-below muted small">${note}</p>`}<p id=${`${name}-error`} class="error" role="alert">${error}</p></fieldset>`;
}

/** What is shown once. It has the focus at its button, so that it can be copied by a key. */
export class Secret extends Component {
  button = createRef();

  componentDidMount() {
    this.button.current.focus();
  }

  render({ app, secret, title, text, onDone }) {
    const { t } = app;
    return html`<section class="card pad note warn" aria-label=${title}><p class="strong">${title}</p><p>${text}</p>
      <p class="mono" data-secret>${secret}</p>
      <div class="half"><button type="button" class="primary" ref=${this.button} onClick=${() => app.copy(secret)}>${t('copy')}</button><button type="button" class="secondary" onClick=${onDone}>${t('is_stored')}</button></div></section>`;
  }
}
