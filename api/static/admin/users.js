//! People: search first, filters, order; pick some for one act on all of them. And the sheets that grant a subscription, to one person or to
//! many: a grant can be taken back for a while.

import { OrderKeys, everyItem, idempotencyKey } from './api.js';
import { CsvButton, USER_COLUMNS } from './export.js';
import { daysUntil, nameOf } from './format.js';
import { Listed } from './loaded.js';
import { Bar, Bones, ChipSelect, Component, Dialog, Search, Segments, State, Tool, UserRow, html, subscriptionOf, tierTitle } from './ui.js';

/** How long typing has to pause before the server is asked. */
const TYPING_MS = 180;
/** People that one order of the page reaches. */
const MOST_PICKED = 1_000;
export const NO_FILTERS = { query: '', tier: '', status: '', role: '', blocked: '', sort: '' };

export class Users extends Component {
  constructor({ app }) {
    super();
    const filters = { ...NO_FILTERS, ...app.memory.users };
    this.state = { filters, typed: filters.query, picked: null, granting: false };
  }

  componentWillUnmount() {
    clearTimeout(this.timer);
    this.props.app.onEscape = null;
  }

  set(change) {
    const filters = { ...this.state.filters, ...change };
    this.props.app.memory.users = filters;
    this.setState({ filters });
  }

  type(typed) {
    this.setState({ typed });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.set({ query: typed.trim() }), TYPING_MS);
  }

  select(on) {
    this.setState({ picked: on ? new Map() : null });
    this.props.app.onEscape = on ? () => this.select(false) : null;
  }

  /** Picks everybody whom the filters let through. */
  async pickAll() {
    const { app } = this.props;
    await app.attempt(async () => {
      const users = await everyItem(app.api, 'users', this.state.filters, { most: MOST_PICKED });
      if (users.length >= MOST_PICKED) app.toast(app.t('picked_first', { n: MOST_PICKED }));
      if (this.state.picked) this.setState({ picked: new Map(users.slice(0, MOST_PICKED).map((user) => [user.account_id, user])) });
    });
  }

  pick(user) {
    this.setState(({ picked }) => {
      const now = new Map(picked);
      if (!now.delete(user.account_id)) now.set(user.account_id, user);
      return { picked: now };
    });
  }

  render({ app, beside }, { filters, typed, picked, granting }) {
    const { t } = app;
    const isFiltered = Object.keys(NO_FILTERS).some((name) => name !== 'sort' && filters[name]);
    // Without an order, people who are looked for by username come by username.
    const byUsername = /^@\S+$/.test(filters.query);
    const [auto, newest] = byUsername ? [[['', t('sort_username')]], '-created_at'] : [[], ''];
    const filter = (name, options) => html`<${ChipSelect} label=${t(`filter_${name}`)} value=${filters[name]} options=${options} onChange=${(value) => this.set({ [name]: value })} />`;
    return html`
      <${Bar} app=${app} title=${picked ? t('picked', { n: picked.size }) : t('tab_users')} back=${false}>
        ${picked ? html`<${Tool} text=${t('pick_all')} onClick=${() => this.pickAll()} />
          <${Tool} icon="close" label=${t('stop_picking')} data-key="select" onClick=${() => this.select(false)} />` : html`
          <${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => this.list.load()} />
          <${CsvButton} app=${app} name="users" columns=${USER_COLUMNS} path="users" query=${filters} />
          <${Tool} icon="select" label=${t('pick_some')} data-key="select" onClick=${() => this.select(true)} />`}
      <//>
      <${Search} app=${app} label=${t('search_people')} value=${typed} onInput=${(value) => this.type(value)} onEnter=${() => this.first()} />
      <div class="chips" role="group" aria-label=${t('filters')}>
        ${filter('sort', [...auto, [newest, t('sort_newest')], ['created_at', t('sort_oldest')], ['expires_at', t('sort_ending')], ['-expires_at', t('sort_longest')], ['name', t('sort_name')]])}
        ${filter('status', [['', t('any_status')], ['active', t('status_active')], ['expired', t('status_expired')], ['none', t('status_none')]])}
        ${filter('tier', [['', t('any_tier')], ...TIERS.map((tier) => [tier, tierTitle(tier)])])}
        ${filter('role', [['', t('any_role')], ...['user', 'admin', 'auditor'].map((role) => [role, t(`role_${role}`)])])}
        ${filter('blocked', [['', t('any_access')], ['true', t('blocked')], ['false', t('not_blocked')]])}
      </div>
      <${UserList} ref=${(it) => { this.list = it; }} app=${app} filters=${filters} picked=${picked} current=${beside?.params.account_id} onPick=${(user) => this.pick(user)}
        isFiltered=${isFiltered} onClear=${() => { clearTimeout(this.timer); this.set(NO_FILTERS); this.setState({ typed: '' }); }} />
      ${picked && html`<div class="bulk"><span class="grow small">${picked.size === 0 ? t('pick_hint') : t('picked', { n: picked.size })}</span>
        <button type="button" class="primary" disabled=${picked.size === 0} onClick=${() => this.setState({ granting: true })}>${t('grant')}</button></div>`}
      ${granting && html`<${BulkGrant} app=${app} users=${[...picked.values()]} onClose=${(done) => { this.setState({ granting: false }); if (done) { this.select(false); this.list.load(); } }} />`}`;
  }

  /** Opens the first that was found. */
  first() {
    const [user] = this.list.state.data?.items ?? [];
    if (user && this.state.typed.trim() === this.state.filters.query) openUser(this.props.app, user.account_id);
  }
}

