//! A list as a CSV file: every page of it, not only what is on the screen.

import { Component, html } from './dom.js';
import { Dialog } from './question.js';
import { Tool } from './ui.js';
import { csvOf } from './csv.js';
import { everyItem } from './api.js';

/** With `rows`, those; otherwise all items of the list at `path`. */
export class CsvButton extends Component {
  state = { count: null, text: null };

  async make() {
    const { app, columns, path, query, rows } = this.props;
    this.controller = new AbortController();
    this.setState({ count: 0 });
    const made = await app.attempt(async () => {
      const { signal } = this.controller;
      const items = rows ?? await everyItem(app.api, path, query, { onCount: (count) => this.setState({ count }), signal }).catch((error) => { if (error.name === 'AbortError') return null; throw error; });
      this.setState(items && !signal.aborted ? { text: csvOf(columns, items), count: items.length } : { count: null });
    });
    if (!made) this.setState({ count: null });
  }

  close() {
    this.controller?.abort();
    this.setState({ count: null, text: null });
  }

  componentWillUnmount() {
    this.controller?.abort();
  }

  render({ app, name, asText }, { count, text }) {
    const { t } = app;
    const day = new Date(app.fmt.now()).toISOString().slice(0, 10);
    return html`<${Tool} icon=${asText ? undefined : 'download'} text=${asText && 'CSV'} label=${t('csv')} data-key="csv" onClick=${() => this.make()} />
      ${count !== null && html`<${Dialog} onCancel=${() => this.close()}><div class="stack">
        <h2 id="dialog-title">${t(text === null ? 'csv_loading' : 'csv_ready')}</h2>
        <p class="muted" role="status">${t('rows', { n: count })}</p>
        ${text !== null && html`<button type="button" class="primary" autofocus onClick=${() => { save(`${name}-${day}.csv`, text); this.close(); }}>${t('csv_save')}</button>
          <button type="button" class="secondary" onClick=${() => { this.close(); app.copy(text); }}>${t('copy')}</button>`}
        <div class="choices"><button type="button" onClick=${() => this.close()}>${t('cancel')}</button></div></div><//>`}`;
  }
}

/** Saves a text as a file. A phone's client without downloads offers what it can share instead. */
function save(name, text) {
  const file = new File([text], name, { type: 'text/csv' });
  const isTouch = globalThis.matchMedia('(pointer: coarse)').matches;
  if (isTouch && navigator.canShare?.({ files: [file] })) {
    navigator.share({ files: [file] }).catch(() => {});
    return;
  }
  const url = URL.createObjectURL(file);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
