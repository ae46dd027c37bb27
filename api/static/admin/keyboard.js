//! The keyboard. Keys are taken by their place, so that `g u` is the same on a Russian layout.

import { html } from './dom.js';
import { Dialog } from './question.js';

const GO = { KeyD: 'dashboard', KeyU: 'users', KeyI: 'invites', KeyS: 'statistics', KeyP: 'projections', KeyA: 'audit' };
/** Keys that press a button of the screen, found by its `data-key`. */
const PRESS = { KeyN: 'new', KeyX: 'select', KeyE: 'csv', KeyR: 'refresh' };
/** How long `g` waits for the second key. */
const SECOND_KEY_MS = 1_500;

/** What the sheet tells: keys, and the text that says what they do. */
export const KEYS = [
  ['/', 'key_search'], ['g d', 'tab_dashboard'], ['g u', 'tab_users'], ['g i', 'tab_invites'], ['g s', 'tab_statistics'], ['g p', 'tab_projections'], ['g a', 'tab_audit'],
  ['j k', 'key_move'], ['Enter', 'key_open'], ['Esc', 'key_back'], ['n', 'key_new'], ['x', 'key_select'], ['e', 'key_csv'], ['r', 'key_refresh'], ['z', 'key_undo'], ['?', 'key_help'],
];

export function keyboard(app) {
  let goUntil = 0;
  return (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || app.state.hasEnded || document.querySelector('dialog[open]')) return;
    const { target, code } = event;
    const isTyping = target.matches?.('input:not([type="checkbox"], [type="radio"]), textarea, select');
    if (event.key === 'Escape') {
      if (isTyping) target.blur();
      else if (app.onEscape) app.onEscape();
      else app.back();
      return;
    }
    if (isTyping) {
      if (event.key === 'ArrowDown' && target.matches('[data-search]')) { move(1); event.preventDefault(); }
      return;
    }
    const done = act(app, event, code, goUntil > Date.now());
    goUntil = code === 'KeyG' && !event.shiftKey ? Date.now() + SECOND_KEY_MS : 0;
    if (done) event.preventDefault();
  };
}

function act(app, event, code, isGo) {
  if (event.key === '?' || (code === 'Slash' && event.shiftKey)) { app.setState({ help: true }); return true; }
  if (event.key === '/' || code === 'Slash') return search(app);
  if (event.shiftKey) return false;
  if (isGo && GO[code]) { app.go(GO[code]); return true; }
  if (code === 'KeyJ' || code === 'ArrowDown') return move(1);
  if (code === 'KeyK' || code === 'ArrowUp') return move(-1);
  if (code === 'KeyZ') { app.undo(); return true; }
  const button = PRESS[code] && [...document.querySelectorAll(`[data-key="${PRESS[code]}"]`)].find((it) => it.checkVisibility?.() ?? true);
  button?.click();
  return Boolean(button);
}

function search(app) {
  const input = () => [...document.querySelectorAll('[data-search]')].find((it) => !it.closest('[hidden]'));
  if (!input()) app.go(app.tabs.includes('users') ? 'users' : 'audit');
  requestAnimationFrame(() => { input()?.focus(); input()?.select(); });
  return true;
}

/** Moves the focus among the rows of the pane that has it, otherwise of the first. */
function move(by) {
  const pane = document.activeElement.closest?.('.pane') ?? document.querySelector('.pane:not([hidden])');
  const rows = [...pane.querySelectorAll('[data-row]')].filter((row) => !row.closest('[hidden]'));
  const at = rows.indexOf(document.activeElement.closest('[data-row]'));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  next?.focus();
  next?.scrollIntoView({ block: 'nearest' });
  return Boolean(next);
}

export function Shortcuts({ app, onClose }) {
  return html`<${Dialog} onCancel=${onClose}><div class="stack"><h2 id="dialog-title">${app.t('keys')}</h2>
    <dl class="keys">${KEYS.filter(([, text]) => !text.startsWith('tab_') || app.tabs.includes(text.slice(4))).map(([keys, text]) => html`
      <dt key=${keys}>${keys.split(' ').map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${app.t(text)}</dd>`)}</dl>
    <div class="choices"><button type="button" autofocus onClick=${onClose}>${app.t('close')}</button></div></div><//>`;
}
