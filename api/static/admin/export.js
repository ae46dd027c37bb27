//! Lists as CSV files (RFC 4180): every page of a list, not only what is on the screen.

import { everyItem } from './api.js';
import { Component, Dialog, Tool, html } from './ui.js';

/** `columns` are `[heading, row => value]`. The text begins with the mark by which Excel knows UTF-8. */
export function csvOf(columns, rows) {
  const lines = [columns.map(([heading]) => heading), ...rows.map((row) => columns.map(([, value]) => value(row)))];
  return `\ufeff${lines.map((cells) => cells.map(cell).join(',')).join('\r\n')}\r\n`;
}

function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  let text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // A spreadsheet would take a name that begins so for a formula.
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const USER_COLUMNS = ['account_id', 'telegram_id', 'first_name', 'last_name', 'username', 'language_code', 'role', 'is_authenticated', 'is_blocked',
  'subscription_type', 'subscription_status', 'subscription_started_at', 'subscription_expires_at', 'invited_by', 'session_exported', 'created_at', 'updated_at'].map(column);
export const INVITE_COLUMNS = ['invite_id', 'code', 'link', 'tier', 'state', 'max_uses', 'used', 'reserved', 'valid_until', 'subscription_days', 'note', 'created_by', 'created_at'].map(column);
export const EVENT_COLUMNS = ['position', 'at', 'stream', 'stream_id', 'version', 'event', 'actor', 'account_id', 'login_id', 'causation_id', 'payload'].map(column);
export const REDEMPTION_COLUMNS = ['account_id', 'name', 'login_id', 'used', 'at'].map(column);
export const SUBSCRIPTION_COLUMNS = ['at', 'change', 'tier', 'expires_at', 'by', 'actor', 'reason'].map(column);
export const VIEW_COLUMNS = ['view', 'position', 'behind', 'waiting_since', 'rows', 'parked'].map(column);
export const PARKED_COLUMNS = ['cause', 'view', 'key', 'position', 'event', 'error', 'since'].map(column);
export const REPLAY_COLUMNS = ['at', 'by', 'cause', 'replayed', 'still_parked'].map(column);
export const DIFFERENCE_COLUMNS = [column('key'), column('live'), column('log'), ['kind', (row) => row.explanation?.kind],
  ['position', (row) => row.explanation?.position], ['event', (row) => row.explanation?.event]];

export function column(name) {
  return [name, (row) => row[name]];
}

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
