//! What every screen is made of: preact and htm bound to each other, icons, sections, rows, badges, fields, dialogs, and the states of a
//! list. Text goes into text nodes; nothing here makes markup of it.

import { hueOf, initials, nameOf } from './format.js';
import htm from './vendor/htm.mjs';
import { Component, createRef, h, render } from './vendor/preact.mjs';

export const html = htm.bind(h);
export { Component, createRef, render };

const PATHS = {
  dashboard: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  users: 'M9 11.5a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.4ZM2.5 20c.4-3.7 3-5.7 6.5-5.7s6.1 2 6.5 5.7M16 4.6a3.5 3.5 0 0 1 0 6.6M18 14.8c2 .8 3.2 2.6 3.5 5.2',
  invites: 'M4 8.5V6h16v2.5a3.5 3.5 0 0 0 0 7V18H4v-2.5a3.5 3.5 0 0 0 0-7ZM14 6v2.5M14 11v2M14 15.5V18',
  statistics: 'M4 20h16M7 16v-5M12 16V5M17 16V9',
  projections: 'M12 3.5 3.5 8 12 12.5 20.5 8ZM3.5 12 12 16.5 20.5 12M3.5 16 12 20.5 20.5 16',
  audit: 'M5 6h.01M9 6h10M5 12h.01M9 12h10M5 18h.01M9 18h10',
  services: 'M9 3.5V8M15 3.5V8M6 8h12v3.5a6 6 0 0 1-12 0ZM12 17.5v3', key: 'M8 15.5a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.4ZM11.7 11.8H21v3.4M17 11.8V15', edit: 'M4 20l1-4L16 5l3 3L8 19Z',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.3 15.3 20 20',
  back: 'M15 5l-7 7 7 7', close: 'M6 6l12 12M18 6 6 18',
  plus: 'M12 5v14M5 12h14', download: 'M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14', refresh: 'M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 4v4h-4',
  check: 'm5 12.5 4.5 4.5L19 7.5', select: 'M4 5h7v7H4zM14.5 8.5l2 2 4-4.5M4 15h7v4H4zM15 17h5',
  gift: 'M4 11h16v9H4zM3 7.5h18V11H3zM12 7.5V20M12 7.5C10 3 5.5 4 7 7.5M12 7.5c2-4.5 6.5-3.5 5 0',
  role: 'M12 3.5 5 6v5.5c0 4.2 2.9 7.4 7 9 4.1-1.6 7-4.8 7-9V6ZM9 12l2.2 2.2L15.2 10',
  block: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM6 6l12 12', unblock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.8-1.2',
  history: 'M4 12a8 8 0 1 0 2.6-5.9M4 4v4h4M12 8v4.5l3 2', copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13', end: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM9 9h6v6H9z', play: 'M8 5.5v13l10.5-6.5Z',
  warning: 'M12 4 2.8 19.5h18.4ZM12 10v4.5M12 17v.01', empty: 'M4 13l2.5-8h11L20 13v6H4zM4 13h5l1 2.5h4l1-2.5h5',
  offline: 'M4 9.5a12 12 0 0 1 16 0M7 13a7.5 7.5 0 0 1 10 0M12 17.5v.01M4 4l16 16', lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3M12 15v1.5',
  cause: 'M12 19V6M7 10.5 12 5.5l5 5', effect: 'M12 5v13M7 13.5l5 5 5-5', keyboard: 'M3 6.5h18v11H3zM7 10h.01M10.5 10h.01M14 10h.01M17.5 10h.01M7.5 14h9',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1-1', clock: 'M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17ZM12 7.5V12l3 2',
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** A `<dialog>` for as long as it is shown. Escape answers no. The document hears `dialogs` when one comes or goes. */
export class Dialog extends Component {
  ref = createRef();

  componentDidMount() {
    this.ref.current.showModal();
    document.dispatchEvent(new Event('dialogs'));
  }

  componentWillUnmount() {
    queueMicrotask(() => document.dispatchEvent(new Event('dialogs')));
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


/** The bar above a screen: its title, and what can be done there. `back` is shown where one can go back. A `silent` title is only
 *  heard, because the screen shows it larger. */
export function Bar({ app, title, back = true, live = false, silent = false, children }) {
  return html`<header class="bar">
    ${back && app.canGoBack() && html`<button type="button" class="tool back" data-back aria-label=${app.t('back')} onClick=${() => app.back()}><${Icon} name="back" /></button>`}
    <h1 tabindex="-1"><span class=${silent ? 'sr' : ''}>${title}</span></h1>
    ${live && html`<${LiveDot} app=${app} />`}
    ${children}
  </header>`;
}

export function Tool({ icon, label, text, ...rest }) {
  return html`<button type="button" class=${text ? 'tool text' : 'tool'} aria-label=${text ? undefined : label} title=${label} ...${rest}>${icon ? html`<${Icon} name=${icon} />` : text}</button>`;
}

export function LiveDot({ app }) {
  return html`<span class="live" role="status" data-on=${app.state.isLive ? 'yes' : 'no'}><span class="dot"></span><span class="muted">${app.t(app.state.isLive ? 'live' : 'not_live')}</span></span>`;
}

export function Section({ title, action, note, label, children }) {
  return html`<section class="section" aria-label=${label ?? title}>
    ${(title || action) && html`<header>${title && html`<h2>${title}</h2>`}${action}</header>`}
    ${children}
    ${note && html`<p class="note-below muted small">${note}</p>`}
  </section>`;
}

/** A row; with `onClick` a button that leads further. */
export function Row({ icon, title, sub, value, soft, onClick, current, danger, children, ...rest }) {
  const inside = html`${icon && html`<${Icon} name=${icon} />`}
    <span class="body"><span class=${danger ? 'title danger' : 'title'}>${typeof title === 'string' ? html`<span>${title}</span>` : title}</span>${sub && html`<span class="sub">${sub}</span>`}</span>
    ${value !== undefined && value !== null && html`<span class=${soft ? 'value soft' : 'value'}>${value}</span>`}${children}`;
  if (!onClick) return html`<div class="row" ...${rest}>${inside}</div>`;
  return html`<button type="button" class="row go" data-row aria-current=${current ? 'true' : undefined} onClick=${onClick} ...${rest}>${inside}</button>`;
}

export function Face({ user, large }) {
  return html`<span class=${large ? 'face large' : 'face'} data-hue=${user ? hueOf(user.telegram_id) : undefined} aria-hidden="true">${user ? initials(user) : '—'}</span>`;
}

export function Badge({ kind = '', children }) {
  return html`<span class=${`badge ${kind}`}>${children}</span>`;
}

/** The badges of a person that do not go without saying. */
export function UserBadges({ app, user }) {
  return html`${user.is_blocked && html`<${Badge} kind="bad">${app.t('blocked')}<//>`}
    ${user.role !== 'user' && html`<${Badge} kind=${user.role === 'admin' ? 'blue' : 'violet'}>${app.t(`role_${user.role}`)}<//>`}`;
}

/** `Premium until 3 Dec` */
export function subscriptionOf(app, { subscription_type: tier, subscription_status: status, subscription_expires_at: until }) {
  if (status === 'none') return app.t('no_subscription');
  const values = { tier: tierTitle(tier), day: app.fmt.day(until) };
  if (status === 'expired') return app.t('subscription_was', values);
  return app.t(until ? 'subscription_until' : 'subscription_forever', values);
}

export function tierTitle(tier) {
  return tier ? tier[0].toUpperCase() + tier.slice(1) : '—';
}

export function UserRow({ app, user, onClick, current, index }) {
  return html`<button type="button" class="row" data-row data-index=${index} aria-current=${current ? 'true' : undefined} onClick=${onClick}>
    <${Face} user=${user} />
    <span class="body">
      <span class="title"><span>${nameOf(user)}</span><${UserBadges} app=${app} user=${user} /></span>
      <span class="sub cut">${subscriptionOf(app, user)}${user.username ? ` · @${user.username}` : ''}</span>
    </span>
  </button>`;
}

/** Nothing here yet, or nothing that fits: what it means, and what to do. */
export function State({ icon = 'empty', title, text, action, onAction, isPage = false }) {
  return html`<div class="state"><${Icon} name=${icon} />${isPage ? html`<h1>${title}</h1>` : html`<p class="strong">${title}</p>`}${text && html`<p class="muted small">${text}</p>`}
    ${action && html`<button type="button" class="secondary" onClick=${onAction}>${action}</button>`}</div>`;
}

/** A request that failed: why, and again. */
export function Failed({ app, problem, onAgain }) {
  const offline = problem.status === 0;
  return html`<div class="card" role="alert"><${State} icon=${offline ? 'offline' : 'warning'} title=${app.t(offline ? 'offline' : 'failed')}
    text=${problem.detail ?? app.t(offline ? 'offline_text' : 'failed_text')} action=${app.t('again')} onAction=${onAgain} /></div>`;
}

/** What is shown while a list loads for the first time. */
export function Bones({ app, rows = 5, faces = false }) {
  return html`<div class=${faces ? 'card rows faces' : 'card rows'} role="status" aria-label=${app.t('loading')}>
    ${Array.from({ length: rows }, (_, at) => html`<div class="row" key=${at}>${faces && html`<span class="bone face"></span>`}<span class="body"><span class=${`bone ${['w5', 'w7', 'w3'][at % 3]}`}></span></span></div>`)}</div>`;
}

/** One of a few, as Telegram's segmented control. */
export function Segments({ label, name, options, value, onChange, autofocus = false }) {
  return html`<div class="segments" role="radiogroup" aria-label=${label}>${options.map(([id, words]) => html`<label key=${id}>
    <input type="radio" name=${name} value=${id} checked=${id === value} autofocus=${autofocus && id === value} onChange=${() => onChange(id)} /><span>${words}</span></label>`)}</div>`;
}

/** A filter: the first option stands for all. */
export function ChipSelect({ label, options, value, onChange }) {
  return html`<span class="chip" data-set=${value ? '' : undefined}><select aria-label=${label} value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
    ${options.map(([id, words]) => html`<option key=${id} value=${id} selected=${id === value}>${words}</option>`)}</select></span>`;
}

export function Search({ app, value, label, onInput, onEnter }) {
  return html`<div role="search" class="search"><${Icon} name="search" />
    <input type="search" data-search value=${value} placeholder=${label} aria-label=${label} autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="200"
      onInput=${(event) => onInput(event.currentTarget.value)} onKeyDown=${(event) => { if (event.key === 'Enter') onEnter?.(event.currentTarget.value); }} />
    ${!app.isHandheld && html`<kbd aria-hidden="true">/</kbd>`}</div>`;
}

/** Names with their values. */
export function Pairs({ items }) {
  return html`<dl class="pairs">${items.filter(([, value]) => value !== undefined).map(([name, value, mono]) => html`<dt key=${`${name}-name`}>${name}</dt><dd key=${name} class=${mono ? 'mono' : ''}>${value ?? '—'}</dd>`)}</dl>`;
}

/** What an event says, and its name where the app has no words for it (yet). */
export function eventTitle(app, name) {
  return app.t.has(`event_${name}`) ? app.t(`event_${name}`) : name;
}

/** Who caused it: the service, the terminal with its user, or an account, shortened. */
export function whoDid(app, actor) {
  if (!actor) return '—';
  if (actor === 'system') return app.t('actor_service');
  if (actor === 'import') return app.t('actor_import');
  if (actor.startsWith('tool:')) return app.t('actor_terminal', { user: actor.split(':').slice(2).join(':') || actor });
  if (actor.startsWith('key:')) return app.t('actor_key', { id: actor.slice(4) });
  if (actor === app.me?.account_id) return app.t('actor_you');
  return isAccount(actor) ? `${actor.slice(0, 8)}…` : actor;
}

export function isAccount(text) {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text ?? '');
}
