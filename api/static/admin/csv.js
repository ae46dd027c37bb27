//! Tables as CSV (RFC 4180), for spreadsheets.

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

function column(name) {
  return [name, (row) => row[name]];
}