class UserList extends Listed {
  path() { return 'users'; }

  query({ filters }) { return filters; }

  concerns({ stream }) { return stream === 'account'; }

  bones() {
    return html`<${Bones} app=${this.props.app} rows=${8} faces=${true} />`;
  }

  list(users) {
    const { app, picked, current, onPick, isFiltered, onClear } = this.props;
    const { t } = app;
    if (users.length === 0) {
      return html`<div class="card">${isFiltered
        ? html`<${State} icon="search" title=${t('nobody_fits')} text=${t('nobody_fits_text')} action=${t('clear_filters')} onAction=${onClear} />`
        : html`<${State} icon="users" title=${t('nobody_yet')} text=${t('nobody_yet_text')} action=${t('make_invite')} onAction=${() => { app.go('invites'); app.open('invite_new'); }} />`}</div>`;
    }
    return html`<ul class="card rows faces" aria-label=${t('tab_users')}>${users.map((user) => html`<li key=${user.account_id} class="pick" aria-current=${current === user.account_id ? 'true' : undefined}>
      ${picked && html`<input type="checkbox" checked=${picked.has(user.account_id)} aria-label=${t('pick_one', { name: user.first_name ?? user.telegram_id })} onChange=${() => onPick(user)} />`}
      <${UserRow} app=${app} user=${user} onClick=${() => (picked ? onPick(user) : openUser(app, user.account_id))} /></li>`)}</ul>`;
  }
}

/** A person beside the list, in place of the one that was open there. */
export function openUser(app, accountId) {
  app.open('user', { account_id: accountId }, { instead: true });
}

export const TIERS = ['free', 'trial', 'basic', 'premium', 'enterprise'];
/** Those that can be granted: free is what everybody has. */
export const PAID = TIERS.slice(1);
const DAY_MS = 86_400_000;
const TERMS = ['7', '30', '90', '365', '0', 'other'];
/** Requests at a time, when many people get a subscription. */
const AT_ONCE = 4;

/** When a subscription ends that is granted now: `{until}`, null for never. The same tier goes on from the end of the one that runs. */
export function endAfter(user, tier, days, now) {
  const goesOn = user?.subscription_status === 'active' && user.subscription_type === tier;
  if (days === 0 || (goesOn && user.subscription_expires_at === null)) return { until: null };
  return { until: (goesOn ? Date.parse(user.subscription_expires_at) : now) + days * DAY_MS };
}

/** Tier, days and reason. `onDone({tier, days, reason})`. With `user`, what they would have then. */
export class GrantForm extends Component {
  state = { tier: 'premium', term: '30', days: '', isWrong: false };

