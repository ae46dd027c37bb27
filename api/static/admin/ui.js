//! What every screen is made of: sections, rows, badges, fields, and the states of a list.

import { html } from './dom.js';
import { hueOf, initials, nameOf } from './format.js';
import { Icon } from './icons.js';

export { Icon };

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
export function State({ icon = 'empty', title, text, action, onAction }) {
  return html`<div class="state"><${Icon} name=${icon} /><p class="strong">${title}</p>${text && html`<p class="muted small">${text}</p>`}
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
