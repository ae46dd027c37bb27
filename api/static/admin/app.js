//! The frame of the app: which screen is open, its tabs, toasts and questions, and the keyboard. Screens get this component as `app`.
//! Keys are taken by their place, so that `g u` is the same on a Russian layout.

import { Audit, EventScreen } from './audit.js';
import { Dashboard } from './dashboard.js';
import { InviteScreen, Invites, NewInvite } from './invites.js';
import { Later } from './later.js';
import { Projections, ViewScreen } from './projections.js';
import { Component, Dialog, Icon, Question, State, createRef, html } from './ui.js';
import { UserScreen } from './user.js';
import { Users } from './users.js';

export const TABS = ['dashboard', 'users', 'invites', 'statistics', 'projections', 'audit', 'services'];
/** The tabs whose list stays beside what is open, where the window is wide. */
const SPLIT = ['users', 'invites', 'audit', 'services'];
const SCREENS = {
  dashboard: Dashboard, users: Users, user: UserScreen, invites: Invites, invite: InviteScreen, invite_new: NewInvite,
  projections: Projections, view: ViewScreen, audit: Audit, event: EventScreen,
};
/** For how long an act can be taken back. */
const UNDO_MS = 15_000;
const TOAST_MS = 5_000;

export class App extends Component {
  state = { toasts: [], question: null, help: false, hasEnded: false, isLive: false, isWide: false, parked: 0 };
  /** The open screen above those that lead to it; the first is a tab's. Not in the state, which is set late. */
  stack = [];
  root = createRef();
  /** What a screen remembers when it is left: filters above all. */
  memory = {};
  /** Where each screen below the open one was left: `{y, from}`. */
  #left = [];
  /** The screens that are loaded, by name. */
  screens = { ...SCREENS };
  #toast = 0;

  constructor(props) {
    super(props);
    const { api, live, t, fmt, me, native, telegram, isHandheld, hasEnded } = props;
    Object.assign(this, { api, live, t, fmt, me, native, telegram, isHandheld });
    this.tabs = me?.role === 'auditor' ? ['audit'] : TABS;
    const media = globalThis.matchMedia('(min-width: 1000px)');
    this.state.isWide = media.matches;
    media.addEventListener('change', () => this.setState({ isWide: media.matches }));
    this.state.hasEnded = Boolean(hasEnded);
    this.stack = [{ screen: this.tabs[0], params: {}, key: 0 }];
  }

