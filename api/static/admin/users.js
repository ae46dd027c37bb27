//! People: search first, filters, order; pick some for one act on all of them.

import { Component, html } from './dom.js';
import { Bar, ChipSelect, Search, State, Tool, UserRow, tierTitle } from './ui.js';
import { Bones } from './ui.js';
import { BulkGrant } from './grant.js';
import { CsvButton } from './export.js';
import { Listed } from './loaded.js';
import { TIERS } from './grant.js';
import { USER_COLUMNS } from './csv.js';

/** How long typing has to pause before the server is asked. */
const TYPING_MS = 180;
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

  pick(user) {
    const picked = new Map(this.state.picked);
    if (!picked.delete(user.account_id)) picked.set(user.account_id, user);
    this.setState({ picked });
  }

  render({ app, beside }, { filters, typed, picked, granting }) {
    const { t } = app;
    const isFiltered = Object.keys(NO_FILTERS).some((name) => name !== 'sort' && filters[name]);
    const filter = (name, options) => html`<${ChipSelect} label=${t(`filter_${name}`)} value=${filters[name]} options=${options} onChange=${(value) => this.set({ [name]: value })} />`;
    return html`
      <${Bar} app=${app} title=${picked ? t('picked', { n: picked.size }) : t('tab_users')} back=${false}>
        ${picked ? html`<${Tool} text=${t('pick_loaded')} onClick=${() => this.setState({ picked: new Map(this.list.state.data?.items.map((user) => [user.account_id, user])) })} />
          <${Tool} icon="close" label=${t('stop_picking')} data-key="select" onClick=${() => this.select(false)} />` : html`
          <${Tool} icon="refresh" label=${t('refresh')} data-key="refresh" onClick=${() => this.list.load()} />
          <${CsvButton} app=${app} name="users" columns=${USER_COLUMNS} path="users" query=${filters} />
          <${Tool} icon="select" label=${t('pick_some')} data-key="select" onClick=${() => this.select(true)} />`}
      <//>
      <${Search} app=${app} label=${t('search_people')} value=${typed} onInput=${(value) => this.type(value)} onEnter=${() => this.first()} />
      <div class="chips" role="group" aria-label=${t('filters')}>
        ${filter('sort', [['', t('sort_newest')], ['created_at', t('sort_oldest')], ['expires_at', t('sort_ending')], ['-expires_at', t('sort_longest')], ['name', t('sort_name')]])}
        ${filter('status', [['', t('any_status')], ['active', t('status_active')], ['expired', t('status_expired')], ['none', t('status_none')]])}
        ${filter('tier', [['', t('any_tier')], ...TIERS.map((tier) => [tier, tierTitle(tier)])])}
        ${filter('role', [['', t('any_role')], ...['user', 'admin', 'auditor'].map((role) => [role, t(`role_${role}`)])])}
        ${filter('blocked', [['', t('any_access')], ['true', t('blocked')], ['false', t('not_blocked')]])}
      </div>
      <${UserList} ref=${(it) => { this.list = it; }} app=${app} filters=${filters} picked=${picked} current=${beside?.params.account_id} onPick=${(user) => this.pick(user)}
        isFiltered=${isFiltered} onClear=${() => { this.set(NO_FILTERS); this.setState({ typed: '' }); }} />
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
  app.open('user', { account_id: accountId }, { instead: app.tab === 'users' && app.top.screen !== 'event' });
}