  days() {
    const { term, days } = this.state;
    if (term !== 'other') return Number(term);
    const number = Number(days);
    return Number.isInteger(number) && number >= 1 && number <= 36_500 ? number : null;
  }

  submit(event) {
    event.preventDefault();
    const days = this.days();
    this.setState({ isWrong: days === null });
    if (days === null) return;
    this.props.onDone({ tier: this.state.tier, days, reason: event.currentTarget.elements.reason.value.trim() || undefined });
  }

  render({ app, title, text, user, yes, busy, onCancel }, { tier, term, days, isWrong }) {
    const { t, fmt } = app;
    const chosen = this.days();
    const { until } = chosen === null ? {} : endAfter(user, tier, chosen, fmt.now());
    return html`<form onSubmit=${(event) => this.submit(event)} novalidate>
      <h2 id="dialog-title">${title}</h2><p class="muted small">${text(tier)}</p>
      <div class="field"><label>${t('tier')}</label><${Segments} label=${t('tier')} name="tier" autofocus=${true} value=${tier} options=${PAID.map((it) => [it, tierTitle(it)])} onChange=${(value) => this.setState({ tier: value })} /></div>
      <div class="field"><label>${t('term')}</label><${Segments} label=${t('term')} name="term" value=${term} options=${TERMS.map((it) => [it, t(it === '0' ? 'forever' : it === 'other' ? 'other_term' : 'days', { n: Number(it) })])} onChange=${(value) => this.setState({ term: value })} /></div>
      ${term === 'other' && html`<div class="field"><label for="days">${t('term_days')}</label><input id="days" class="input" inputmode="numeric" maxlength="5" value=${days} aria-invalid=${isWrong ? 'true' : undefined} aria-describedby="days-error"
        onInput=${(event) => this.setState({ days: event.currentTarget.value, isWrong: false })} /><p id="days-error" class="error" role="alert">${isWrong && t('days_wrong')}</p></div>`}
      <div class="field"><label for="reason">${t('reason')}</label><input id="reason" name="reason" class="input" maxlength="500" /></div>
      <p class="small" role="status">${chosen === null ? '' : t(until ? 'will_get' : 'will_get_forever', { tier: tierTitle(tier), day: fmt.day(until) })}</p>
      <div class="choices"><button type="button" onClick=${onCancel}>${t('cancel')}</button><button type="submit" data-yes aria-busy=${busy ? 'true' : undefined} disabled=${busy}>${yes}</button></div>
    </form>`;
  }
}

/** The sheet for one person. */
export class Grant extends Component {
  state = { busy: false };
  keys = new OrderKeys();

  async grant(order) {
    const { app, user, onClose } = this.props;
    this.setState({ busy: true });
    const isDone = await app.attempt(async () => {
      const { user: now } = await app.api.post(`users/${user.account_id}/subscription`, order, { 'Idempotency-Key': this.keys.of(order) });
      app.toast(app.t('granted', { name: nameOf(user), subscription: subscriptionOf(app, now) }), { undo: () => takeBack(app, user, order) });
    });
    this.setState({ busy: false });
    if (isDone) onClose(true);
  }

  render({ app, user, onClose }, { busy }) {
    const { t } = app;
    const text = (tier) => (user.subscription_status === 'active' ? t(tier === user.subscription_type ? 'extends' : 'replaces', { subscription: subscriptionOf(app, user) }) : t('has_none'));
    return html`<${Dialog} onCancel=${() => onClose(false)}><${GrantForm} app=${app} title=${t('grant_to', { name: nameOf(user) })} text=${text} user=${user} yes=${t('grant')} busy=${busy} onDone=${(order) => this.grant(order)} onCancel=${() => onClose(false)} /><//>`;
  }
}