  componentDidMount() {
    this.props.ref?.(this);
    this.live?.on(({ isOn }) => { if (isOn !== undefined) this.setState({ isLive: isOn }); });
    this.live?.start();
    document.addEventListener('keydown', keyboard(this));
    document.addEventListener('dialogs', () => this.showNative());
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.live && !this.live.isOn && !this.state.hasEnded) this.live.start(); });
    this.showNative();
  }

  componentDidUpdate() {
    this.showNative();
  }

  /** Telegram's own arrow above, and its own button below, stand for the ones of the page; not while a dialog is open. */
  showNative() {
    const find = (selector) => (document.querySelector('dialog[open]') ? null : this.root.current?.querySelector(selector) ?? null);
    this.native?.show({ back: find('[data-back]'), main: find('[data-main]') });
  }

  get isNarrow() { return globalThis.innerWidth < 480; }

  get tab() { return this.stack[0].screen; }

  get top() { return this.stack.at(-1); }

  canGoBack() { return this.stack.length > 1; }

  /** Opens a tab. With params, as if its filters had been set. The focus goes to what `focus` selects, otherwise to the title. */
  go(screen, params = null, focus = null) {
    if (!this.tabs.includes(screen)) return;
    if (params) this.memory[screen] = params;
    this.#left = [];
    this.#show([{ screen, params: {}, key: this.#nextKey() }], { focus });
  }

  /** Opens a screen above this one. In a list beside it, `instead` of what was open there. */
  open(screen, params = {}, { instead = false } = {}) {
    const below = instead ? this.stack.slice(0, 1) : this.stack;
    this.#left.length = below.length - 1;
    this.#left.push({ y: globalThis.scrollY, from: document.activeElement });
    this.#show([...below, { screen, params, key: this.#nextKey() }]);
  }

  back() {
    if (!this.canGoBack()) return;
    this.#show(this.stack.slice(0, -1), this.#left.pop());
  }

  #nextKey() {
    this.lastKey = (this.lastKey ?? 0) + 1;
    return this.lastKey;
  }

  #show(stack, { y = 0, from = null, focus = null } = {}) {
    this.stack = stack;
    this.setState({}, () => {
      globalThis.scrollTo(0, y);
      const target = focus ? this.root.current?.querySelector(focus) : from?.isConnected && from !== document.body ? from : null;
      if (target) {
        target.focus({ preventScroll: true });
        target.setSelectionRange?.(target.value.length, target.value.length);
        return;
      }
      const panes = this.root.current?.querySelectorAll('.pane:not([hidden]) h1') ?? [];
      [...panes].at(-1)?.focus({ preventScroll: true });
    });
  }

  /** The session is over: 401, or 403 where the person may do no more. */
  ended(status) {
    this.live?.stop();
    this.setState({ hasEnded: true, isForbidden: status === 403, question: null, toasts: [] });
  }

  /** Says that something was done. `undo()` takes it back, as long as the toast stands. */
  toast(text, { undo = null, bad = false } = {}) {
    this.#toast += 1;
    const id = this.#toast;
    this.telegram?.haptic(bad ? 'error' : 'success');
    this.setState(({ toasts }) => ({ toasts: [...toasts.slice(-2), { id, text, undo, bad }] }));
    setTimeout(() => this.setState(({ toasts }) => ({ toasts: toasts.filter((it) => it.id !== id) })), undo ? UNDO_MS : TOAST_MS);
  }

  async undo(toast = this.state.toasts.filter(({ undo }) => undo).at(-1)) {
    if (!toast) return;
    this.setState(({ toasts }) => ({ toasts: toasts.filter((it) => it.id !== toast.id) }));
    await this.attempt(async () => this.toast(await toast.undo()));
  }

  /** Asks before something is done. Resolves to `{reason}`, or to null where the answer is no. */
  ask(question) {
    return new Promise((resolve) => {
      const from = document.activeElement;
      this.telegram?.haptic('warning');
      this.setState({ question: { ...question, answer: (answer) => this.setState({ question: null }, () => { from?.focus?.({ preventScroll: true }); resolve(answer); }) } });
    });
  }

  /** Does it, and says what went wrong in words. Returns whether it went well. */
  async attempt(act) {
    try {
      await act();
      return true;
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (!this.state.hasEnded) this.toast(problem.detail ?? this.t(problem.status === 0 ? 'offline' : 'failed'), { bad: true });
      return false;
    }
  }

  /** Copies, and says so. */
  async copy(text, said = 'copied') {
    try {
      await navigator.clipboard.writeText(text);
      this.toast(this.t(said));
    } catch {
      // Web clients deny the clipboard inside their frame.
      const input = Object.assign(document.createElement('textarea'), { value: text });
      const from = document.activeElement;
      document.body.append(input);
      input.select();
      const copied = document.execCommand('copy');
      input.remove();
      from?.focus({ preventScroll: true });
      this.toast(this.t(copied ? said : 'copy_failed'), { bad: !copied });
    }
  }

  render(_, { hasEnded, isWide }) {
    if (hasEnded) return html`<main class="full"><${State} isPage=${true} icon=${this.props.onAgain ? 'offline' : 'lock'} title=${this.t(this.state.isForbidden ? 'forbidden' : this.props.endTitle ?? 'expired')} text=${(!this.state.isForbidden && this.props.endDetail) || this.t(this.state.isForbidden ? 'forbidden_text' : this.props.endText ?? 'expired_text')}
      action=${this.t(this.props.onAgain ? 'again' : 'close')} onAction=${this.props.onAgain ?? (() => this.telegram.close())} /></main>`;
    const isSplit = isWide && SPLIT.includes(this.tab);
    const top = this.canGoBack() ? this.top : null;
    return html`<div ref=${this.root} class=${isSplit ? 'app split' : 'app'}>
      <${Tabs} app=${this} />
      <main class="panes">
        ${this.#pane(this.stack[0], { isList: isSplit, hidden: Boolean(top) && !isSplit, beside: top })}
        ${top ? this.#pane(top, {}) : isSplit && html`<div class="pane" key="nothing"><${State} icon=${this.tab} title=${this.t(`pick_${this.tab}`)} text=${this.t('pick_text')} /></div>`}
      </main>
      <${Toasts} app=${this} />
      ${this.state.question && html`<${Question} app=${this} question=${this.state.question} />`}
      ${this.state.help && html`<${Shortcuts} app=${this} onClose=${() => this.setState({ help: false })} />`}
    </div>`;
  }

  #pane({ screen, params, key }, { isList = false, hidden = false, beside = null }) {
    const Screen = this.screens[screen] ?? Later;
    return html`<div class=${isList ? 'pane list' : 'pane'} key=${key} hidden=${hidden}><${Screen} app=${this} params=${params} beside=${isList || hidden ? beside : null} /></div>`;
  }
}

function Tabs({ app }) {
  return html`<nav class="tabs" aria-label=${app.t('tabs')}>
    <img class="brand" src="/qr-auth/static/icon.svg" alt="" width="44" height="44" />
    ${app.tabs.map((name) => html`<button type="button" class="tab" key=${name} aria-current=${app.tab === name ? 'page' : undefined} onClick=${() => app.go(name)}>
      <${Icon} name=${name} /><span>${app.t(`tab_${name}`)}</span>
      ${name === 'projections' && app.state.parked > 0 && html`<span class="count" aria-label=${app.t('parked_count', { n: app.state.parked })}>${app.state.parked}</span>`}</button>`)}
    ${app.state.isWide && html`<button type="button" class="tab help" onClick=${() => app.setState({ help: true })}><${Icon} name="keyboard" /><span>${app.t('keys')}</span></button>`}
  </nav>`;
}

function Toasts({ app }) {
  return html`<div class="toasts" role="status" aria-live="polite">${app.state.toasts.map((toast) => html`<div class="toast" key=${toast.id}>
    <span class="grow">${toast.text}</span>${toast.undo && html`<button type="button" onClick=${() => app.undo(toast)}>${app.t('undo')}${!app.isHandheld && html`<kbd aria-hidden="true">Z</kbd>`}</button>`}</div>`)}</div>`;
}

const GO = { KeyD: 'dashboard', KeyU: 'users', KeyI: 'invites', KeyS: 'statistics', KeyP: 'projections', KeyA: 'audit', KeyK: 'services' };
/** Keys that press a button of the screen, found by its `data-key`. */
const PRESS = { KeyN: 'new', KeyX: 'select', KeyE: 'csv', KeyR: 'refresh' };
/** How long `g` waits for the second key. */
const SECOND_KEY_MS = 1_500;

/** What the sheet tells: keys, and the text that says what they do. */
export const KEYS = [
  ['/', 'key_search'], ['g d', 'tab_dashboard'], ['g u', 'tab_users'], ['g i', 'tab_invites'], ['g s', 'tab_statistics'], ['g p', 'tab_projections'], ['g a', 'tab_audit'], ['g k', 'tab_services'],
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