/** What a person had before this grant, again. Returns what to say. */
export async function takeBack(app, before, { tier }) {
  const path = `users/${before.account_id}/subscription`;
  const reason = app.t('undo_reason');
  const name = nameOf(before);
  if (before.subscription_status !== 'active') {
    await app.api.delete(path, { reason });
    return app.t('taken_back', { name });
  }
  if (tier === before.subscription_type) {
    if (before.subscription_expires_at === null) return app.t('granted', { name, subscription: subscriptionOf(app, before) });
    // The same tier would be extended once more.
    await app.api.delete(path, { reason });
  }
  // A subscription is granted by days, so the last one may be longer than it was.
  const days = before.subscription_expires_at ? Math.max(1, daysUntil(before.subscription_expires_at, app.fmt.now())) : 0;
  const { user } = await app.api.post(path, { tier: before.subscription_type, days, reason }, { 'Idempotency-Key': idempotencyKey() });
  return app.t('granted', { name, subscription: subscriptionOf(app, user) });
}

/** The sheet for many people: it asks, shows how far it is, and tells whom it did not reach. */
export class BulkGrant extends Component {
  state = { order: null };
  done = [];
  failed = [];
  isStopped = false;
  /** One key for each person, kept over tries: nobody gets it twice. */
  keys = new Map(this.props.users.map(({ account_id: id }) => [id, idempotencyKey()]));

  async run(order, users) {
    const { app } = this.props;
    Object.assign(this, { failed: [], isStopped: false });
    this.setState({ order });
    const queue = [...users];
    const work = async () => {
      for (let user = queue.shift(); user; user = this.isStopped || app.state.hasEnded ? null : queue.shift()) {
        try {
          await app.api.post(`users/${user.account_id}/subscription`, order, { 'Idempotency-Key': this.keys.get(user.account_id) });
          this.done.push(user);
        } catch (problem) {
          this.failed.push({ user, problem });
        }
        this.setState({});
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.failed.push(...queue.map((user) => ({ user, problem: {} })));
    if (this.failed.length === 0) this.finish();
    else this.setState({});
  }

  stop() {
    this.isStopped = true;
  }

  finish() {
    const { app, onClose } = this.props;
    const { done, state: { order } } = this;
    if (done.length > 0) app.toast(app.t('granted_many', { n: done.length }), { undo: async () => { for (const user of done) await takeBack(app, user, order); return app.t('taken_back_many', { n: done.length }); } });
    onClose(done.length > 0);
  }

  render({ app, users, onClose }, { order }) {
    const { t } = app;
    const { done, failed } = this;
    if (!order) {
      const active = users.filter((user) => user.subscription_status === 'active');
      const text = (tier) => {
        const longer = active.filter((user) => user.subscription_type === tier).length;
        const replaced = active.length - longer;
        return [longer > 0 && t('extends_many', { n: longer }), replaced > 0 && t('replaces_many', { n: replaced }), active.length === 0 && t('has_none_many')].filter(Boolean).join(' ');
      };
      return html`<${Dialog} onCancel=${() => onClose(false)}><${GrantForm} app=${app} title=${t('grant_many', { n: users.length })} text=${text}
        yes=${t('grant')} onDone=${(it) => this.run(it, users)} onCancel=${() => onClose(false)} /><//>`;
    }
    const isRunning = done.length + failed.length < users.length;
    return html`<${Dialog} onCancel=${() => (isRunning ? this.stop() : this.finish())}><div class="stack">
      <h2 id="dialog-title">${t(isRunning ? 'granting' : 'granted_not_all')}</h2>
      <p role="status">${t('done_of', { done: done.length, all: users.length })}</p>
      <div class="progress" aria-hidden="true"><div style=${{ transform: `scaleX(${(done.length + failed.length) / users.length})` }}></div></div>
      ${failed.length > 0 && html`<ul class="small stack">${failed.slice(0, 20).map(({ user, problem }) => html`<li key=${user.account_id}>${nameOf(user)}: ${problem.detail ?? t(problem.status === 0 ? 'offline' : problem.status ? 'failed' : 'not_tried')}</li>`)}</ul>`}
      <div class="choices">${isRunning ? html`<button type="button" onClick=${() => this.stop()}>${t('stop')}</button>`
        : html`<button type="button" onClick=${() => this.finish()}>${t('close')}</button><button type="button" onClick=${() => this.run(order, failed.map(({ user }) => user))}>${t('again')}</button>`}</div></div><//>`;
  }
}
